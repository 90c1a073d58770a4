"""The protocol of the engines. It is small, and a run can be stopped, previewed, saved, moved to another
process and continued between two steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable

from hinode.clip import Clip, Frames
from hinode.errors import EngineError
from hinode.request import Capabilities, Request
from hinode.settings import Settings


@dataclass(frozen=True)
class Cost:
    """The work of a request; a quote is computed from it.

    Attributes:
        tokens: of the network in one pass, at its finest level.
        steps: sampling steps.
        passes: through the network over all steps; guidance may take two for one step.
        pixels: that are drawn, over all frames, at native size.
    """

    tokens: int
    steps: int
    passes: int
    pixels: int


@dataclass(frozen=True, eq=False)
class Progress:
    """The report of a run after a step.

    Attributes:
        stage: "load", "text", "sample", "decode", ...
        done: units of the stage that are done.
        total: units of the stage in all, at least 1.
        preview: of the middle of the clip so far, uint8 [H, W, 3] at native size, or None.
        save: whether the state is to be saved now: what it knows, such as the id of a job that another server
            has begun, cannot be found out again.
    """

    stage: str
    done: int
    total: int
    preview: Frames | None = None
    save: bool = False


Part = Callable[[], bytes]
"""Gives the content of a part of a state."""


@dataclass(frozen=True, eq=False)
class State:
    """A run between two steps, to be stored; only the engine that wrote it can read it.

    Attributes:
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
    """The rendering of one request."""

    def __iter__(self) -> Iterator[Progress]:
        """Work, a step at a time; leaving the loop pauses the run, and another loop continues it."""
        ...

    def state(self) -> State:
        """Everything that is needed to continue from here to the same bits."""
        ...

    def clip(self) -> Clip:
        """The finished clip.

        Raises:
            EngineError: the run is not finished.
        """
        ...


@runtime_checkable
class Abandonable(Protocol):
    """A run whose work continues on another machine while nobody iterates over it."""

    def abandon(self) -> None:
        """Stop that work, because nobody wants the clip; takes seconds at most, and raises nothing."""
        ...


def abandon(run: Run) -> None:
    """Stop a run for good; nothing is to be done for one that works only while it is iterated over."""
    if isinstance(run, Abandonable):
        run.abandon()


def drive(
    run: Run,
    watch: Callable[[Progress], None],
    save: Callable[[], None] = lambda: None,
    *,
    save_seconds: float = math.inf,
) -> None:
    """Drive a run to its end, and call `watch` after every step and `save` every `save_seconds`. A run that
    is interrupted is abandoned."""
    saved_at = time.monotonic()
    try:
        for progress in run:
            watch(progress)
            if time.monotonic() - saved_at >= save_seconds:
                save()
                saved_at = time.monotonic()
    except BaseException:
        abandon(run)
        raise


@contextmanager
def timed(stage_seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall-clock seconds of the block to those of a stage, also if it raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        stage_seconds[stage] = stage_seconds.get(stage, 0.0) + time.perf_counter() - start


class Engine(Protocol):
    """Turns requests into clips."""

    @property
    def name(self) -> str: ...

    def capabilities(self, model: str | None = None) -> Capabilities:
        """The capabilities of a model, by default of the engine's default model.

        Raises:
            BadInput: there is no such model.
            ModelError: its weights are missing or damaged.
        """
        ...

    def estimate(self, request: Request) -> Cost:
        """The work of a request; nothing is drawn yet."""
        ...

    def start(self, request: Request, state: State | None = None) -> Run:
        """A run that has not begun, or one that continues from `state`.

        Raises:
            BadInput: the request does not fit the capabilities.
            UnusableState: the state is not one of this request and model.
        """
        ...


@dataclass(frozen=True)
class EngineEntry:
    """An engine as it is registered: the object that an entry point in the group "hinode.engines" names.

    The module of the object is imported in every process, so it must not import torch.

    Attributes:
        factory: "module:callable", imported when the engine is needed. The callable takes the settings and
            returns the engine.
        capabilities: as `Engine.capabilities`, without the engine; None to load it and ask it.
        models: names of its models, the default first; None for those that its capabilities name.
        estimate: as `Engine.estimate`, without the engine; None to load it and ask it.
        external: whether its clips are made by the servers of others.
    """

    factory: str
    capabilities: Callable[[Settings, str | None], Capabilities] | None = None
    models: Callable[[Settings], tuple[str, ...]] | None = None
    estimate: Callable[[Request, Settings], Cost] | None = None
    external: bool = False

    def load(self, settings: Settings) -> Engine:
        """Import the engine and make it."""
        engine: Engine = resolve_name(self.factory)(settings)
        return engine
