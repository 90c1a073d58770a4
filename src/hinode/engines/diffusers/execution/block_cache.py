"""Passes of a denoiser, with blocks reused between steps (first-block cache): if the first block outputs
nearly the same as when all blocks were last computed, the sum of what the others added then is added
again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn

from hinode.engines.diffusers.loading.acceleration import NATIVE, Execution

MAX_REUSED_STEPS = 2
"""After so many passes in a row that reused blocks, one is computed in full: small differences from step to
step may add up to a large one."""
VARYING_ARGUMENTS = ("hidden_states", "timestep")
"""Arguments of a denoiser that differ from step to step."""


class BlockCache:
    """The first-block cache of one call of a pipeline.

    The hooks that implement it are diffusers' own and sit in the denoiser, which other calls use too; so
    their state is put into them for the time of a pass. That state is large, and it follows from the inputs
    of the last full pass, which are small. Only those are saved with a run; when it continues, the state is
    computed again from them, to the same bits.

    Attributes:
        threshold: relative change of the first block's output up to which blocks are reused.
        inputs: by denoiser and context: "kwargs" of the last full pass, and how many passes have "reused" it.
        reused: how many of the `passes` so far were not computed in full.
    """

    def __init__(self, threshold: float, inputs: dict[str, dict[str, Any]]) -> None:
        self.threshold = threshold
        self.inputs = dict(inputs)
        self.passes = self.reused = 0
        self._states: dict[str, dict[str, Any]] = {}
        self._context: tuple[str, dict[str, Any]] | None = None

    @contextmanager
    def context(self, name: str, **kwargs: Any) -> Iterator[None]:
        """Replaces a denoiser's `cache_context`, which says which pass of a step comes next."""
        self._context = (name, kwargs)
        try:
            yield
        finally:
            self._context = None

    def clear(self) -> None:
        """Drop everything; the next pass is computed in full."""
        self._states.clear()
        self.inputs.clear()

    def forward(self, name: str, denoiser: Any, kwargs: dict[str, Any]) -> Any:
        """A pass of the denoiser called `name`, which has the hooks."""
        if self._context is None:
            return denoiser(**kwargs)
        context, _ = self._context
        key = f"{name}/{context}"
        states = self._states.setdefault(name, {})
        full_pass = self.inputs.get(key)
        if full_pass is not None and full_pass["reused"] >= MAX_REUSED_STEPS:
            states.pop(context, None)
        elif full_pass is not None and context not in states:
            self._pass(denoiser, states, kwargs | full_pass["kwargs"])
        output = self._pass(denoiser, states, kwargs)
        state = states[context]
        state.head_block_output = None  # not needed between passes
        self.passes += 1
        if full_pass is None or state.should_compute:
            varying = {name: kwargs[name] for name in VARYING_ARGUMENTS if name in kwargs}
            copies = {
                name: value.clone() if isinstance(value, Tensor) else value for name, value in varying.items()
            }
            self.inputs[key] = {"kwargs": copies, "reused": 0}
        else:
            self.inputs[key] = {**full_pass, "reused": full_pass["reused"] + 1}
            self.reused += 1
        return output

    def _pass(self, denoiser: Any, states: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        assert self._context is not None
        context, context_kwargs = self._context
        hook = _first_block_hook(denoiser)
        hook.threshold = self.threshold
        hook.state_manager._state_cache = states
        try:
            with denoiser.cache_context(context, **context_kwargs):
                return denoiser(**kwargs)
        finally:
            hook.state_manager._state_cache = {}


def _first_block_hook(denoiser: nn.Module) -> Any:
    """The hook of the first block; all others share its state."""
    from diffusers.hooks.first_block_cache import _FBC_LEADER_BLOCK_HOOK

    for blocks in denoiser.children():
        for block in blocks if isinstance(blocks, nn.ModuleList) else ():
            registry: Any = getattr(block, "_diffusers_hook", None)
            hook = registry.get_hook(_FBC_LEADER_BLOCK_HOOK) if registry else None
            if hook is not None:
                return hook
    raise AssertionError("the denoiser has no first-block cache")


def forward(
    name: str,
    denoiser: Any,
    execution: Execution,
    cache: BlockCache | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """A pass of the denoiser called `name`; `cache` is that of the pipeline's call, if it has one."""
    with _attention_backend(execution.attention):
        if cache is not None and execution.reusing and not args:
            return cache.forward(name, denoiser, kwargs)
        return denoiser(*args, **kwargs)


def _attention_backend(name: str) -> AbstractContextManager[Any]:
    """For the time of a pass only, because diffusers keeps the choice for the whole process."""
    if name == NATIVE:
        return nullcontext()
    from diffusers.models.attention_dispatch import attention_backend

    backend: AbstractContextManager[Any] = attention_backend(name)
    return backend
