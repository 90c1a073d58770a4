"""What a request says about its price: the quote that it accepts and the most that it may cost."""

from __future__ import annotations

import dataclasses

from hinode.api.catalogue import Model
from hinode.api.requests.models import Limited
from hinode.jobs.states import Priority
from hinode.money.quoting import offers
from hinode.money.quoting.quotes import profile_of
from hinode.request import Request


def terms_of(
    body: Limited, request: Request, model: Model, *, seed: int | None, n: int, priority: Priority
) -> offers.Terms:
    """The terms of a body, for the request that it resolves to.

    Args:
        request: its defaults are resolved, but for those of the model.
        seed: of the first video; None: any.
        n: videos of the request.
    """
    capabilities = model.engine_capabilities
    resolved = dataclasses.replace(
        request,
        engine="" if model.pool else model.engine,  # a pool may take another member
        model=model.name if model.pool else capabilities.model,
        profile=profile_of(request, capabilities),
        fps=request.fps or capabilities.native_fps[0],
    )
    facts = {"seed": seed, "n": n, "priority": priority.name.lower()}
    cost = None if body.max_cost is None else offers.micro_units(body.max_cost)
    return offers.Terms(offers.digest_of(resolved, facts), n, body.quote_id, cost)
