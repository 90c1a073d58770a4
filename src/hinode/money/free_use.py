"""The policy of free use: what projects that do not pay for their clips may have.

The amount that is given away has a limit of its own, the budget of the scope `free` (`money.budgets`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hinode import yamlfile
from hinode.errors import HinodeError, join_names
from hinode.money.budgets import OverBudget
from hinode.parsing import Boolean, Input, Integer, parse
from hinode.request import Request

FILE = "free.yaml"
"""In HINODE_HOME; without it, free use has no rules."""
DEFAULT_PROFILE = "default"
"""The profile of a request that names none."""


class NotFree(OverBudget):
    """What is asked for is not free."""

    code = "not_free"


class UnreadableRules(HinodeError):
    """The policy cannot be read; nothing is free until it can."""

    code = "free_use_unreadable"


class FreeUse(Input):
    """The rules of free use.

    Attributes:
        profiles: of the models that may be used; "default" stands for a request without one; empty for all.
        clips_a_day: of all projects of an organisation that do not pay, in a day of UTC; None for no limit.
        idle_only: a clip is accepted only if no job waits, and every job that is paid for goes before it.
        visible_mark: clips carry a visible notice that they were generated.
    """

    profiles: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=32)], ...], Field(max_length=20)
    ] = ()
    clips_a_day: Annotated[Integer, Field(ge=0, le=1_000_000)] | None = None
    idle_only: Boolean = False
    visible_mark: Boolean = True

    def check_profile(self, request: Request) -> None:
        """Raise NotFree if a request asks for a profile that is not free."""
        profile = request.profile or DEFAULT_PROFILE
        if self.profiles and profile not in self.profiles:
            names = join_names(self.profiles, "or")
            message = f"the profile {profile} is not free on this server"
            raise NotFree(message, f"ask for {names}, or whoever runs this server for credit")


NO_RULES = FreeUse(visible_mark=False)


def read_text(text: str | None, where: str) -> FreeUse:
    """The rules in the text of the operator's file, which is at `where`; none without a text.

    Raises:
        BadInput: it cannot be read, or a rule is wrong.
    """
    if text is None:
        return NO_RULES
    what = f"the policy of free use {where}"
    return parse(FreeUse, yamlfile.read_text(text.encode(), what, "free"), what=what, field="free")
