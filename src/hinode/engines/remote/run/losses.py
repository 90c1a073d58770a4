"""What a server may still make, and charge for, after its job was left: the loss of the operator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from hinode.engines.remote.client import Client
from hinode.engines.remote.dialects import Phase
from hinode.engines.remote.errors import UpstreamError
from hinode.engines.remote.run.steps import Steps, Waiter
from hinode.engines.remote.upstreams import Upstream
from hinode.engines.remote.wire import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loss:
    """A job that a server has or may have, and whose clip is not wanted any more.

    Attributes:
        provider: name of the server.
        job: its id there, or "" if only the server knows it.
        reason: why it was left.
        price: of the clip in US dollars, or None if the server has no price.
        delivered: whether the clip is known to have been finished after all.
    """

    provider: str
    job: str
    reason: str
    price: float | None
    delivered: bool = False


class Losses:
    """The losses of one run."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is the length of the clip."""
        self._seconds = seconds
        self._losses: list[Loss] = []

    def as_json(self) -> list[dict[str, Any]]:
        """All of them in JSON values."""
        return [asdict(loss) for loss in self._losses]

    def restore(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Take over what `as_json` wrote."""
        self._losses = [Loss(**loss) for loss in values]

    def record(self, server: Upstream, model: str, job: Job | None, reason: str) -> None:
        """Record that the clip of a job is not wanted any more; `job` is None if its id is not known."""
        price = server.prices.get(model)
        price = None if price is None else price * self._seconds
        self._losses.append(Loss(server.name, job.id if job else "", reason, price))
        log.warning("upstream %s may make a clip in vain: it %s", server.name, reason)

    def check(
        self,
        servers: Iterable[Upstream],
        new_client: Callable[[Upstream], Client],
        waiter: Waiter,
    ) -> Steps[None]:
        """Ask the servers of these jobs, once, whether they have finished them after all."""
        pollable = {server.name: server for server in servers if server.dialect.job}
        for index, loss in enumerate(self._losses):
            if loss.provider not in pollable or not loss.job or loss.delivered:
                continue
            with suppress(UpstreamError):
                client = new_client(pollable[loss.provider])
                job = yield from waiter.background(partial(client.poll, loss.job))
                if job.phase is Phase.DONE:
                    self._losses[index] = replace(loss, delivered=True)
                    log.warning("upstream %s finished a clip too late", loss.provider, extra=asdict(loss))
