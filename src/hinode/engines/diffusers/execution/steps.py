"""The denoising steps of a pipeline: where a run can be saved after one, and go on from it to the same bits.

Every pipeline ends a step by asking its scheduler for the next latents. A scheduler that stops there and
writes down what it answered, what it remembers, and where the random numbers are, has written down all there
is. To go on from it, the pipeline is called again from its beginning, so that all which surrounds the loop is
as it was; the steps that are done take no time, for a stand-in takes the denoiser's place and the scheduler
gives the old answer.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hinode.engines import saved_state
from hinode.engines.diffusers.execution.previews import heading

Outputs = list[list[list[tuple[list[int], str]]]]
"""Shape and type of everything that the denoisers gave, by step and call."""


@dataclass(frozen=True)
class StepState:
    """A pipeline between two steps.

    Attributes:
        step: steps that are done.
        answers: what each scheduler last answered.
        memories: what each scheduler remembers.
        numbers: state of the random numbers.
        outputs: see `Outputs`.
        inputs: of the passes that a later step may take something from; see `speed.Reuse`.
    """

    step: int
    answers: list[tuple[Tensor, ...]]
    memories: list[dict[str, Any]]
    numbers: Tensor
    outputs: Outputs
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)


class StepLoop:
    """Watches over the steps of one call of a pipeline; used in the thread that makes the call."""

    def __init__(
        self,
        *,
        schedulers: int,
        generator: torch.Generator,
        device: torch.device,
        done: Callable[[int, Callable[[], Tensor]], None],
        kept: StepState | None = None,
        inputs: Callable[[], dict[str, dict[str, Any]]] = dict,
    ) -> None:
        """
        Args:
            schedulers: how many take part in one step.
            generator: the pipeline's random numbers.
            device: where it computes.
            done: called after each step with the number of steps that are done, and with what gives the
                latents that it was heading for.
            kept: where to go on from.
            inputs: gives those that belong to a pipeline between two steps, see `StepState`.
        """
        self.schedulers = schedulers
        self.generator = generator
        self.device = device
        self.kept = kept
        self.step = 0
        self._done = done
        self._inputs = inputs
        self._seen: list[Any] = []
        self._answers: list[tuple[Tensor, ...]] = []
        self._outputs: Outputs = [[]]

    @property
    def passing(self) -> bool:
        """Whether the pipeline is still at steps that were done before."""
        return self.kept is not None and self.step < self.kept.step

    def scheduler(self, original: Any) -> Any:
        """A copy of a scheduler that tells of its steps, and so does every copy of that."""
        kind: Any = type(original)
        steps = self

        class Told(kind):  # type: ignore[misc]
            @functools.wraps(kind.step)
            def step(self, *arguments: Any, **options: Any) -> Any:
                return steps._stepped(
                    self, functools.partial(kind.step, self, *arguments, **options), arguments, options
                )

        Told.__name__, Told.__qualname__, Told.__module__ = kind.__name__, kind.__qualname__, kind.__module__
        made = copy.deepcopy(original)
        made.__class__ = Told
        return made

    def stand_in(
        self, empty: nn.Module, real: Callable[..., Any], context: Callable[..., Any] | None = None
    ) -> nn.Module:
        """What a pipeline is given for a denoiser. Nothing of the pipeline holds on to the denoiser itself.

        Args:
            empty: a denoiser of the same kind without weights; it is changed.
            real: carries a pass out with the denoiser.
            context: stands in for its `cache_context`, which tells the passes of a step from each other.
        """

        def forward(*inputs: Any, **options: Any) -> Any:
            if self.passing:
                return self._nothing()
            output = real(*inputs, **options)
            self._outputs[-1].append(
                [(list(part.shape), str(part.dtype).removeprefix("torch.")) for part in output]
            )
            return output

        empty.__dict__["forward"] = forward
        if context is not None and hasattr(empty, "cache_context"):
            empty.__dict__["cache_context"] = context
        return empty

    def _nothing(self) -> tuple[Tensor, ...]:
        """As much as the denoiser gave, with nothing in it and no memory behind it."""
        assert self.kept is not None
        shapes = self.kept.outputs[self.step][len(self._outputs[-1])]
        self._outputs[-1].append(shapes)
        return tuple(
            torch.zeros((), dtype=getattr(torch, kind), device=self.device).expand(shape)
            for shape, kind in shapes
        )

    def _stepped(
        self, scheduler: Any, real: Callable[[], Any], inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        place = next((place for place, one in enumerate(self._seen) if one is scheduler), None)
        if place is None:
            place = len(self._seen)
            self._seen.append(scheduler)
            self._answers.append(())
        last = place == self.schedulers - 1
        if self.passing:
            assert self.kept is not None
            if self.step + 1 == self.kept.step:
                vars(scheduler).update(self.kept.memories[place])
                if last:
                    self.generator.set_state(self.kept.numbers)
            if last:
                self._count()
            # A copy: the pipeline may write into it, and the run may be saved again from here.
            return tuple(part.clone() for part in self.kept.answers[place])
        answer = real()
        assert isinstance(answer, tuple), "the pipeline asks its scheduler for more than a tuple"
        self._answers[place] = answer
        if place == 0:
            self._heading = functools.partial(heading, scheduler, inputs, answer, options)
        if last:
            self._count()
            self.kept = StepState(
                self.step,
                list(self._answers),
                [_memory(one) for one in self._seen],
                self.generator.get_state(),
                self._outputs[: self.step],
                self._inputs(),
            )
            self._done(self.step, self._heading)
            del self._heading  # and what it holds
        return answer

    def _count(self) -> None:
        self.step += 1
        self._outputs.append([])


def _memory(scheduler: Any) -> dict[str, Any]:
    """What a scheduler remembers; its lists are copied, for it writes into them."""
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
        if name != "_internal_dict" and saved_state.dumpable(value)
    }
