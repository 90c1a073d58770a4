"""How a denoiser computes where a profile permits more than the makers' own way: compiled, in 8 bits, with
another attention, and with blocks reused between steps. `choose_execution` decides what a machine can do.
Whatever then cannot be set up is left out with a line in the log."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hinode.registry.families.family import Family
from hinode.registry.profiles import Profile

log = logging.getLogger(__name__)

NATIVE = "native"
"""PyTorch's own attention."""
FLOAT8, INT8, INT8_WEIGHTS = "float8", "int8", "int8 weights"
"""Matrix products in 8 bits, or 8-bit weights alone."""
PACKAGES = ("flash_attn_interface", "sageattention", "torchao")


@dataclass(frozen=True)
class Hardware:
    """What denoisers compute on.

    Attributes:
        kind: "cpu", "cuda" or "mps".
        capability: compute capability of a CUDA device, such as (9, 0).
        packages: installed ones of `PACKAGES`.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)
    packages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, device: torch.device) -> Hardware:
        """The hardware behind a device of this machine."""
        if device.type == "cuda" and torch.version.hip:
            return cls(device.type)  # of AMD: the packages and capabilities are those of NVIDIA
        capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
        packages = frozenset(name for name in PACKAGES if importlib.util.find_spec(name) is not None)
        return cls(device.type, capability, packages)


@dataclass(frozen=True)
class Execution:
    """How denoisers compute.

    Attributes:
        bits: "" for the type of the weights, or one of `FLOAT8`, `INT8` and `INT8_WEIGHTS`.
        attention: name of an attention backend of diffusers.
        reusing: whether they have a first-block cache.
    """

    bits: str = ""
    compiled: bool = False
    attention: str = NATIVE
    reusing: bool = False

    @property
    def description(self) -> str:
        """What differs from the makers' own way, in words; "" if nothing does."""
        parts = [f"in {self.bits}" if self.bits else "", "compiled" if self.compiled else ""]
        parts += [f"attention by {self.attention}" if self.attention != NATIVE else ""]
        parts += ["blocks are reused between steps" if self.reusing else ""]
        return ", ".join(filter(None, parts))

    def intersect(self, other: Execution) -> Execution:
        """What both have."""
        own, others = vars(self), vars(other)
        return Execution(**{name: own[name] for name in own if own[name] == others[name]})


UNACCELERATED = Execution()
"""The makers' own way."""


def choose_execution(
    profile: Profile,
    family: Family,
    hardware: Hardware,
    *,
    float8_storage: bool = False,
    streamed: bool = False,
    quantized: bool = False,
    eight_bits_on_cpu: bool = False,
) -> Execution:
    """The fastest execution that a profile permits.

    Args:
        float8_storage: whether denoisers store their weights in float8 for lack of memory.
        streamed: whether their weights are moved to the accelerator block by block.
        quantized: whether their weights are in blocks of few bits (GGUF).
        eight_bits_on_cpu: whether the operator wants 8-bit weights on a processor.
    """
    execution = Execution(reusing=profile.reuse > 0)
    if not profile.accelerated:
        return execution
    convertible = not (float8_storage or streamed or quantized) and "torchao" in hardware.packages
    return dataclasses.replace(
        execution,
        bits=_choose_bits(hardware, eight_bits_on_cpu) if convertible else "",
        compiled=hardware.kind == "cuda" and not (float8_storage or streamed),
        attention=choose_attention(hardware, masked=family.masked),
    )


def choose_attention(hardware: Hardware, *, masked: bool) -> str:
    """The fastest attention backend for some hardware; with `masked`, of those that take a mask."""
    if hardware.kind != "cuda":
        return NATIVE
    major, _ = hardware.capability
    if not masked and major == 9 and "flash_attn_interface" in hardware.packages:
        return "_flash_3"  # written for that generation
    if not masked and major in (8, 12) and "sageattention" in hardware.packages:
        return "sage"
    return "_native_cudnn" if major >= 9 else NATIVE


def _choose_bits(hardware: Hardware, eight_bits_on_cpu: bool) -> str:
    if hardware.kind == "cpu":
        return INT8_WEIGHTS if eight_bits_on_cpu else ""
    if hardware.kind != "cuda" or hardware.capability < (8, 0):
        return ""
    return FLOAT8 if hardware.capability >= (8, 9) else INT8


def accelerate(denoiser: Any, execution: Execution) -> Execution:
    """Set up a denoiser where it will compute; returns the execution without what could not be set up."""
    import diffusers

    steps: tuple[tuple[str, str, Callable[[], None]], ...] = (
        ("reusing", "reusing blocks", lambda: denoiser.enable_cache(diffusers.FirstBlockCacheConfig())),
        ("bits", f"computing in {execution.bits}", lambda: quantize(denoiser, execution.bits)),
        ("compiled", "compiling", lambda: compile_blocks(denoiser)),
    )
    result = execution
    for name, what, set_up in steps:
        if getattr(execution, name):
            try:
                set_up()
            except Exception as error:  # whatever a library, a compiler or a driver may raise
                log.warning("%s is left out: %s", what, first_line(error))
                result = dataclasses.replace(result, **{name: getattr(UNACCELERATED, name)})
    return result


def _fuse_loras(denoiser: Any) -> None:
    if getattr(denoiser, "peft_config", None):
        denoiser.fuse_lora()
        denoiser.unload_lora()


def quantize(denoiser: nn.Module, bits: str) -> None:
    """Put the LoRAs of a denoiser into its weights, and convert the large matrices of its blocks. What is
    before and after the blocks matters too much for 8 bits."""
    from torchao import quantization

    _fuse_loras(denoiser)
    config = {
        FLOAT8: lambda: quantization.Float8DynamicActivationFloat8WeightConfig(
            granularity=quantization.PerRow()
        ),
        INT8: quantization.Int8DynamicActivationInt8WeightConfig,
        INT8_WEIGHTS: quantization.Int8WeightOnlyConfig,
    }[bits]()

    def is_block_matrix(module: nn.Module, name: str) -> bool:
        return (
            isinstance(module, nn.Linear)
            and re.search(r"blocks\.\d+\.", name) is not None
            and module.in_features % 16 == module.out_features % 16 == 0
        )

    quantization.quantize_(denoiser, config, filter_fn=is_block_matrix)


def compile_blocks(denoiser: Any) -> None:
    """Put the LoRAs of a denoiser into its weights, and compile it. Its blocks are all alike, so one that is
    compiled serves for all."""
    _fuse_loras(denoiser)
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
    else:
        denoiser.compile()


def first_line(error: BaseException) -> str:
    """The first line of a library's error, as part of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
