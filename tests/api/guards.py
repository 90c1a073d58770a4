"""A guard for frames."""

from __future__ import annotations

from hinode.trust.screening.guards import Item
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.verdict import Action, Finding, Stage, Verdict


class Rejecting:
    """A guard that rejects every clip."""

    name = "rejecting"
    stages = frozenset({Stage.FRAMES})

    def check(self, item: Item, policy: Policy) -> Verdict:
        return Verdict((Finding("gore", self.name, Action.BLOCK, item.stage, "guard"),), policy.version)
