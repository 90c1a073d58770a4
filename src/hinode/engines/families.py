"""The families of open checkpoints as data: how each is asked for a clip, and how it draws best.

Adding a family is one entry here and one twin in `tests/engines/diffusers/twins.py`. Nothing is imported that
takes time to load. Sizes, frame rules, rates, steps, guidance and shifts are what the makers of the weights
are known to recommend; not every value was held against their pages. Where a checkpoint says otherwise in
its own scheduler, the checkpoint is believed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hinode.request import FIRST_FRAME, Size

DRAFT, STANDARD, BEST = "draft", "standard", "best"
PROFILES = (DRAFT, STANDARD, BEST)


@dataclass(frozen=True)
class Profile:
    """How a family draws under one profile. Only what is written here differs between profiles.

    Attributes:
        steps: sampling steps.
        guidance: how strongly the prompt is followed; 1 for one pass a step instead of two.
        guidance_2: that of the second denoiser, for families that have two; None for the same.
        pixels: most pixels of a frame that is drawn; a larger one is drawn smaller and resized.
    """

    steps: int
    guidance: float
    guidance_2: float | None = None
    pixels: int = 0


@dataclass(frozen=True)
class Shape:
    """What a denoiser computes on: how the memory plan counts, before any weight is read.

    Attributes:
        compression: frames per latent frame, and pixels per latent position along a side.
        patch: latent positions per token along a side.
        channels: of the latents.
        text_tokens: tokens of a prompt that take part in every attention.
        decoded: frames that are decoded at a time, or 0 for all at once.
    """

    compression: tuple[int, int]
    patch: int
    channels: int
    text_tokens: int
    decoded: int = 0


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint.

    Attributes:
        name: key in `FAMILIES`.
        title: what people call it.
        pipelines: class in diffusers that draws, by the role of the reference it starts from; "" for words
            alone. A family without "" needs a picture.
        licence: key of `licences.LICENCES`; a checkpoint of its own licence says so in its entry.
        fps: frame rate that it draws at.
        frame_rule: (k, o): it draws k*n + o frames.
        most_frames: longest clip that it was trained on.
        multiple: both sides of a frame are multiples of this many pixels.
        sizes: sizes that it was trained on, the default first.
        profiles: by name.
        shape: see `Shape`.
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

    @property
    def references(self) -> tuple[str, ...]:
        """Roles of references that it can work from."""
        return tuple(role for role in self.pipelines if role)

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

    def shift(self, size: Size) -> float | None:
        """The timestep shift for frames of a size, or None for the checkpoint's own."""
        pixels = size[0] * size[1]
        return next((shift for most, shift in self.shifts if pixels <= most), None)


