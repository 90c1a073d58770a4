"""CogVideoX of Zhipu AI. Source: README and inference/cli_demo.py of github.com/zai-org/CogVideo, 2024."""

from __future__ import annotations

from dataclasses import replace

from hinode.registry.families.family import EDIT, REMIX, STRENGTHS, Family, Shape
from hinode.registry.profiles import derive_profiles
from hinode.request import FIRST_FRAME

# 720x480 only, 8n+1 frames up to 49 at 8 a second, 226 tokens, guidance 6, 50 steps; dynamic guidance with
# the DPM scheduler of the 5B.
COGVIDEOX = Family(
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
    max_frames=49,
    multiple=16,
    pixels=720 * 480,
    profiles=derive_profiles(50, 6.0),
    shape=Shape(4, 8, patch=2, channels=16, text_tokens=226, frames_first=True, paired=True),
    arguments={"use_dynamic_cfg": True},
    batched=True,
    converted=False,
    strengths=STRENGTHS,
    traits={"transformer.patch_size_t": False},
)
COGVIDEOX_1_5 = replace(
    COGVIDEOX,
    name="cogvideox-1.5",
    title="CogVideoX 1.5 (5B)",
    # The video-to-video pipeline takes an even number of latent frames; 16n+1 frames are an odd number.
    pipelines={"": "CogVideoXPipeline"},
    fps=16.0,
    frame_rule=(16, 1),
    max_frames=161,
    pixels=1360 * 768,
    shape=replace(COGVIDEOX.shape, text_tokens=224, patch_frames=2),
    traits={"transformer.patch_size_t": True},
)

FAMILIES = (
    COGVIDEOX,
    replace(
        COGVIDEOX,
        name="cogvideox-i2v",
        title="CogVideoX image to video (5B)",
        pipelines={FIRST_FRAME: "CogVideoXImageToVideoPipeline"},
        inputs=(2, 0),
    ),
    COGVIDEOX_1_5,
    replace(
        COGVIDEOX_1_5,
        name="cogvideox-1.5-i2v",
        title="CogVideoX 1.5 image to video (5B)",
        pipelines={FIRST_FRAME: "CogVideoXImageToVideoPipeline"},
        inputs=(2, 0),
    ),
)
