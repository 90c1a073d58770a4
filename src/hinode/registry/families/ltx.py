"""LTX-Video and LTX-2 of Lightricks."""

from __future__ import annotations

from dataclasses import replace

from hinode.registry.families.family import BOTH_ENDS, EXTEND, Family, Shape
from hinode.registry.profiles import derive_profiles
from hinode.request import FIRST_FRAME, LAST_FRAME

# README and configs/ltxv-13b-0.9.7-dev.yaml, 2025: sides in multiples of 32, 8n+1 frames, at most 1280x720
# and 257 frames, guidance 3 to 3.5, 40 steps and more. Their code varies the guidance of the 13B over the
# steps.
_MAKER_NAMES = (
    (r"^(audio_)?proj_in$", r"\1patchify_proj"),
    (r"^av_cross_attn_(video|audio)_scale_shift\b", r"av_ca_\1_scale_shift_adaln_single"),
    (r"^av_cross_attn_(?:video|audio)_(a2v|v2a)_gate\b", r"av_ca_\1_gate_adaln_single"),
    (r"^(audio_)?time_embed\b", r"\1adaln_single"),
    (r"^(audio_)?prompt_adaln\b", r"\1prompt_adaln_single"),
    (r"\.norm_([qk])$", r".\1_norm"),
)
LTX_VIDEO = Family(
    name="ltx-video",
    title="LTX-Video (0.9, 2B and 13B)",
    pipelines={"": "LTXPipeline", FIRST_FRAME: "LTXImageToVideoPipeline"},
    licence="LTXV-Open-Weights",
    fps=24.0,
    frame_rule=(8, 1),
    max_frames=257,
    multiple=32,
    pixels=1216 * 704,
    profiles=derive_profiles(50, 3.0),
    masked=True,
    shape=Shape(8, 32, patch=1, channels=128, text_tokens=128),
    arguments={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
    rate_argument="frame_rate",
    batched=True,
    published=("LTXConditionPipeline",),
    maker_names=_MAKER_NAMES,
)
LTX_VIDEO_0_9_5 = replace(
    LTX_VIDEO,
    name="ltx-video-0.9.5",
    title="LTX-Video (0.9.5 and newer, 2B and 13B)",
    pipelines=dict.fromkeys(("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS, EXTEND), "LTXConditionPipeline"),
    profiles=derive_profiles(40, 3.0),
    published=("LTXPipeline", "LTXImageToVideoPipeline"),
    traits={"vae.down_block_types": "LTXVideo095DownBlock3D"},
    overlap=25,
)
# ltx_pipelines/utils/constants.py, January 2026: 768x512, 121 frames at 24, 40 steps, guidance 4. Ten seconds
# are what the makers offer at most sizes (docs.ltx.video/models).
LTX_2 = Family(
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
    max_frames=241,
    multiple=32,
    pixels=1280 * 704,
    profiles=derive_profiles(40, 4.0, reuse=False),
    masked=True,
    shape=Shape(8, 32, patch=1, channels=128, text_tokens=1024),
    # The settings of 2.0; the defaults of the pipeline are those of 2.3.
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
    schedulers=2,
    maker_names=_MAKER_NAMES,
    notes=(("cross_attn_mod", "a checkpoint of LTX-2.3 with the guidance of 2.0"),),
    connector_names=((r"^text_proj_in\b", "aggregate_embed"),),
    batched=True,
    sound=True,
)

FAMILIES = (LTX_VIDEO, LTX_VIDEO_0_9_5, LTX_2)
