"""Wan 2.1 and 2.2. Sources: wan/configs, generate.py and README of github.com/Wan-Video/Wan2.1 and Wan2.2,
2025. For the 1.3B of Wan 2.1 alone the README prefers guidance 6 and a shift of 8 to 12."""

from __future__ import annotations

from dataclasses import replace

from hinode.registry.families.family import ANY_SIZE, BOTH_ENDS, EDIT, EXTEND, REMIX, STRENGTHS, Family, Shape
from hinode.registry.profiles import derive_profiles
from hinode.request import FIRST_FRAME, LAST_FRAME, MAX_CHARACTERS

_WITH_PICTURE = (2, 4)
"""Latents of the clip and of the picture, and a mask of four channels."""

# wan/modules/model.py
_MAKER_NAMES = (
    (r"^condition_embedder\.image_embedder\.norm1", "img_emb.proj.0"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj", "img_emb.proj.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2", "img_emb.proj.3"),
    (r"^condition_embedder\.image_embedder\.norm2", "img_emb.proj.4"),
    (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"^condition_embedder\.time_proj", "time_projection.1"),
    (r"^(vace_blocks\.\d+)\.proj_in$", r"\1.before_proj"),
    (r"^(vace_blocks\.\d+)\.proj_out$", r"\1.after_proj"),
    (r"^proj_out$", "head.head"),
    (r"\.attn1\b", ".self_attn"),
    (r"\.attn2\b", ".cross_attn"),
    (r"\.to_out\.0$", ".o"),
    (r"\.to_([qkv])$", r".\1"),
    (r"\.add_([kv])_proj$", r".\1_img"),
    (r"\.norm_added_k$", ".norm_k_img"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
    # The makers count the norms in the order of their creation, diffusers in that of their use.
    (r"\.norm2$", ".norm0"),
    (r"\.norm3$", ".norm2"),
    (r"\.norm0$", ".norm3"),
)

# wan/configs/__init__.py and shared_config.py: text takes a shift of 5 at every size, a picture 3 at 480p,
# and VACE 16.
WAN_2_1_T2V = Family(
    name="wan2.1-t2v",
    title="Wan 2.1 text to video (1.3B, 14B)",
    pipelines={"": "WanPipeline", REMIX: "WanVideoToVideoPipeline", EDIT: "WanVideoToVideoPipeline"},
    licence="Apache-2.0",
    fps=16.0,
    frame_rule=(4, 1),
    max_frames=81,
    multiple=16,
    pixels=1280 * 720,
    profiles=derive_profiles(50, 5.0),
    shape=Shape(4, 8, patch=2, channels=16, text_tokens=512),
    shifts=((ANY_SIZE, 5.0),),
    few_step_shift=8.0,
    float32=("vae", "image_encoder"),
    strengths=STRENGTHS,
    maker_names=_MAKER_NAMES,
    traits={"expand_timesteps": False},
)
WAN_2_1_I2V = replace(
    WAN_2_1_T2V,
    name="wan2.1-i2v",
    title="Wan 2.1 image to video (14B)",
    pipelines={FIRST_FRAME: "WanImageToVideoPipeline"},
    profiles=derive_profiles(40, 5.0),
    shifts=((832 * 480, 3.0), (ANY_SIZE, 5.0)),
    few_step_shift=5.0,
    encoders=("text_encoder", "image_encoder"),
    inputs=_WITH_PICTURE,
    traits={"transformer.image_dim": True, "transformer.pos_embed_seq_len": False},
)
WAN_2_1_FLF2V = replace(
    WAN_2_1_I2V,
    name="wan2.1-flf2v",
    title="Wan 2.1 first and last frame to video (14B)",
    pipelines={BOTH_ENDS: "WanImageToVideoPipeline"},
    profiles=derive_profiles(50, 5.0),
    shifts=((ANY_SIZE, 16.0),),
    traits={"transformer.pos_embed_seq_len": True},
)
WAN_2_1_VACE = replace(
    WAN_2_1_T2V,
    name="wan2.1-vace",
    title="Wan 2.1 VACE (1.3B, 14B)",
    pipelines=dict.fromkeys(("", FIRST_FRAME, LAST_FRAME, BOTH_ENDS, EDIT, EXTEND), "WanVACEPipeline"),
    profiles=derive_profiles(50, 5.0, reuse=False),
    shifts=((ANY_SIZE, 16.0),),
    overlap=17,
    characters=MAX_CHARACTERS,
    strengths={},  # an edit is sampled from noise, with the source as control
)
# wan_ti2v_5B.py, wan_t2v_A14B.py and wan_i2v_A14B.py: guidance is that of the high noise expert, then of the
# low noise expert.
WAN_2_2_TI2V = replace(
    WAN_2_1_T2V,
    name="wan2.2-ti2v",
    title="Wan 2.2 text and image to video (5B)",
    pipelines={"": "WanPipeline", FIRST_FRAME: "WanImageToVideoPipeline"},
    fps=24.0,
    max_frames=121,
    multiple=32,
    pixels=1280 * 704,
    shape=Shape(4, 16, patch=2, channels=48, text_tokens=512),
    few_step_shift=5.0,
    traits={"expand_timesteps": True},
)
WAN_2_2_T2V = replace(
    WAN_2_1_T2V,
    name="wan2.2-t2v-a14b",
    title="Wan 2.2 text to video (A14B)",
    pipelines={"": "WanPipeline"},
    profiles=derive_profiles(40, 4.0, 3.0),
    shifts=((ANY_SIZE, 12.0),),
    few_step_shift=5.0,
    denoisers=("transformer", "transformer_2"),
    traits={"boundary_ratio": True},
)
WAN_2_2_I2V = replace(
    WAN_2_2_T2V,
    name="wan2.2-i2v-a14b",
    title="Wan 2.2 image to video (A14B)",
    pipelines=dict.fromkeys((FIRST_FRAME, BOTH_ENDS), "WanImageToVideoPipeline"),
    profiles=derive_profiles(40, 3.5, 3.5),
    shifts=((ANY_SIZE, 5.0),),
    inputs=_WITH_PICTURE,
    traits={"boundary_ratio": True, "transformer.image_dim": False},
)

FAMILIES = (
    WAN_2_1_T2V,
    WAN_2_1_T2V.distilled(4, "wan2.1-t2v-distilled", "Wan 2.1 text to video, distilled to few steps"),
    WAN_2_1_I2V,
    WAN_2_1_I2V.distilled(4, "wan2.1-i2v-distilled", "Wan 2.1 image to video, distilled to few steps"),
    WAN_2_1_FLF2V,
    WAN_2_1_VACE,
    WAN_2_2_TI2V,
    WAN_2_2_T2V,
    WAN_2_2_T2V.distilled(4, "wan2.2-t2v-a14b-distilled", "Wan 2.2 text to video, distilled to few steps"),
    WAN_2_2_I2V,
    WAN_2_2_I2V.distilled(4, "wan2.2-i2v-a14b-distilled", "Wan 2.2 image to video, distilled to few steps"),
)
