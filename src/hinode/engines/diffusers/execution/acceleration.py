"""How a denoiser computes where a profile permits more than the makers' own way: compiled, in 8 bits, with
another attention, and without what the step before gives as well.

`choose_execution`, a pure function, decides what a machine can do. Whatever then cannot be set up is left
out with a line in the log, and if a pass fails, the denoiser is read again and computes as its makers do: no
clip is lost to an attempt at speed. The profile `best` permits none of this.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hinode.registry.family import Family, Profile

log = logging.getLogger(__name__)

NATIVE = "native"
"""PyTorch's own attention."""
FLOAT8, INT8, INT8_WEIGHTS = "float8", "int8", "int8 weights"
"""Matrices and what they are multiplied with in 8 bits, or the matrices alone."""
PACKAGES = ("flash_attn_interface", "sageattention", "torchao")
MAX_REUSED_STEPS = 2
"""After so many passes that took the blocks of another one, one is computed in full whatever its first block
gives: what was measured from step to step may still drift far over many."""
VARYING = ("hidden_states", "timestep")
"""What a denoiser is given that differs from step to step."""


@dataclass(frozen=True)
class Hardware:
    """What denoisers compute on.

    Attributes:
        kind: "cpu", "cuda" or "mps".
        capability: of a CUDA device, such as (9, 0).
        packages: those of `PACKAGES` that are installed.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)
    packages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, device: torch.device) -> Hardware:
        """What is there."""
        capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
        found = frozenset(name for name in PACKAGES if importlib.util.find_spec(name) is not None)
        return cls(device.type, capability, found)


@dataclass(frozen=True)
class Execution:
    """How denoisers compute.

    Attributes:
        bits: "" for as they are, or one of `FLOAT8`, `INT8` and `INT8_WEIGHTS`.
        compiled: whether they are compiled.
        attention: name of a back end of diffusers' attention.
        reusing: whether a first-block cache can be asked for.
    """

    bits: str = ""
    compiled: bool = False
    attention: str = NATIVE
    reusing: bool = False

    @property
    def words(self) -> str:
        """What differs from the makers' own way, in words; "" if nothing does."""
        parts = [f"in {self.bits}" if self.bits else "", "compiled" if self.compiled else ""]
        parts += [f"attention by {self.attention}" if self.attention != NATIVE else ""]
        parts += ["blocks are reused between steps" if self.reusing else ""]
        return ", ".join(filter(None, parts))

    def shared(self, other: Execution) -> Execution:
        """What both permit."""
        return Execution(
            bits=self.bits if self.bits == other.bits else "",
            compiled=self.compiled and other.compiled,
            attention=self.attention if self.attention == other.attention else NATIVE,
            reusing=self.reusing and other.reusing,
        )


UNACCELERATED = Execution()
"""The makers' own way."""


def choose_execution(
    profile: Profile,
    family: Family,
    hardware: Hardware,
    *,
    light: bool = False,
    streamed: bool = False,
    packed: bool = False,
    asked: bool = False,
) -> Execution:
    """How the denoisers of a family compute under a profile.

    Args:
        light: whether their weights are kept in 8 bits for want of memory.
        streamed: whether their weights come to the accelerator a block at a time.
        packed: whether their weights are in blocks of few bits already.
        asked: whether 8-bit weights were asked for on a processor too.
    """
    quantised = profile.eight_bits and not (light or streamed or packed) and "torchao" in hardware.packages
    return Execution(
        bits=_bits(hardware, asked=asked) if quantised else "",
        compiled=profile.compiled and hardware.kind == "cuda" and not (light or streamed),
        attention=attention(hardware, masked=family.masked) if profile.attention else NATIVE,
        reusing=profile.reuse > 0,
    )


def attention(hardware: Hardware, *, masked: bool) -> str:
    """The quickest attention on some hardware.

    Args:
        masked: whether it has to take a mask.
    """
    if hardware.kind != "cuda":
        return NATIVE
    major, _ = hardware.capability
    if not masked and major == 9 and "flash_attn_interface" in hardware.packages:
        return "_flash_3"  # written for that generation
    if not masked and major in (8, 12) and "sageattention" in hardware.packages:
        return "sage"
    return "_native_cudnn" if major >= 9 else NATIVE


def _bits(hardware: Hardware, *, asked: bool) -> str:
    if hardware.kind == "cpu":
        return INT8_WEIGHTS if asked else ""
    if hardware.kind != "cuda" or hardware.capability < (8, 0):
        return ""
    return FLOAT8 if hardware.capability >= (8, 9) else INT8


def accelerate(denoiser: nn.Module, wanted: Execution) -> Execution:
    """Set a denoiser up, which is where it will compute.

    Returns:
        How it does compute: what could not be set up is left out.
    """
    made = wanted
    if wanted.bits or wanted.compiled:
        _done("LoRAs are put into the weights", lambda: _fuse(denoiser))
    if wanted.reusing and not _done("reusing blocks", lambda: _enable_reuse(denoiser)):
        made = dataclasses.replace(made, reusing=False)
    if wanted.bits and not _done(f"computing in {wanted.bits}", lambda: _quantise(denoiser, wanted.bits)):
        made = dataclasses.replace(made, bits="")
    if wanted.compiled and not _done("compiling", lambda: _compile(denoiser)):
        made = dataclasses.replace(made, compiled=False)
    return made


def _done(what: str, act: Callable[[], None]) -> bool:
    try:
        act()
    except Exception as error:  # whatever a library, a compiler or a driver may raise
        log.warning("%s is left out: %s", what, first_line(error))
        return False
    return True


