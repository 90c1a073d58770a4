"""What there is to know of one family of open checkpoints; `families` is the table of them.

Nothing is imported that takes time to load.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Size

BOTH_ENDS = f"{FIRST_FRAME}+{LAST_FRAME}"
GENERATE, REMIX, EDIT, EXTEND = "generate", "remix", "edit", "extend"

DRAFT, STANDARD, BEST = "draft", "standard", "best"
PROFILES = (DRAFT, STANDARD, BEST)

_ON_VIDEOS = (REMIX, EDIT, EXTEND)


@dataclass(frozen=True)
class Profile:
    """How a family draws under one profile. Only what is written here differs between profiles.

    Attributes:
        steps: sampling steps.
        guidance: how strongly the prompt is followed; 1 for one pass a step instead of two.
        guidance_2: that of the second denoiser, for families that have two; None for the same.
        pixels: most pixels of a frame that is drawn; a larger one is drawn smaller and resized.
        shift: timestep shift, or None for that of the family.
        reuse: how much the first block of the denoiser may differ from when it was last computed in full for
            what the others added then to be added again; 0 to compute every block of every step.
        compiled: whether the denoiser may be compiled, where there is a GPU.
        eight_bits: whether it may compute in 8 bits, where the GPU can.
        attention: whether another attention than PyTorch's own may be used, where it is quicker.
        tiny: whether the tiny decoder decodes, for models that have one.
    """

    steps: int
    guidance: float
    guidance_2: float | None = None
    pixels: int = 0
    shift: float | None = None
    reuse: float = 0.0
    compiled: bool = False
    eight_bits: bool = False
    attention: bool = False
    tiny: bool = False


@dataclass(frozen=True)
class Shape:
    """What a denoiser computes on: how the memory plan counts, before any weight is read.

    Attributes:
        compression: frames per latent frame, and pixels per latent position along a side.
        patch: latent positions per token along a side.
        channels: of the latents.
        text_tokens: tokens of a prompt that take part in every attention.
        frames: latent frames per token.
        frames_first: whether a pipeline lays its latents out as [B, T, C, h, w] and not as [B, C, T, h, w].
        paired: whether latent frames of an even number are decoded two by two, the first one no different
            from the others.
    """

    compression: tuple[int, int]
    patch: int
    channels: int
    text_tokens: int
    frames: int = 1
    frames_first: bool = False
    paired: bool = False


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint.

    Attributes:
        name: key in `FAMILIES`.
        title: what people call it.
        pipelines: class in diffusers that draws, by road: "" for a clip from words alone, the roles of the
            pictures that it is drawn from, joined by "+", or the operation that works on a video. A family
            without "" needs a picture.
        licence: key of `licences.LICENCES`; a checkpoint of its own licence says so in its entry.
        fps: frame rate that it draws at.
        frame_rule: (k, o): it draws k*n + o frames.
        most_frames: longest clip that it was trained on.
        multiple: both sides of a frame are multiples of this many pixels.
        sizes: sizes that it was trained on, the default first.
        profiles: by name.
        shape: see `Shape`.
        few_step_shift: the shift with weights, or a LoRA, that were distilled to few steps, or None.
        masked: whether its attention is given a mask, which not every kind of attention takes.
        shifts: (pixels, shift): the timestep shift of frames with that many pixels or fewer; empty to leave
            the scheduler of the checkpoint as it is.
        arguments: what else the pipeline is called with.
        rate_argument: name of the pipeline's argument for frames per second, or "".
        guidance_argument: name of the pipeline's argument for guidance, or "" where a guider of the pipeline
            holds it.
        denoisers: components that take the steps.
        encoders: components that read the prompt; they are loaded for that and not kept unless there is room.
        decoders: components that turn latents into pictures and sound.
        exact: components that compute in float32 whatever the others do.
        schedulers: how many schedulers take part in one step: sound has its own.
        batched: whether both passes of a step are made at once.
        negative_prompt: whether it can be told what not to show.
        sound: whether it makes sound too.
        strengths: how much of a source is drawn anew, by operation, for pipelines that add noise to it: 1 for
            all of it.
        overlap: frames at the end of a source that are drawn from, and over, when it is extended.
        characters: how many characters it can be shown.
        converted: whether diffusers reads single files of its denoisers under the names that their makers
            gave to the tensors, and GGUF; if not, safetensors with its own names alone.
    """

    name: str
    title: str
    pipelines: Mapping[str, str]
    licence: str
    fps: float
    frame_rule: tuple[int, int]
    most_frames: int
    multiple: int
    sizes: tuple[Size, ...]
    profiles: Mapping[str, Profile]
    shape: Shape
    shifts: tuple[tuple[int, float], ...] = ()
    few_step_shift: float | None = None
    masked: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rate_argument: str = ""
    guidance_argument: str = "guidance_scale"
    denoisers: tuple[str, ...] = ("transformer",)
    encoders: tuple[str, ...] = ("text_encoder",)
    decoders: tuple[str, ...] = ("vae",)
    exact: tuple[str, ...] = ()
    schedulers: int = 1
    batched: bool = False
    negative_prompt: bool = True
    sound: bool = False
    converted: bool = True
    strengths: Mapping[str, float] = field(default_factory=dict)
    overlap: int = 0
    characters: int = 0

    @property
    def operations(self) -> tuple[str, ...]:
        """What it can be asked to do."""
        return (GENERATE, *(road for road in self.pipelines if road in _ON_VIDEOS))

    @property
    def _pictures(self) -> list[set[str]]:
        """The pictures that each of its roads to a new clip starts from."""
        return [set(filter(None, road.split("+"))) for road in self.pipelines if road not in _ON_VIDEOS]

    @property
    def references(self) -> tuple[str, ...]:
        """Roles of references that it can work from."""
        known = set().union(*self._pictures)
        known |= {SOURCE} if len(self.operations) > 1 else set()
        known |= {CHARACTER} if self.characters else set()
        return tuple(role for role in (FIRST_FRAME, LAST_FRAME, SOURCE, CHARACTER) if role in known)

    @property
    def required(self) -> tuple[str, ...]:
        """Roles of pictures without which it draws no new clip."""
        needed = set.intersection(*self._pictures)
        return tuple(role for role in (FIRST_FRAME, LAST_FRAME) if role in needed)

    @property
    def extension_seconds(self) -> float:
        """The most that it adds to a clip, or 0."""
        return (self.most_frames - self.overlap) / self.fps if EXTEND in self.pipelines else 0.0

    @property
    def pixels(self) -> int:
        """Most pixels of a frame that it was trained on."""
        return max(width * height for width, height in self.sizes)

    @property
    def seconds(self) -> float:
        """Length of the longest clip that it was trained on."""
        return self.most_frames / self.fps

    def frames(self, seconds: float) -> tuple[int, int]:
        """How many frames a clip of so many seconds has, and how many are drawn for it."""
        kept = max(1, math.ceil(round(seconds * self.fps, 6)))
        every, offset = self.frame_rule
        return kept, offset + every * max(0, math.ceil((kept - offset) / every))

    def size(self, size: Size, profile: Profile) -> Size:
        """The size to draw at for a clip of `size`: that one, or the nearest that the network can draw."""
        most = min(self.pixels, profile.pixels or self.pixels)
        scale = min(1.0, math.sqrt(most / (size[0] * size[1])))
        # Rounding both sides up may not make a frame larger than what the memory plan was told.
        sides = [max(1, round(side * scale / self.multiple)) for side in size]
        while sides[0] * sides[1] * self.multiple**2 > most and max(sides) > 1:
            sides[sides.index(max(sides))] -= 1
        return sides[0] * self.multiple, sides[1] * self.multiple

    def shift(self, size: Size, profile: Profile) -> float | None:
        """The timestep shift for frames of a size, or None for the checkpoint's own."""
        if profile.shift is not None:
            return profile.shift
        pixels = size[0] * size[1]
        return next((shift for most, shift in self.shifts if pixels <= most), None)


def few_steps(profile: Profile, family: Family, steps: int, shift: float = 0.0) -> Profile:
    """A profile with weights, or a LoRA, that were distilled: few steps without a double pass, and none of
    them so like the one before that anything of it could be reused.

    Args:
        steps: how many.
        shift: timestep shift that they were distilled with, or 0 for that of the family.
    """
    return dataclasses.replace(
        profile,
        steps=steps,
        guidance=1.0,
        guidance_2=None if profile.guidance_2 is None else 1.0,
        shift=shift or family.few_step_shift,
        reuse=0.0,
    )
