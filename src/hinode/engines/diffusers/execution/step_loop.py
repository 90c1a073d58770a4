"""The denoising steps of a pipeline: a run can be saved after each one, and continues to the same bits. After
a step the scheduler's result and state and that of the random numbers are recorded. To continue, the pipeline
is called again from its beginning, so that everything around the loop is as it was; for steps that are done,
a placeholder returns outputs without content for the denoiser, and the scheduler its recorded result."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hinode.engines import saved_state
from hinode.engines.diffusers.execution.previews import estimate_clean_latents

OutputShapes = list[list[list[tuple[list[int], str]]]]
"""Shape and type of every tensor that the denoisers returned, by step and call."""


@dataclass(frozen=True)
class StepState:
    """A pipeline between two steps.

    Attributes:
        results: what each scheduler last returned.
        schedulers: attributes of each scheduler.
        cache_inputs: of the passes that a later step may reuse; see `BlockCache`.
    """

    step: int
    results: list[tuple[Tensor, ...]]
    schedulers: list[dict[str, Any]]
    random_state: Tensor
    shapes: OutputShapes
    cache_inputs: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class StepLoop:
    """Observes the steps of one call of a pipeline, in the thread of the call. Every pipeline ends a step by
    asking its scheduler, or schedulers, for the next latents.

    Attributes:
        schedulers: how many take part in one step.
        on_step: called after each step with the number of finished steps, and with a function that returns
            an estimate of the clean latents.
        state: where to continue.
        step: number of finished steps.
    """

    schedulers: int
    generator: torch.Generator
    device: torch.device
    on_step: Callable[[int, Callable[[], Tensor]], None]
    state: StepState | None
    cache_inputs: Callable[[], dict[str, dict[str, Any]]]
    step: int = 0
    _observed: list[Any] = field(default_factory=list)
    _results: list[tuple[Tensor, ...]] = field(default_factory=list)
    _shapes: OutputShapes = field(default_factory=lambda: [[]])

    @property
    def replaying(self) -> bool:
        """Whether the pipeline is at a step that was finished before."""
        return self.state is not None and self.step < self.state.step

    def observe(self, scheduler: Any) -> Any:
        """A copy of a scheduler that reports its steps; so does every copy of that."""
        kind: Any = type(scheduler)
        loop = self

        class Observed(kind):  # type: ignore[misc]
            @functools.wraps(kind.step)
            def step(self, *args: Any, **kwargs: Any) -> Any:
                return loop._on_scheduler_step(
                    self, functools.partial(kind.step, self, *args, **kwargs), args, kwargs
                )

        for name in ("__name__", "__qualname__", "__module__"):
            setattr(Observed, name, getattr(kind, name))
        result = copy.deepcopy(scheduler)
        result.__class__ = Observed
        return result

    def placeholder(
        self, empty: nn.Module, forward: Callable[..., Any], context: Callable[..., Any] | None = None
    ) -> nn.Module:
        """What a pipeline gets for a denoiser, of which it holds no reference: `empty`, one of the same class
        without weights, with `forward` to run a pass, and `context` to tell the passes of a step apart."""

        def observed_forward(*args: Any, **kwargs: Any) -> Any:
            if self.replaying:
                return self._replay_pass()
            output = forward(*args, **kwargs)
            self._shapes[-1].append(
                [(list(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for tensor in output]
            )
            return output

        empty.__dict__["forward"] = observed_forward
        if context is not None and hasattr(empty, "cache_context"):
            empty.__dict__["cache_context"] = context
        return empty

    def _replay_pass(self) -> tuple[Tensor, ...]:
        """Tensors of the recorded shapes, without content and with no memory behind them."""
        assert self.state is not None
        shapes = self.state.shapes[self.step][len(self._shapes[-1])]
        self._shapes[-1].append(shapes)
        return tuple(
            torch.zeros((), dtype=getattr(torch, dtype), device=self.device).expand(shape)
            for shape, dtype in shapes
        )

    def _on_scheduler_step(
        self, scheduler: Any, step: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        index = self._index_of(scheduler)
        last = index == self.schedulers - 1
        if self.replaying:
            return self._replay_step(scheduler, index, last=last)
        result = step()
        assert isinstance(result, tuple), "the pipeline asks its scheduler for more than a tuple"
        self._results[index] = result
        if index == 0:
            self._estimate = functools.partial(estimate_clean_latents, scheduler, args, result, kwargs)
        if last:
            self._finish_step()
            self.state = StepState(
                self.step,
                list(self._results),
                [_attributes(scheduler) for scheduler in self._observed],
                self.generator.get_state(),
                self._shapes[: self.step],
                self.cache_inputs(),
            )
            self.on_step(self.step, self._estimate)
            del self._estimate  # and the tensors that it holds
        return result

    def _replay_step(self, scheduler: Any, index: int, *, last: bool) -> tuple[Tensor, ...]:
        assert self.state is not None
        if self.step + 1 == self.state.step:
            vars(scheduler).update(self.state.schedulers[index])
            if last:
                self.generator.set_state(self.state.random_state)
        if last:
            self._finish_step()
        # A copy: the pipeline may write into it, and the run may be saved again from here.
        return tuple(tensor.clone() for tensor in self.state.results[index])

    def _index_of(self, scheduler: Any) -> int:
        """The position of a scheduler within a step: the order of their first calls."""
        for index, other in enumerate(self._observed):
            if other is scheduler:
                return index
        self._observed.append(scheduler)
        self._results.append(())
        return len(self._observed) - 1

    def _finish_step(self) -> None:
        self.step += 1
        self._shapes.append([])


def _attributes(scheduler: Any) -> dict[str, Any]:
    """The state of a scheduler; lists are copied, because it writes into them."""
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
        if name != "_internal_dict" and saved_state.dumpable(value)
    }