def _fuse(denoiser: Any) -> None:
    if getattr(denoiser, "peft_config", None):
        denoiser.fuse_lora()
        denoiser.unload_lora()


def _enable_reuse(denoiser: Any) -> None:
    import diffusers

    denoiser.enable_cache(diffusers.FirstBlockCacheConfig())


def _quantise(denoiser: nn.Module, bits: str) -> None:
    from torchao import quantization

    config = {
        FLOAT8: lambda: quantization.Float8DynamicActivationFloat8WeightConfig(
            granularity=quantization.PerRow()
        ),
        INT8: quantization.Int8DynamicActivationInt8WeightConfig,
        INT8_WEIGHTS: quantization.Int8WeightOnlyConfig,
    }[bits]()

    def meant(module: nn.Module, name: str) -> bool:
        """The large matrices of the blocks; what is before and after them decides too much for 8 bits."""
        return (
            isinstance(module, nn.Linear)
            and re.search(r"blocks\.\d+\.", name) is not None
            and module.in_features % 16 == module.out_features % 16 == 0
        )

    quantization.quantize_(denoiser, config, filter_fn=meant)


def _compile(denoiser: Any) -> None:
    # The blocks are all alike: one of them compiled is all of them compiled.
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
    else:
        denoiser.compile()


class Reuse:
    """A first-block cache of one call of a pipeline: where the first block of a denoiser gives nearly what it
    gave when all of them were last computed, what the others added then is added again.

    The hooks that do it are diffusers' own and sit in the denoiser, which other calls use too; so what they
    hold is lent to them for the time of a pass. It is large, and it follows from what the denoiser was given
    when it was last computed in full, which is small: that is saved with a run, and when the run goes on,
    what the hooks held is computed again from it, to the same bits.

    Attributes:
        threshold: how much the first block may differ, as a share of what it adds.
        inputs: by name of a denoiser and context: what it was "given" when it was last computed in full, and
            how many passes have "reused" that.
        passes: how many passes there were.
        reused: how many of them were not computed in full.
    """

    def __init__(self, threshold: float, inputs: dict[str, dict[str, Any]]) -> None:
        self.threshold = threshold
        self.inputs = dict(inputs)
        self.passes = self.reused = 0
        self._held: dict[str, dict[str, Any]] = {}
        self._context: tuple[str, dict[str, Any]] | None = None

    @contextmanager
    def context(self, name: str, **about: Any) -> Iterator[None]:
        """Stands in for a denoiser's `cache_context`: which of the passes of a step the next one is."""
        self._context = (name, about)
        try:
            yield
        finally:
            self._context = None

    def forget(self) -> None:
        """Hold nothing any more; a pass that comes after it is computed in full."""
        self._held.clear()
        self.inputs.clear()

    def carry(self, name: str, denoiser: Any, options: dict[str, Any]) -> Any:
        """A pass of the denoiser called `name`, which has a first-block cache."""
        if self._context is None:
            return denoiser(**options)
        context, _ = self._context
        key = f"{name}/{context}"
        held = self._held.setdefault(name, {})
        before = self.inputs.get(key)
        if before is not None and before["reused"] >= MAX_REUSED_STEPS:
            held.pop(context, None)
        elif before is not None and context not in held:
            self._pass(denoiser, held, options | before["given"])
        output = self._pass(denoiser, held, options)
        state = held[context]
        state.head_block_output = None  # not needed between passes
        self.passes += 1
        if before is None or state.should_compute:
            given = {part: options[part] for part in VARYING if part in options}
            given = {part: one.clone() if isinstance(one, Tensor) else one for part, one in given.items()}
            self.inputs[key] = {"given": given, "reused": 0}
        else:
            self.inputs[key] = {**before, "reused": before["reused"] + 1}
            self.reused += 1
        return output

    def _pass(self, denoiser: Any, held: dict[str, Any], options: dict[str, Any]) -> Any:
        assert self._context is not None
        context, about = self._context
        leader = _leader(denoiser)
        leader.threshold = self.threshold
        leader.state_manager._state_cache = held
        try:
            with denoiser.cache_context(context, **about):
                return denoiser(**options)
        finally:
            leader.state_manager._state_cache = {}


def _leader(denoiser: nn.Module) -> Any:
    """The hook of the first block; all others share its memory."""
    from diffusers.hooks.first_block_cache import _FBC_LEADER_BLOCK_HOOK

    for blocks in denoiser.children():
        for block in blocks if isinstance(blocks, nn.ModuleList) else ():
            registry: Any = getattr(block, "_diffusers_hook", None)
            hook = registry.get_hook(_FBC_LEADER_BLOCK_HOOK) if registry else None
            if hook is not None:
                return hook
    raise AssertionError("the denoiser has no first-block cache")


def carried(
    name: str,
    denoiser: Any,
    ways: Execution,
    reuse: Reuse | None,
    inputs: tuple[Any, ...],
    options: dict[str, Any],
) -> Any:
    """A pass of the denoiser called `name`.

    Args:
        ways: how it computes.
        reuse: the first-block cache of the call, if it has one.
        inputs: what it is given by place.
        options: what it is given by name.
    """
    with _attending(ways.attention):
        if reuse is not None and ways.reusing and not inputs:
            return reuse.carry(name, denoiser, options)
        return denoiser(*inputs, **options)


def _attending(name: str) -> AbstractContextManager[Any]:
    """For the time of a pass only: diffusers keeps the choice for the whole process."""
    if name == NATIVE:
        return nullcontext()
    from diffusers.models.attention_dispatch import attention_backend

    attending: AbstractContextManager[Any] = attention_backend(name)
    return attending


def first_line(error: BaseException) -> str:
    """What an error of a library says, as part of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
