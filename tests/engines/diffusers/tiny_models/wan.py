"""Wan 2.1 and 2.2 in tiny size."""

from __future__ import annotations

from typing import Any

from tests.engines.diffusers.tiny_models.parts import clip_vision, randomize, t5, tokenizer


def transformer(**changes: Any) -> Any:
    from diffusers import WanTransformer3DModel

    return randomize(
        WanTransformer3DModel(
            **{
                "patch_size": (1, 2, 2),
                "num_attention_heads": 2,
                "attention_head_dim": 32,
                "in_channels": 16,
                "out_channels": 16,
                "text_dim": 32,
                "freq_dim": 32,
                "ffn_dim": 96,
                "num_layers": 2,
                "cross_attn_norm": True,
                "qk_norm": "rms_norm_across_heads",
                "rope_max_seq_len": 64,
                **changes,
            }
        )
    )


def vae(**changes: Any) -> Any:
    from diffusers import AutoencoderKLWan

    return randomize(
        AutoencoderKLWan(**{"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1, **changes})
    )


def vae_2_2() -> Any:
    return vae(
        z_dim=48,
        is_residual=True,
        dim_mult=[1, 1, 1, 1],
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.01 * channel for channel in range(48)],
        latents_std=[1.0 + 0.01 * channel for channel in range(48)],
    )


def scheduler(shift: float) -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def t2v() -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        scheduler=scheduler(3.0),
        transformer=transformer(),
    )


def i2v() -> Any:
    from diffusers import WanImageToVideoPipeline

    image_encoder, image_processor = clip_vision()
    return WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        scheduler=scheduler(3.0),
        image_encoder=image_encoder,
        image_processor=image_processor,
        transformer=transformer(in_channels=36, image_dim=32, added_kv_proj_dim=64),
    )


def flf2v() -> Any:
    pipeline = i2v()
    vision = pipeline.image_encoder.config
    positions = (vision.image_size // vision.patch_size) ** 2 + 1
    pipeline.register_modules(
        transformer=transformer(
            in_channels=36,
            image_dim=32,
            added_kv_proj_dim=64,
            pos_embed_seq_len=2 * positions,  # 514 in the real one, whose encoder sees 16 x 16 patches
        )
    )
    return pipeline


def ti2v() -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae_2_2(),
        scheduler=scheduler(5.0),
        transformer=transformer(in_channels=48, out_channels=48),
        expand_timesteps=True,
    )


def a14b_t2v() -> Any:
    from diffusers import WanPipeline

    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        scheduler=scheduler(3.0),
        transformer=transformer(),
        transformer_2=transformer(),
        boundary_ratio=0.875,
    )


def a14b_i2v() -> Any:
    from diffusers import WanImageToVideoPipeline

    return WanImageToVideoPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        scheduler=scheduler(5.0),
        transformer=transformer(in_channels=36),
        transformer_2=transformer(in_channels=36),
        boundary_ratio=0.9,
    )


def vace() -> Any:
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    vace_transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=32,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=96,
        num_layers=3,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=64,
        vace_layers=[0, 2],
        vace_in_channels=96,
    )
    return WanVACEPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        scheduler=scheduler(3.0),
        transformer=randomize(vace_transformer),
    )
