"""What distinguishes one family of open checkpoints from another, as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hinode.registry.profiles import BEST, Profile, distil_profile
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Size

GENERATE, REMIX, EDIT, EXTEND = "generate", "remix", "edit", "extend"
BOTH_ENDS = f"{FIRST_FRAME}+{LAST_FRAME}"

ANY_SIZE = 10**9
"""More pixels than any frame has; for `Family.shifts`."""
STRENGTHS = {REMIX: 0.8, EDIT: 0.6}
"""0.8 is the default of diffusers; an edit keeps more of the source than a remix."""

_VIDEO_OPERATIONS = (REMIX, EDIT, EXTEND)


@dataclass(frozen=True)
class Shape:
    """The shape of the tensors that a denoiser computes on; the memory plan is computed from it.

    Attributes:
        frames_per_latent: frames of the clip for each latent frame (temporal compression).
        pixels_per_latent: pixels for each latent position along a side (spatial compression).
        patch: latent positions per token along a side.
        text_tokens: tokens of a prompt that take part in every attention.
        patch_frames: latent frames per token.
        frames_first: whether the pipeline lays latents out as [B, T, C, h, w] instead of [B, C, T, h, w].
        paired: whether an even number of latent frames is decoded in pairs, the first like the others.
    """

    frames_per_latent: int
    pixels_per_latent: int
    patch: int
    channels: int
    text_tokens: int
    patch_frames: int = 1
    frames_first: bool = False
    paired: bool = False


@dataclass(frozen=True)
class Family:
    """One family of checkpoints. "Parts" are the components of a pipeline, by their names in diffusers.

    Attributes:
        pipelines: pipeline class of diffusers by input mode. An input mode is "" for text alone, the roles of
            the pictures that a clip starts from, joined by "+", or the operation that works on a video. A
            family without "" requires a picture.
        licence: key of `licences.LICENCES`. A checkpoint under another licence states it in its entry.
        frame_rule: (k, o): the network samples k*n + o frames.
        max_frames: longest clip that it was trained on.
        multiple: both sides of a frame are multiples of this many pixels.
        pixels: of the largest frame that it was trained on.
        few_step_shift: timestep shift of weights, or a LoRA, distilled to few steps; None for `shifts`.
        masked: whether its attention takes a mask, which not every attention backend supports.
        shifts: (pixels, shift): timestep shift of frames with at most that many pixels; empty to use the
            scheduler of the checkpoint as it is.
        arguments: further arguments of the pipeline.
        rate_argument: the pipeline's argument for frames per second, or "".
        guidance_argument: the pipeline's argument for guidance, or "" if a guider holds it.
        denoisers: parts that take the steps.
        encoders: parts that encode the prompt and pictures; they leave memory when that is done unless there
            is room for them.
        float32: parts that always compute in float32.
        schedulers: schedulers that take part in one step; sound has its own.
        batched: whether both passes of a guided step are computed as one batch.
        converted: whether diffusers converts a single file of a denoiser from the makers' tensor names, and
            from GGUF. If not, it reads only safetensors with its own names.
        strengths: by operation, how much of the source is replaced (SDEdit), for pipelines that add noise to
            it: 1 for all of it.
        overlap: frames at the end of a source that an extension is conditioned on, and samples again.
        published: further pipeline classes that `model_index.json` of its checkpoints may name.
        inputs: (a, b): the denoiser takes a*n + b channels, n being those of the latents.
        maker_names, connector_names: how the makers call the layers of its denoiser, and of the connectors to
            its text encoder: regular expressions for names in diffusers, and replacements, in order.
        notes: (name, note): what clips say if the config of the denoiser has a value of that name.
        traits: values that `model_index.json` has (True) or lacks (False), or that contain a text;
            "PART.NAME" is one in the config of a part.
    """

    name: str
    title: str
    pipelines: Mapping[str, str]
    licence: str
    fps: float
    frame_rule: tuple[int, int]
    max_frames: int
    multiple: int
    pixels: int
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
    float32: tuple[str, ...] = ()
    schedulers: int = 1
    batched: bool = False
    negative_prompt: bool = True
    sound: bool = False
    converted: bool = True
    strengths: Mapping[str, float] = field(default_factory=dict)
    overlap: int = 0
    characters: int = 0
    published: tuple[str, ...] = ()
    inputs: tuple[int, int] = (1, 0)
    maker_names: tuple[tuple[str, str], ...] = ()
    connector_names: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    traits: Mapping[str, bool | str] = field(default_factory=dict)

    @property
    def classes(self) -> frozenset[str]:
        """Pipeline classes that its checkpoints may name."""
        return frozenset((*self.pipelines.values(), *self.published))

    # The next properties have the meaning that they have in `Capabilities`.

    @property
    def operations(self) -> tuple[str, ...]:
        return (GENERATE, *(mode for mode in self.pipelines if mode in _VIDEO_OPERATIONS))

    @property
    def references(self) -> tuple[str, ...]:
        roles = set().union(*self._picture_roles)
        roles |= {SOURCE} if len(self.operations) > 1 else set()
        roles |= {CHARACTER} if self.characters else set()
        return tuple(role for role in (FIRST_FRAME, LAST_FRAME, SOURCE, CHARACTER) if role in roles)

    @property
    def required_references(self) -> tuple[str, ...]:
        roles = set.intersection(*self._picture_roles)
        return tuple(role for role in (FIRST_FRAME, LAST_FRAME) if role in roles)

    @property
    def extension_seconds(self) -> float:
        """Longest extension of a clip in seconds, or 0."""
        return (self.max_frames - self.overlap) / self.fps if EXTEND in self.pipelines else 0.0

    @property
    def seconds(self) -> float:
        """Length of the longest clip that it was trained on."""
        return self.max_frames / self.fps

    @property
    def _picture_roles(self) -> list[set[str]]:
        """The roles of pictures in each input mode that generates a new clip."""
        modes = [mode for mode in self.pipelines if mode not in _VIDEO_OPERATIONS]
        return [set(filter(None, mode.split("+"))) for mode in modes]

    def frame_counts(self, seconds: float) -> tuple[int, int]:
        """How many frames a clip of this length has, and how many the network samples for it."""
        count = max(1, math.ceil(round(seconds * self.fps, 6)))
        return count, self.round_up(count)

    def round_up(self, count: int) -> int:
        """The lowest number of frames that is not less than `count` and that the network can sample."""
        step, offset = self.frame_rule
        return offset + step * max(0, math.ceil((count - offset) / step))

    def sampled_size(self, size: Size, profile: Profile) -> Size:
        """The size that the network samples for a clip of `size`: the nearest that it can."""
        maximum = min(self.pixels, profile.pixels or self.pixels)
        scale = min(1.0, math.sqrt(maximum / (size[0] * size[1])))
        sides = [max(1, round(side * scale / self.multiple)) for side in size]
        # Rounding both sides up must not exceed the maximum, which the memory plan relies on.
        while sides[0] * sides[1] * self.multiple**2 > maximum and max(sides) > 1:
            sides[sides.index(max(sides))] -= 1
        return sides[0] * self.multiple, sides[1] * self.multiple

    def shift(self, size: Size, profile: Profile) -> float | None:
        """Timestep shift for frames of a size, or None for that of the checkpoint's scheduler."""
        if profile.shift is not None:
            return profile.shift
        pixels = size[0] * size[1]
        return next((shift for maximum, shift in self.shifts if pixels <= maximum), None)

    def distilled(self, steps: int, name: str, title: str) -> Family:
        """The same network with weights that were distilled to few steps; BEST takes twice as many."""
        profiles = {
            key: distil_profile(profile, 2 * steps if key == BEST else steps, self.few_step_shift)
            for key, profile in self.profiles.items()
        }
        return dataclasses.replace(self, name=name, title=title, profiles=profiles, negative_prompt=False)