def _profiles(steps: int, guidance: float, guidance_2: float | None = None) -> Mapping[str, Profile]:
    """The profiles of a family that was not distilled: fewer steps and smaller frames for a draft."""
    return {
        DRAFT: Profile(max(8, steps * 2 // 5), guidance, guidance_2, pixels=416 * 240),
        STANDARD: Profile(max(8, steps * 3 // 5), guidance, guidance_2),
        BEST: Profile(steps, guidance, guidance_2),
    }


def _distilled(steps: int, shift: float, base: Family, name: str, title: str) -> Family:
    """The same family with weights, or a LoRA, that were distilled to few steps without a double pass."""
    profile = Profile(steps, 1.0)
    return dataclasses.replace(
        base,
        name=name,
        title=title,
        profiles={
            DRAFT: dataclasses.replace(profile, pixels=416 * 240),
            STANDARD: profile,
            BEST: dataclasses.replace(profile, steps=2 * steps),
        },
        shifts=((10**9, shift),),
        negative_prompt=False,
    )


_480P = ((832, 480), (480, 832), (624, 624))
_720P = ((1280, 720), (720, 1280), (960, 960))
_WAN = Shape((4, 8), 2, 16, 512, decoded=4)
_WAN_SHIFTS = ((832 * 480 + 1, 3.0), (10**9, 5.0))

_WAN_T2V = Family(
    name="wan2.1-t2v",
    title="Wan 2.1 text to video (1.3B, 14B)",
    pipelines={"": "WanPipeline"},
    licence="Apache-2.0",
    fps=16.0,
    frame_rule=(4, 1),
    most_frames=81,
    multiple=16,
    sizes=_480P + _720P,
    profiles=_profiles(50, 5.0),
    shape=_WAN,
    shifts=_WAN_SHIFTS,
    exact=("vae", "image_encoder"),
)
_WAN_I2V = dataclasses.replace(
    _WAN_T2V,
    name="wan2.1-i2v",
    title="Wan 2.1 image to video (14B)",
    pipelines={FIRST_FRAME: "WanImageToVideoPipeline"},
    profiles=_profiles(40, 5.0),
    encoders=("text_encoder", "image_encoder"),
)
_WAN_VACE = dataclasses.replace(
    _WAN_T2V,
    name="wan2.1-vace",
    title="Wan 2.1 VACE (1.3B, 14B)",
    pipelines={"": "WanVACEPipeline", FIRST_FRAME: "WanVACEPipeline"},
)
_WAN_TI2V = dataclasses.replace(
    _WAN_T2V,
    name="wan2.2-ti2v",
    title="Wan 2.2 text and image to video (5B)",
    pipelines={"": "WanPipeline", FIRST_FRAME: "WanImageToVideoPipeline"},
    fps=24.0,
    most_frames=121,
    multiple=32,
    sizes=((1280, 704), (704, 1280)),
    shape=Shape((4, 16), 2, 48, 512, decoded=4),
    shifts=(),
)
_WAN_A14B = dataclasses.replace(
    _WAN_T2V,
    name="wan2.2-t2v-a14b",
    title="Wan 2.2 text to video (A14B)",
    profiles=_profiles(40, 4.0, 3.0),
    shifts=(),
    denoisers=("transformer", "transformer_2"),
)
_WAN_A14B_I2V = dataclasses.replace(
    _WAN_A14B,
    name="wan2.2-i2v-a14b",
    title="Wan 2.2 image to video (A14B)",
    pipelines={FIRST_FRAME: "WanImageToVideoPipeline"},
    profiles=_profiles(40, 3.5, 3.5),
)
_LTX = Family(
    name="ltx-video",
    title="LTX-Video (0.9, 2B and 13B)",
    pipelines={"": "LTXPipeline", FIRST_FRAME: "LTXImageToVideoPipeline"},
    licence="LTXV-Open-Weights",
    fps=24.0,
    frame_rule=(8, 1),
    most_frames=257,
    multiple=32,
    sizes=((768, 512), (512, 768), (704, 480), (1216, 704), (704, 1216)),
    profiles=_profiles(50, 3.0),
    shape=Shape((8, 32), 1, 128, 128),
    arguments={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
    rate_argument="frame_rate",
    batched=True,
)
_COGVIDEOX = Family(
    name="cogvideox",
    title="CogVideoX (2B, 5B)",
    pipelines={"": "CogVideoXPipeline"},
    licence="CogVideoX",
    fps=8.0,
    frame_rule=(4, 1),
    most_frames=49,
    multiple=16,
    sizes=((720, 480),),
    profiles=_profiles(50, 6.0),
    shape=Shape((4, 8), 2, 16, 226, decoded=8),
    arguments={"use_dynamic_cfg": True},
    batched=True,
)
_HUNYUAN = Family(
    name="hunyuanvideo-1.5-t2v",
    title="HunyuanVideo 1.5 text to video",
    pipelines={"": "HunyuanVideo15Pipeline"},
    licence="Tencent-Hunyuan-Community",
    fps=24.0,
    frame_rule=(4, 1),
    most_frames=121,
    multiple=16,
    sizes=((848, 480), (480, 848), (640, 640), (1280, 720), (720, 1280)),
    profiles=_profiles(50, 6.0),
    shape=Shape((4, 16), 1, 32, 1256),
    guidance_argument="",
    encoders=("text_encoder", "text_encoder_2"),
)
_LTX2 = Family(
    name="ltx-2",
    title="LTX-2 with sound (19B)",
    pipelines={"": "LTX2Pipeline", FIRST_FRAME: "LTX2ImageToVideoPipeline"},
    licence="LTX-2-Community",
    fps=24.0,
    frame_rule=(8, 1),
    most_frames=241,
    multiple=32,
    sizes=((768, 512), (512, 768), (1280, 704), (704, 1280)),
    profiles=_profiles(40, 4.0),
    shape=Shape((8, 32), 1, 128, 1024),
    # What 2.0 was published with; the defaults of the pipeline are those of 2.3.
    arguments={
        "stg_scale": 0.0,
        "modality_scale": 1.0,
        "guidance_rescale": 0.0,
        "audio_guidance_scale": None,
        "audio_stg_scale": None,
        "audio_modality_scale": None,
        "audio_guidance_rescale": None,
        "spatio_temporal_guidance_blocks": None,
        "use_cross_timestep": False,
    },
    rate_argument="frame_rate",
    decoders=("vae", "audio_vae", "vocoder"),
    schedulers=2,
    batched=True,
    sound=True,
)

_ALL = (
    _WAN_T2V,
    _distilled(4, 8.0, _WAN_T2V, "wan2.1-t2v-distilled", "Wan 2.1 text to video, distilled to few steps"),
    _WAN_I2V,
    _distilled(4, 5.0, _WAN_I2V, "wan2.1-i2v-distilled", "Wan 2.1 image to video, distilled to few steps"),
    _WAN_VACE,
    _WAN_TI2V,
    _WAN_A14B,
    _distilled(
        4, 5.0, _WAN_A14B, "wan2.2-t2v-a14b-distilled", "Wan 2.2 text to video, distilled to few steps"
    ),
    _WAN_A14B_I2V,
    _distilled(
        4, 5.0, _WAN_A14B_I2V, "wan2.2-i2v-a14b-distilled", "Wan 2.2 image to video, distilled to few steps"
    ),
    _LTX,
    _COGVIDEOX,
    dataclasses.replace(
        _COGVIDEOX,
        name="cogvideox-i2v",
        title="CogVideoX image to video (5B)",
        pipelines={FIRST_FRAME: "CogVideoXImageToVideoPipeline"},
    ),
    _HUNYUAN,
    dataclasses.replace(
        _HUNYUAN,
        name="hunyuanvideo-1.5-i2v",
        title="HunyuanVideo 1.5 image to video",
        pipelines={FIRST_FRAME: "HunyuanVideo15ImageToVideoPipeline"},
        encoders=("text_encoder", "text_encoder_2", "image_encoder"),
    ),
    _LTX2,
)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _ALL})
"""Every family by its name."""
