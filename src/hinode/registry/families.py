"""The families of open checkpoints as data: how each is asked for a clip, and how it draws best.

Adding a family is one entry here and one twin in `tests/engines/diffusers/twins.py`. Nothing is imported that
takes time to load. Sizes, frame rules, rates, steps, guidance and shifts are what the makers of the weights
give in their code or on their pages; `docs/diffusers.md` says where. Where a family names no shifts, the
scheduler of the checkpoint is believed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from hinode.registry.family import (
    BEST,
    BOTH_ENDS,
    DRAFT,
    EDIT,
    EXTEND,
    REMIX,
    STANDARD,
    Family,
    Profile,
    Shape,
    few_steps,
)
from hinode.request import FIRST_FRAME, LAST_FRAME, MAX_CHARACTERS

_REUSE_DRAFT, _REUSE_STANDARD = 0.10, 0.05
"""0.05 is the default of diffusers' first-block cache; those who made the method use 0.06 to 0.08."""


def _profiles(
    steps: int, guidance: float, guidance_2: float | None = None, *, reuse: bool = True
) -> Mapping[str, Profile]:
    """The profiles of a family that was not distilled: fewer steps and smaller frames for a draft; nothing
    but what the makers do for the best.

    Args:
        reuse: whether diffusers knows the blocks of its denoiser, and nothing is added between them.
    """
    best = Profile(steps, guidance, guidance_2)
    quick = dataclasses.replace(best, compiled=True, eight_bits=True, attention=True)
    return {
        DRAFT: dataclasses.replace(
            quick,
            steps=max(8, steps * 2 // 5),
            pixels=416 * 240,
            reuse=_REUSE_DRAFT if reuse else 0.0,
            tiny=True,
        ),
        STANDARD: dataclasses.replace(
            quick, steps=max(8, steps * 3 // 5), reuse=_REUSE_STANDARD if reuse else 0.0
        ),
        BEST: best,
    }


def _distilled(steps: int, base: Family, name: str, title: str) -> Family:
    """The same family with weights, or a LoRA, that were distilled to few steps without a double pass."""
    return dataclasses.replace(
        base,
        name=name,
        title=title,
        profiles={
            key: few_steps(profile, base, 2 * steps if key == BEST else steps)
            for key, profile in base.profiles.items()
        },
        negative_prompt=False,
    )


# Wan 2.1: wan/configs/__init__.py and shared_config.py, generate.py, 2025. Text asks for a shift of 5 at
# every size, a picture for 3 at 480p, VACE for 16. (For the 1.3B alone the README prefers guidance 6 and 8
# to 12.)
_480P = ((832, 480), (480, 832))
_720P = ((1280, 720), (720, 1280))
_WAN = Shape((4, 8), 2, 16, 512)
_ANY_SIZE = 10**9

_STRENGTHS = {REMIX: 0.8, EDIT: 0.6}
"""0.8 is what diffusers does by default; an edit keeps more of the source than a remix."""

_WAN_T2V = Family(
    name="wan2.1-t2v",
    title="Wan 2.1 text to video (1.3B, 14B)",
    pipelines={"": "WanPipeline", REMIX: "WanVideoToVideoPipeline", EDIT: "WanVideoToVideoPipeline"},
    licence="Apache-2.0",
    fps=16.0,
    frame_rule=(4, 1),
    most_frames=81,
    multiple=16,
    sizes=_480P + _720P,
    profiles=_profiles(50, 5.0),
    shape=_WAN,
    shifts=((_ANY_SIZE, 5.0),),
    few_step_shift=8.0,
    exact=("vae", "image_encoder"),
    strengths=_STRENGTHS,
)
_WAN_I2V = dataclasses.replace(
    _WAN_T2V,
    name="wan2.1-i2v",
    title="Wan 2.1 image to video (14B)",
    pipelines={FIRST_FRAME: "WanImageToVideoPipeline"},
    profiles=_profiles(40, 5.0),
    shifts=((832 * 480, 3.0), (_ANY_SIZE, 5.0)),
    few_step_shift=5.0,
    encoders=("text_encoder", "image_encoder"),
)
_WAN_FLF2V = dataclasses.replace(
    _WAN_I2V,
    name="wan2.1-flf2v",
    title="Wan 2.1 first and last frame to video (14B)",
    pipelines={BOTH_ENDS: "WanImageToVideoPipeline"},
    sizes=_720P + _480P,
    profiles=_profiles(50, 5.0),
    shifts=((10**9, 16.0),),
)
_WAN_VACE = dataclasses.replace(
    _WAN_T2V,
    name="wan2.1-vace",
    title="Wan 2.1 VACE (1.3B, 14B)",
    pipelines=dict.fromkeys(("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS, EDIT, EXTEND), "WanVACEPipeline"),
    profiles=_profiles(50, 5.0, reuse=False),
    shifts=((_ANY_SIZE, 16.0),),
    overlap=17,
    characters=MAX_CHARACTERS,
    strengths={},  # it draws an edit from noise, with the source beside it
)
# Wan 2.2: wan/configs/wan_ti2v_5B.py, wan_t2v_A14B.py and wan_i2v_A14B.py, 2025; guidance is that of high
# noise, then of low noise.
_WAN_TI2V = dataclasses.replace(
    _WAN_T2V,
    name="wan2.2-ti2v",
    title="Wan 2.2 text and image to video (5B)",
    pipelines={"": "WanPipeline", FIRST_FRAME: "WanImageToVideoPipeline"},
    fps=24.0,
    most_frames=121,
    multiple=32,
    sizes=((1280, 704), (704, 1280)),
    shape=Shape((4, 16), 2, 48, 512),
    shifts=((_ANY_SIZE, 5.0),),
    few_step_shift=5.0,
)
_WAN_A14B = dataclasses.replace(
    _WAN_T2V,
    name="wan2.2-t2v-a14b",
    title="Wan 2.2 text to video (A14B)",
    pipelines={"": "WanPipeline"},
    profiles=_profiles(40, 4.0, 3.0),
    shifts=((_ANY_SIZE, 12.0),),
    few_step_shift=5.0,
    denoisers=("transformer", "transformer_2"),
)
_WAN_A14B_I2V = dataclasses.replace(
    _WAN_A14B,
    name="wan2.2-i2v-a14b",
    title="Wan 2.2 image to video (A14B)",
    pipelines=dict.fromkeys((FIRST_FRAME, BOTH_ENDS), "WanImageToVideoPipeline"),
    profiles=_profiles(40, 3.5, 3.5),
    shifts=((_ANY_SIZE, 5.0),),
)
# LTX-Video: README and configs/ltxv-13b-0.9.7-dev.yaml, 2025: sides by 32, 8n+1 frames, under 1280x720 and
# 257 frames, guidance 3 to 3.5, 40 steps and more. The guidance of the 13B changes from step to step in
# their code.
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
    masked=True,
    shape=Shape((8, 32), 1, 128, 128),
    arguments={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
    rate_argument="frame_rate",
    batched=True,
)
_LTX_095 = dataclasses.replace(
    _LTX,
    name="ltx-video-0.9.5",
    title="LTX-Video (0.9.5 and newer, 2B and 13B)",
    pipelines=dict.fromkeys(("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS, EXTEND), "LTXConditionPipeline"),
    sizes=((1216, 704), (704, 1216), (768, 512), (512, 768)),
    profiles=_profiles(40, 3.0),
    overlap=25,
)
# CogVideoX: README of zai-org/CogVideo and inference/cli_demo.py, 2024: 720x480 alone, 8n+1 frames up to
# 49, 8 a second, 226 tokens, guidance 6, 50 steps, dynamic guidance with the DPM scheduler of the 5B.
_COGVIDEOX = Family(
    name="cogvideox",
    title="CogVideoX (2B, 5B)",
    pipelines={
        "": "CogVideoXPipeline",
        REMIX: "CogVideoXVideoToVideoPipeline",
        EDIT: "CogVideoXVideoToVideoPipeline",
    },
    licence="CogVideoX",
    fps=8.0,
    frame_rule=(8, 1),
    most_frames=49,
    multiple=16,
    sizes=((720, 480),),
    profiles=_profiles(50, 6.0),
    shape=Shape((4, 8), 2, 16, 226, frames_first=True, paired=True),
    arguments={"use_dynamic_cfg": True},
    batched=True,
    converted=False,
    strengths=_STRENGTHS,
)
_COGVIDEOX_15 = dataclasses.replace(
    _COGVIDEOX,
    name="cogvideox-1.5",
    title="CogVideoX 1.5 (5B)",
    # The pipeline that changes videos takes even numbers of latent frames, and 16n + 1 frames are an odd one.
    pipelines={"": "CogVideoXPipeline"},
    fps=16.0,
    frame_rule=(16, 1),
    most_frames=161,
    sizes=((1360, 768),),
    shape=dataclasses.replace(_COGVIDEOX.shape, text_tokens=224, frames=2),
)
# HunyuanVideo 1.5: "Optimal Inference Configurations" in its README, December 2025: guidance 6, 50 steps,
# and a shift of 5 at 480p, at 720p of 9 for words and 7 for a picture: weights of their own each, so it is
# their scheduler that says it.
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
    profiles=_profiles(50, 6.0, reuse=False),
    masked=True,
    shape=Shape((4, 16), 1, 32, 1256),
    guidance_argument="",
    encoders=("text_encoder", "text_encoder_2"),
    converted=False,
)
# LTX-2: ltx_pipelines/utils/constants.py of January 2026: 768x512, 121 frames at 24, 40 steps, guidance 4.
# Ten seconds are what its makers offer of it at most sizes (docs.ltx.video/models).
_LTX2 = Family(
    name="ltx-2",
    title="LTX-2 with sound (19B)",
    pipelines={
        "": "LTX2Pipeline",
        FIRST_FRAME: "LTX2ImageToVideoPipeline",
        LAST_FRAME: "LTX2ConditionPipeline",
        BOTH_ENDS: "LTX2ConditionPipeline",
    },
    licence="LTX-2-Community",
    fps=24.0,
    frame_rule=(8, 1),
    most_frames=241,
    multiple=32,
    sizes=((768, 512), (512, 768), (1280, 704), (704, 1280)),
    profiles=_profiles(40, 4.0, reuse=False),
    masked=True,
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
    _distilled(4, _WAN_T2V, "wan2.1-t2v-distilled", "Wan 2.1 text to video, distilled to few steps"),
    _WAN_I2V,
    _distilled(4, _WAN_I2V, "wan2.1-i2v-distilled", "Wan 2.1 image to video, distilled to few steps"),
    _WAN_FLF2V,
    _WAN_VACE,
    _WAN_TI2V,
    _WAN_A14B,
    _distilled(4, _WAN_A14B, "wan2.2-t2v-a14b-distilled", "Wan 2.2 text to video, distilled to few steps"),
    _WAN_A14B_I2V,
    _distilled(
        4, _WAN_A14B_I2V, "wan2.2-i2v-a14b-distilled", "Wan 2.2 image to video, distilled to few steps"
    ),
    _LTX,
    _LTX_095,
    _COGVIDEOX,
    dataclasses.replace(
        _COGVIDEOX,
        name="cogvideox-i2v",
        title="CogVideoX image to video (5B)",
        pipelines={FIRST_FRAME: "CogVideoXImageToVideoPipeline"},
    ),
    _COGVIDEOX_15,
    dataclasses.replace(
        _COGVIDEOX_15,
        name="cogvideox-1.5-i2v",
        title="CogVideoX 1.5 image to video (5B)",
        pipelines={FIRST_FRAME: "CogVideoXImageToVideoPipeline"},
        sizes=((1360, 768), (768, 1360), (768, 768)),
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
