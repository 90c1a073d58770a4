"""The service level objectives, as data: what each component promises."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400.0
WINDOW_DAYS = 90
"""For which an error budget holds, and which the status page shows."""

API = "api"
LATENCY = "latency"
CLIPS = "clips"
QUEUE = "queue"
WEBHOOKS = "webhooks"
PROVIDERS = "providers"

LATENCY_SECONDS = 1.0
QUEUE_SECONDS = 30.0
DELIVERY_SECONDS = 30.0


@dataclass(frozen=True)
class Objective:
    """What one kind of component promises.

    Attributes:
        kind: the name of the component, or its first part ("clips" of "clips/native").
        title: for people; "{}" stands for the second part.
        promise: what a good sample is, for people.
        target: share of the time for which samples are good, 0 to 1.
        explained_by: kinds of components without which it fails too; while one of them fails, its failures
            open no incident of their own.
    """

    kind: str
    title: str
    promise: str
    target: float
    explained_by: tuple[str, ...] = (API,)


OBJECTIVES = (
    Objective(API, "API", "The API is ready and accepts a key.", 0.999, ()),
    Objective(LATENCY, "API latency", f"The API answers within {LATENCY_SECONDS:g} s.", 0.99),
    Objective(CLIPS, "Clips by {}", "A clip is requested, rendered and downloaded.", 0.995),
    Objective(QUEUE, "Queue", f"A clip waits at most {QUEUE_SECONDS:g} s for a worker.", 0.99, (API, CLIPS)),
    Objective(WEBHOOKS, "Webhooks", f"An event arrives within {DELIVERY_SECONDS:g} s.", 0.99),
    Objective(PROVIDERS, "Provider {}", "The server of the provider answers.", 0.99, ()),
)
"""In the order of the status page."""

_BY_KIND = {objective.kind: objective for objective in OBJECTIVES}


def objective_of(component: str) -> Objective:
    """The objective of a component, such as "clips/native"."""
    return _BY_KIND[component.partition("/")[0]]


def title_of(component: str) -> str:
    """What people call a component."""
    return objective_of(component).title.format(component.partition("/")[2])


def sort_key(component: str) -> tuple[int, str]:
    """The place of a component on the status page."""
    return list(_BY_KIND).index(component.partition("/")[0]), component
