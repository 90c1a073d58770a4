"""The decision of a pool as a job stores it, in JSON values, and the moves of the job along it.

A job begins at the first route. A move leads to the next one that has not refused the request for good; after
the last one the first is tried again, later. So a job moves only when nobody has begun it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hinode.background import backoff
from hinode.routing.decision import Candidate, Decision

PATIENCE_SECONDS = 900.0
"""How long a job looks for a member that accepts it."""
FIRST_PAUSE, MAX_PAUSE = 2.0, 60.0
"""Seconds between two rounds."""

Record = Mapping[str, Any]


def begin(pool: str, decision: Decision) -> dict[str, Any]:
    """The record of a new job."""
    return {
        "pool": pool,
        "routes": [
            {
                **_names(route.candidate),
                "price": round(route.candidate.price, 6),
                "wait": round(route.candidate.wait, 2),
                "seconds": round(route.candidate.seconds, 2),
                "condition": route.candidate.condition.name.lower(),
                "reason": route.reason,
                "refused": False,
            }
            for route in decision.routes
        ],
        "rejected": [{**_names(route.candidate), "reason": route.reason} for route in decision.rejected],
        "position": 0,
        "round": 1,
        "moves": [],
    }


def restart(record: Record) -> dict[str, Any]:
    """The record of another job with the same request."""
    routes = [{**route, "refused": False} for route in record["routes"]]
    return {**record, "routes": routes, "position": 0, "round": 1, "moves": []}


def current(record: Record) -> Record:
    """The route that the job is on."""
    route: Record = record["routes"][record["position"]]
    return route


def move(
    record: Record,
    reason: str,
    now: float,
    *,
    created_at: float,
    refused: bool = False,
    full: bool = False,
    allowed: Callable[[Record], bool] = lambda route: True,
) -> tuple[dict[str, Any], float] | None:
    """Move a job to its next route.

    Args:
        reason: why it leaves its route, a sentence.
        now, created_at: seconds since 1970; the latter is when the job was submitted.
        refused: whether its route refuses the request for good.
        full: whether its route has no place yet. It keeps that route for twice the wait that the decision
            expected there: another was not worth its price.
        allowed: whether a route may be taken.

    Returns: the new record and the seconds to wait before that route, or None if there is no route, or the
        job has looked for `PATIENCE_SECONDS`.
    """
    expected = record["routes"][record["position"]]["wait"]
    if full and now - created_at < 2 * expected and allowed(current(record)):
        return {**record}, min(max(expected / 4, FIRST_PAUSE), MAX_PAUSE)
    position, count = record["position"], len(record["routes"])
    routes = [dict(route) for route in record["routes"]]
    routes[position]["refused"] = refused
    order = [(position + step) % count for step in range(1, count + 1)]
    target = next((at for at in order if not routes[at]["refused"] and allowed(routes[at])), None)
    if target is None:
        return None
    again = target <= position
    if again and now - created_at >= PATIENCE_SECONDS:
        return None
    pause = backoff(record["round"], first=FIRST_PAUSE, maximum=MAX_PAUSE) if again else 0.0
    names = (f"{route['engine']}/{route['model']}" for route in (routes[position], routes[target]))
    entry = {"at": round(now, 3), **dict(zip(("from", "to"), names, strict=True)), "reason": reason}
    changes = {"position": target, "round": record["round"] + again, "moves": [*record["moves"], entry]}
    return {**record, "routes": routes, **changes}, pause


def _names(candidate: Candidate) -> dict[str, str]:
    return {"engine": candidate.engine, "model": candidate.model, "provider": candidate.provider}
