"""The memory plan, decided before the first weight is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from rich.filesize import decimal

from hinode.engines.diffusers.memory.budget import MemoryBudget
from hinode.engines.diffusers.memory.decoding import TILES, TINY, WHOLE
from hinode.engines.diffusers.memory.needs import Needs, Sizes
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput, EngineError
from hinode.registry.families.family import EXTEND, GENERATE
from hinode.request import SOURCE, Size

SPARE_SHARE = 0.05
"""Share of the memory that is left for what other programs take meanwhile."""
STREAMED_SHARE = 10
"""A streamed part has a tenth of its weights on the accelerator at once, or less."""


class Residence(Enum):
    """Where weights are while they are not in use."""

    RESIDENT = "all parts stay in memory"
    STAGED = "text encoders leave memory once the prompt is read, all other parts stay"
    TURNS = "each part is in memory only for its own stage"
    GROUPS = "the denoiser is streamed to the accelerator block by block"
    STREAMED = "text encoders and the denoiser are streamed to the accelerator piece by piece"

    @property
    def streams(self) -> bool:
        """Whether denoisers are on the accelerator a block at a time."""
        return self in (Residence.GROUPS, Residence.STREAMED)


@dataclass(frozen=True)
class MemoryPlan:
    """How a task uses memory.

    Attributes:
        float8_storage: whether denoisers store their weights in float8, and compute in their own type.
        decode: the method of decoding to start with; see `decoding`.
        peak: estimate of the most bytes in use at once.
        description: the plan in one sentence.
    """

    residence: Residence
    float8_storage: bool
    decode: str
    peak: int
    description: str

    @classmethod
    def of(cls, task: Task, sizes: Sizes, budget: MemoryBudget) -> MemoryPlan:
        """The fastest plan that fits; BadInput if only a smaller clip would, EngineError if none would."""
        plan = _first_fit(task, sizes, budget)
        if plan is None:
            raise _refusal(task, sizes, budget)
        return plan


def peak(needs: Needs, residence: Residence, *, tiles: bool) -> tuple[int, str]:
    """The most bytes in use at once under a plan, and the stage where that is."""
    decoding = needs.tiled if tiles else needs.decoding
    encoders = needs.encoders if residence is Residence.RESIDENT else 0
    # Denoisers are loaded after the prompt is read. They stay for the next clip, or take turns.
    denoisers = sum(needs.denoisers) if residence in (Residence.RESIDENT, Residence.STAGED) else 0
    # Two blocks of a streamed one are there at a time: the one in use and the next one.
    turn = max(needs.denoisers) // (STREAMED_SHARE if residence.streams else 1)
    reading = needs.encoders // (STREAMED_SHARE if residence is Residence.STREAMED else 1)
    stages = {
        "reading the prompt": needs.rest + reading + denoisers,
        "sampling": needs.rest + encoders + (denoisers or turn) + needs.sampling,
        "decoding": needs.rest + encoders + denoisers + decoding,
    }
    stage = max(stages, key=lambda name: stages[name])
    return stages[stage], stage


def host_bytes(needs: Needs, residence: Residence) -> int:
    """The most bytes in the memory of the machine while a model is on an accelerator."""
    maximum = max(needs.encoders, needs.rest, *needs.denoisers)
    if residence is Residence.RESIDENT:
        return maximum  # each part is read there first
    # What is streamed is copied into memory that the accelerator reads directly, a part at a time.
    return needs.weights + (maximum if residence.streams else 0)


def _first_fit(task: Task, sizes: Sizes, budget: MemoryBudget) -> MemoryPlan | None:
    for residence, float8_storage, tiles in _choices(sizes):
        needs = sizes.needs(task, float8_storage=float8_storage)
        device, stage = peak(needs, residence, tiles=tiles)
        host = host_bytes(needs, residence) if sizes.accelerated else 0
        if device > budget.device * (1 - SPARE_SHARE) or host > budget.host * (1 - SPARE_SHARE):
            continue
        parts = [residence.value]
        parts += ["the denoiser's weights in 8 bits"] if float8_storage else []
        if task.tiny:
            parts.append("the clip is decoded by the tiny decoder")
        elif tiles:
            parts.append("the clip is decoded in tiles")
        memory = f"{decimal(device)} in use while {stage}, of {decimal(budget.device)} that are free"
        description = f"{', '.join(parts)}; at most {memory}"
        decode = TINY if task.tiny else TILES if tiles else WHOLE
        return MemoryPlan(residence, float8_storage, decode, device, description)
    return None


def _choices(sizes: Sizes) -> Iterator[tuple[Residence, bool, bool]]:
    """Every plan as (residence, float8 storage, tiles), the fastest and most exact first."""
    residences = [Residence.RESIDENT, Residence.STAGED, Residence.TURNS]
    residences += [Residence.GROUPS, Residence.STREAMED] if sizes.accelerated else []
    for float8_storage in (False, True):
        for residence in residences:
            for tiles in (False, True):
                yield residence, float8_storage, tiles


def _refusal(task: Task, sizes: Sizes, budget: MemoryBudget) -> BadInput | EngineError:
    """Why there is no plan, and the smallest change with which there would be one."""
    minimum = min(
        peak(sizes.needs(task, float8_storage=float8_storage), residence, tiles=tiles)[0]
        for residence, float8_storage, tiles in _choices(sizes)
    )
    message = (
        f"{task.request.seconds:g} s at {task.size[0]}x{task.size[1]} with the model {task.entry.name} would "
        f"take {decimal(minimum)} of memory, and {decimal(budget.device)} are free"
    )
    seconds, size = _max_seconds(task, sizes, budget), _max_size(task, sizes, budget)
    length = f"{seconds:g} s or less" if seconds else ""
    frame = f"{size[0]}x{size[1]}" if size else ""
    operation, field = task.request.operation, "seconds" if seconds else "size"
    if operation == GENERATE:
        remedy = _either("ask for ", length, frame, "for ")
    elif operation == EXTEND:
        remedy = _either("", length and f"add {length}", frame and f"give a video of {frame}")
        field = field if seconds else SOURCE
    else:
        remedy, field = _either("give a video of ", length, frame, "of "), SOURCE
    if not remedy:
        return EngineError(message, "use a smaller model, weights in GGUF, or a machine with more memory")
    return BadInput(message, remedy, field=field)


def _either(start: str, length: str, frame: str, preposition: str = "") -> str:
    """The changes that would fit, in words; "" if there is none."""
    changes = f"{length} or {preposition}{frame}" if length and frame else length or frame
    return f"{start}{changes}" if changes else ""


def _max_seconds(task: Task, sizes: Sizes, budget: MemoryBudget) -> float | None:
    """Length of the longest clip of the same size, or extension of a source, that fits, or None."""
    step, _ = task.family.frame_rule
    source = task.source_frames - task.overlap
    for count in range(task.network_frames - step, task.overlap, -step):
        shorter = dataclasses.replace(task, network_frames=count, frames=source + count)
        if _first_fit(shorter, sizes, budget):
            return math.floor((count - task.overlap) / task.family.fps * 100) / 100
    return None


def _max_size(task: Task, sizes: Sizes, budget: MemoryBudget) -> Size | None:
    """The largest frame of the same shape that fits; None if there is none."""
    step = task.family.multiple
    for width in range(task.size[0] - step, 0, -step):
        height = max(step, round(task.size[1] * width / task.size[0] / step) * step)
        if _first_fit(dataclasses.replace(task, size=(width, height)), sizes, budget):
            return width, height
    return None
