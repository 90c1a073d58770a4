"""The memory plan: which parts of a model are in memory when, decided before the first weight is read.

Weights are counted from the heads of the files; what a denoiser needs beside its weights follows from the
size of the clip and from the widths in its settings, and what a decoder needs is counted (`footprint`).
`docs/diffusers.md` says how well the estimates hold.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

from hinode.engines.diffusers.execution.decode import TILES, TINY, WHOLE
from hinode.engines.diffusers.memory.footprint import Footprint
from hinode.engines.diffusers.task import Task
from hinode.errors import BadInput, EngineError
from hinode.registry.family import EXTEND, GENERATE
from hinode.registry.tiny_decoders import Layout
from hinode.request import SOURCE

GIGABYTE = 1e9
SPARE = 0.05
"""Share of the memory that is left alone: what other programs take meanwhile."""


STREAMED = 10
"""A denoiser that is streamed has a tenth of its weights on the accelerator at once, or less."""
ATTENTION, STREAM = 7, 8
"""Tensors as wide as the denoiser that an attention holds, and bytes of its stream and norms in float32."""
REUSED = 2
"""Tensors as wide as the denoiser that a first-block cache holds for each pass of a step."""
LATENTS = 8
"""Copies of the latents: of the pipeline, its scheduler and what it saves."""
HEAP = 50_000_000
"""Bytes that a processor's memory holds beside what decoding needs: small blocks that the C library keeps,
and code that is loaded on the way. Measured; an accelerator has no such thing."""
LEVELS_TINY = 4
"""Tensors of its largest size that the tiny decoder holds; on a processor 3.6 to 4.5 were measured."""
VIDEOS = 3
"""Copies of the finished frames in float32."""
TILE_SIDE = 256
"""Pixels along the side of a tile."""


class Residence(Enum):
    """Where weights are while they are not at work."""

    RESIDENT = "all parts stay in memory"
    STAGED = "text encoders leave memory once the prompt is read, all other parts stay"
    TURNS = "each part is in memory only for its own stage"
    GROUPS = "the denoiser is streamed to the accelerator block by block"


@dataclass(frozen=True)
class MemoryBudget:
    """Memory at hand, in bytes.

    Attributes:
        device: of the accelerator, or of the machine where there is none.
        host: of the machine.
    """

    device: int
    host: int

    @classmethod
    def of(cls, device: torch.device) -> MemoryBudget:
        """What the machine says is free now."""
        host = available(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            return cls(free, host)
        return cls(host, host)

    def with_loaded(self, held: int) -> MemoryBudget:
        """The same if `held` bytes of it are taken by weights that will be used."""
        return dataclasses.replace(self, device=self.device + held)


@dataclass(frozen=True)
class Needs:
    """What a task needs, in bytes.

    Attributes:
        encoders: weights of the parts that read the prompt.
        denoisers: weights of each denoiser.
        rest: weights of all other parts.
        sampling: what a step needs beside weights.
        decoding: what decoding the whole clip needs beside weights.
        tiled: what decoding it in tiles needs beside weights.
    """

    encoders: int
    denoisers: tuple[int, ...]
    rest: int
    sampling: int
    decoding: int
    tiled: int

    @property
    def weights(self) -> int:
        return self.encoders + sum(self.denoisers) + self.rest

    def peak(self, place: Residence, *, tiles: bool) -> tuple[int, str]:
        """Most memory in use at once under a plan, and the stage where it is."""
        decoding = self.tiled if tiles else self.decoding
        sampling, together = self.rest + self.sampling, sum(self.denoisers)
        stages = {"reading the prompt": self.rest + self.encoders}
        match place:
            case Residence.RESIDENT:
                # Denoisers are loaded after the prompt is read, and stay for the next clip.
                stages["reading the prompt"] += together
                stages["sampling"] = sampling + self.encoders + together
                stages["decoding"] = self.rest + self.encoders + together + decoding
            case Residence.STAGED:
                stages["reading the prompt"] += together
                stages["sampling"] = sampling + together
                stages["decoding"] = self.rest + together + decoding
            case Residence.TURNS:
                stages["sampling"] = sampling + max(self.denoisers)
                stages["decoding"] = self.rest + decoding
            case Residence.GROUPS:
                # Two blocks at a time: the one at work and the one on its way.
                stages["sampling"] = sampling + max(self.denoisers) // STREAMED
                stages["decoding"] = self.rest + decoding
        stage = max(stages, key=lambda name: stages[name])
        return stages[stage], stage


@dataclass(frozen=True)
class MemoryPlan:
    """How a task uses memory.

    Attributes:
        place: where weights are while they are not at work.
        light: whether denoisers keep their weights in 8 bits.
        decode: the way of decoding to begin with, one of `decode.DECODE_FALLBACKS`, or `decode.TINY`.
        peak: most bytes in use at once, by estimate.
        words: the plan in one sentence.
    """

    place: Residence
    light: bool
    decode: str
    peak: int
    words: str

    @classmethod
    def of(cls, task: Task, sizes: Sizes, room: MemoryBudget) -> MemoryPlan:
        """The quickest plan that fits.

        Args:
            task: what to draw.
            sizes: what the model's files say.
            room: how much memory there is.

        Raises:
            BadInput: none fits, but a smaller clip would.
            EngineError: none fits, however small the clip.
        """
        found = _fitting(task, sizes, room)
        if found is not None:
            return found
        raise _refusal(task, sizes, room)


@dataclass(frozen=True)
class Sizes:
    """What the files of a model say of it.

    Attributes:
        encoders: bytes of the weights that read the prompt, as loaded.
        denoisers: bytes of each denoiser's weights, as loaded.
        light: the same, in 8 bits.
        rest: bytes of the other parts' weights, as loaded.
        width: channels of the denoiser.
        feed_forward: channels inside its feed-forward layers.
        decoder: what decoding takes.
        number: bytes of one number that is computed with.
        accelerated: whether it computes on an accelerator.
        tiny: the tiny decoder, if there is one.
        hints: how many hints the denoiser makes of a video that it is given, all before it uses the first.
    """

    encoders: int
    denoisers: tuple[int, ...]
    light: tuple[int, ...]
    rest: int
    width: int
    feed_forward: int
    decoder: Footprint
    number: int
    accelerated: bool
    tiny: Layout | None = None
    hints: int = 0

    def needs(self, task: Task, *, light: bool) -> Needs:
        """What a task needs in memory."""
        batch = 2 if task.family.batched and task.profile.guidance > 1 else 1
        tokens = batch * (task.tokens + task.family.shape.text_tokens)
        # Nothing is kept for a backward pass, so one block counts: its stream, norms, queries, keys, values
        # and rotations, then the feed-forward before and after its activation.
        attention = tokens * self.width * (ATTENTION * self.number + STREAM)
        widening = tokens * (2 * self.feed_forward * self.number + self.width * STREAM)
        # Beside the hints there is the stream that they are made of.
        hints = (self.hints + 1) * tokens * self.width * self.number if self.hints else 0
        reused = 0
        if task.profile.reuse:
            apart = 2 if task.profile.guidance > 1 and not task.family.batched else 1
            reused = apart * REUSED * tokens * self.width * self.number
        latents = LATENTS * 4 * task.tokens * task.family.shape.patch**2 * task.family.shape.channels
        video = task.drawn * task.size[0] * task.size[1] * 3 * 4
        area = task.size[0] * task.size[1]
        tile = min(area, TILE_SIDE**2)
        heap = 0 if self.accelerated else HEAP
        decoding = max(self.decoder.bytes(task.latent_frames, area) + heap, VIDEOS * video)
        tiled = self.decoder.bytes(task.latent_frames, tile) + heap + (VIDEOS + 1) * video
        preview = small = 0
        if self.tiny is not None:
            kind = 2 if self.accelerated else 4
            small = kind * self.tiny.numbers
            preview = LEVELS_TINY * kind * self.tiny.widest(task.size)
            if task.tiny:
                decoding = tiled = preview + VIDEOS * video
        return Needs(
            encoders=self.encoders,
            denoisers=self.light if light else self.denoisers,
            rest=self.rest + small,
            sampling=int(max(attention + hints, widening + hints, preview) + reused + latents),
            decoding=int(decoding),
            tiled=int(tiled),
        )


def _fitting(task: Task, sizes: Sizes, room: MemoryBudget) -> MemoryPlan | None:
    for place, light, tiles in _choices(sizes):
        needs = sizes.needs(task, light=light)
        peak, stage = needs.peak(place, tiles=tiles)
        held = needs.weights if sizes.accelerated and place is not Residence.RESIDENT else 0
        if peak <= room.device * (1 - SPARE) and held <= room.host * (1 - SPARE):
            words = place.value
            if light:
                words += ", the denoiser's weights in 8 bits"
            if task.tiny:
                words += ", the clip is decoded by the tiny decoder"
            elif tiles:
                words += ", the clip is decoded in tiles"
            words += (
                f"; at most {gigabytes(peak)} in use while {stage}, of {gigabytes(room.device)} that are free"
            )
            return MemoryPlan(place, light, TINY if task.tiny else TILES if tiles else WHOLE, peak, words)
    return None


def _choices(sizes: Sizes) -> Iterator[tuple[Residence, bool, bool]]:
    """Every plan, the quickest and most exact first."""
    places = [Residence.RESIDENT, Residence.STAGED, Residence.TURNS]
    places += [Residence.GROUPS] if sizes.accelerated else []
    for light in (False, True):
        for place in places:
            for tiles in (False, True):
                yield place, light, tiles


def _refusal(task: Task, sizes: Sizes, room: MemoryBudget) -> BadInput | EngineError:
    """Why there is no plan, and the smallest change with which there would be one."""
    least = min(
        sizes.needs(task, light=light).peak(place, tiles=tiles)[0] for place, light, tiles in _choices(sizes)
    )
    said = (
        f"{task.request.seconds:g} s at {task.size[0]}x{task.size[1]} with the model {task.entry.name} would "
        f"take {gigabytes(least)} of memory, and {gigabytes(room.device)} are free"
    )
    shorter, smaller = _shorter(task, sizes, room), _smaller(task, sizes, room)
    length = f"{shorter:g} s or less" if shorter else ""
    frame = f"{smaller[0]}x{smaller[1]}" if smaller else ""
    operation, field = task.request.operation, "seconds" if shorter else "size"
    if operation == GENERATE:
        ways = _either("ask for ", length, frame, "for ")
    elif operation == EXTEND:
        ways = _either("", length and f"add {length}", frame and f"give a video of {frame}")
        field = field if shorter else SOURCE
    else:
        ways, field = _either("give a video of ", length, frame, "of "), SOURCE
    if not ways:
        return EngineError(said, "use a smaller model, weights in GGUF, or a machine with more memory")
    return BadInput(said, ways, field=field)


def _either(begin: str, length: str, frame: str, again: str = "") -> str:
    """What would fit, in words: one of two things, or the one that there is; "" if there is none."""
    both = f"{length} or {again}{frame}" if length and frame else length or frame
    return f"{begin}{both}" if both else ""


def _shorter(task: Task, sizes: Sizes, room: MemoryBudget) -> float | None:
    """The longest clip of the same size that fits, in seconds, or what can be added to a source that is
    extended; None if there is none."""
    every, _ = task.family.frame_rule
    source = task.before - task.overlap
    for drawn in range(task.drawn - every, task.overlap, -every):
        shorter = dataclasses.replace(task, drawn=drawn, frames=source + drawn)
        if _fitting(shorter, sizes, room):
            return math.floor((drawn - task.overlap) / task.family.fps * 100) / 100
    return None


def _smaller(task: Task, sizes: Sizes, room: MemoryBudget) -> tuple[int, int] | None:
    """The largest frame of the same shape that fits; None if there is none."""
    step = task.family.multiple
    for width in range(task.size[0] - step, 0, -step):
        height = max(step, round(task.size[1] * width / task.size[0] / step) * step)
        if _fitting(dataclasses.replace(task, size=(width, height)), sizes, room):
            return width, height
    return None


def gigabytes(count: float) -> str:
    """A number of bytes as people say it."""
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / 1e6:.0f} MB"


def available(meminfo: Path, cgroup: Path) -> int:
    """Bytes of memory that can be had: what the system says, or what the container is still allowed.

    Args:
        meminfo: the system's file of that name; where there is none, nothing is known and nothing refused.
        cgroup: folder of the container's limits.
    """
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return 2**62
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, max(0, limit - used))
