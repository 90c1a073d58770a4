"""HunyuanVideo 1.5 of Tencent. Source: "Optimal Inference Configurations" in its README, December 2025:
guidance 6, 50 steps, and a shift of 5 at 480p; at 720p 9 for text and 7 for a picture. Each of them has
weights of its own, so the checkpoint's scheduler states the shift."""

from __future__ import annotations

from dataclasses import replace

from hinode.registry.families.family import Family, Shape
from hinode.registry.profiles import derive_profiles
from hinode.request import FIRST_FRAME

HUNYUANVIDEO_1_5 = Family(
    name="hunyuanvideo-1.5-t2v",
    title="HunyuanVideo 1.5 text to video",
    pipelines={"": "HunyuanVideo15Pipeline"},
    licence="Tencent-Hunyuan-Community",
    fps=24.0,
    frame_rule=(4, 1),
    max_frames=121,
    multiple=16,
    pixels=1280 * 720,
    profiles=derive_profiles(50, 6.0, reuse=False),
    masked=True,
    shape=Shape(4, 16, patch=1, channels=32, text_tokens=1256),
    guidance_argument="",
    encoders=("text_encoder", "text_encoder_2"),
    converted=False,
    inputs=(2, 1),
)

FAMILIES = (
    HUNYUANVIDEO_1_5,
    replace(
        HUNYUANVIDEO_1_5,
        name="hunyuanvideo-1.5-i2v",
        title="HunyuanVideo 1.5 image to video",
        pipelines={FIRST_FRAME: "HunyuanVideo15ImageToVideoPipeline"},
        encoders=("text_encoder", "text_encoder_2", "image_encoder"),
    ),
)
