"""Screening of a finished clip by guards that look at pictures, before it is written."""

from __future__ import annotations

import numpy as np

from hinode.clip import Clip, Frames
from hinode.trust.screening.guards import Item, ask, configured
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.requests import is_gravest, titles
from hinode.trust.screening.verdict import Action, ModerationBlocked, Stage, Verdict

FRAMES_PER_SECOND = 1.0
MIN_FRAMES = 3


class ClipBlocked(ModerationBlocked):
    """A guard blocks a finished clip.

    Attributes:
        frames: uint8 [T, H, W, 3] in sRGB, what the guard saw; None in the gravest category, of which nothing
            is kept and which nobody can approve.
    """

    def __init__(self, verdict: Verdict, title: str, frames: Frames | None) -> None:
        super().__init__(verdict, title)
        self.frames = frames


def sample(frames: Frames, fps: float) -> Frames:
    """At least one frame of each second, and three of a short clip, the first and the last among them."""
    count = max(MIN_FRAMES, int(np.ceil(len(frames) / fps * FRAMES_PER_SECOND)) + 1)
    chosen: Frames = frames[
        np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    ]
    return chosen


def check(policy: Policy, clip: Clip) -> None:
    """Ask the guards for frames, if there are any.

    Raises:
        ClipBlocked: one of them blocks the clip, or fails.
        GuardError: a guard cannot be made.
    """
    guards = [guard for guard in configured(policy) if Stage.FRAMES in guard.stages]
    if not guards:
        return
    item = Item(Stage.FRAMES, frames=sample(clip.frames, clip.fps))
    verdict = ask(guards, item, policy)
    if verdict.action is not Action.ALLOW:
        kept = None if is_gravest(policy, verdict) else item.frames
        raise ClipBlocked(verdict, titles(policy, verdict), kept)
