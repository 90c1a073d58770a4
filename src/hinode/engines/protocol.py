"""What every engine is to the rest of the house: small, and steppable.

Between two steps a run can be stopped for good, looked at, saved, moved to another process and continued.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hinode.clip import Clip, Frames
from hinode.errors import EngineError
from hinode.request import Capabilities, Request

__all__ = [
    "Abandonable",
    "Capabilities",
    "Cost",
    "Engine",
    "Part",
    "Progress",
    "Run",
    "State",
    "UnusableState",
    "abandon",
    "drive",
    "timed",
]


@dataclass(frozen=True)
class Cost:
    """How much a request is to do; a quote is computed from it.

    Attributes:
        tokens: tokens that the network sees in one pass, the finest level counted.
        steps: sampling steps.
        passes: passes through the network over all steps; guidance may take two for one step.
        pixels: pixels that are drawn, over all frames, at native size.
    """

    tokens: int
    steps: int
    passes: int
    pixels: int


@dataclass(frozen=True, eq=False)
class Progress:
    """What a run has just done.

    Attributes:
        stage: name of the stage: "load", "text", "sample", "decode", ...
        done: units of the stage that are done.
        total: units of the stage in all, at least 1.
        preview: what the middle of the clip looks like so far, uint8 [H, W, 3] at native size, or None.
    """

    stage: str
    done: int
    total: int
    preview: Frames | None = None


Part = Callable[[], bytes]
"""Gives the content of a part of a state."""


@dataclass(frozen=True, eq=False)
class State:
    """A run between two steps, to be stored; only the engine that wrote it can read it.

    Attributes:
        engine: name of that engine.
        step: sampling steps that are finished.
        body: everything that the engine needs, but the parts.
        parts: finished pieces of the clip by names that are unique in the run. A name always stands for the
            same content, so whoever stores a later state of the run need not read it again.
    """

    engine: str
    step: int
    body: bytes
    parts: Mapping[str, Part] = field(default_factory=dict)


class UnusableState(EngineError):
    """A saved state cannot be continued; the run starts from the beginning instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "start from the beginning")


class Run(Protocol):
    """One request being carried out."""

    def __iter__(self) -> Iterator[Progress]:
        """Work, a step at a time; leaving the loop pauses the run, another loop goes on with it."""
        ...

    def state(self) -> State:
        """Everything needed to go on from here, to the same bits."""
        ...

    def clip(self) -> Clip:
        """The finished clip.

        Raises:
            EngineError: the run is not over yet.
        """
        ...


@runtime_checkable
class Abandonable(Protocol):
    """A run whose work goes on somewhere else while nobody iterates over it."""

    def abandon(self) -> None:
        """Have that work stopped, for nobody wants the clip; takes seconds at most, and raises nothing."""
        ...


def abandon(run: Run) -> None:
    """Give a run up for good; one that works only while it is iterated over need not be told."""
    if isinstance(run, Abandonable):
        run.abandon()


def drive(
    run: Run,
    watch: Callable[[Progress], None],
    save: Callable[[], None] = lambda: None,
    *,
    save_seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Drive a run to its end; one that is interrupted is abandoned.

    Args:
        run: the run.
        watch: called after every step.
        save: stores the state of the run.
        save_seconds: how often that is done.
        clock: seconds since any moment.
    """
    saved_at = clock()
    try:
        for progress in run:
            watch(progress)
            if clock() - saved_at >= save_seconds:
                save()
                saved_at = clock()
    except BaseException:
        abandon(run)
        raise


@contextmanager
def timed(stage_seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall-clock seconds that the block takes to those of a stage, also if it raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        stage_seconds[stage] = stage_seconds.get(stage, 0.0) + time.perf_counter() - start


class Engine(Protocol):
    """Whatever turns a request into a clip."""

    @property
    def name(self) -> str: ...

    def capabilities(self, model: str | None = None) -> Capabilities:
        """What can be asked for of a model, by default the engine's own default.

        Raises:
            BadInput: there is no such model.
            ModelError: its weights are missing or damaged.
        """
        ...

    def estimate(self, request: Request) -> Cost:
        """How much the request is to do; nothing is computed yet."""
        ...

    def start(self, request: Request, state: State | None = None) -> Run:
        """A run that has not begun, or one that goes on from `state`.

        Raises:
            BadInput: the request does not fit the capabilities.
            UnusableState: the state is not one of this request and model.
        """
        ...
