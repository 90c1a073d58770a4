"""CogVideoX in tiny size."""

from __future__ import annotations

from typing import Any

from tests.engines.diffusers.tiny_models.parts import randomize, t5, tokenizer


def t2v() -> Any:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDPMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        sample_height=48,
        sample_width=64,
        temporal_compression_ratio=4,
    )
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=32,
        in_channels=4,
        out_channels=4,
        time_embed_dim=16,
        text_embed_dim=32,
        num_layers=2,
        sample_width=8,
        sample_height=6,
        sample_frames=9,
        max_text_seq_length=226,
        use_rotary_positional_embeddings=True,
    )
    return CogVideoXPipeline(
        tokenizer=tokenizer(),
        text_encoder=t5("T5"),
        vae=randomize(vae),
        transformer=randomize(transformer),
        scheduler=CogVideoXDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            snr_shift_scale=1.0,
            timestep_spacing="trailing",
        ),
    )


def i2v() -> Any:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXImageToVideoPipeline

    text_to_video = t2v()
    transformer = type(text_to_video.transformer)(
        **{**text_to_video.transformer.config, "in_channels": 8, "use_learned_positional_embeddings": True}
    )
    assert isinstance(text_to_video.vae, AutoencoderKLCogVideoX)
    return CogVideoXImageToVideoPipeline(
        tokenizer=text_to_video.tokenizer,
        text_encoder=text_to_video.text_encoder,
        vae=text_to_video.vae,
        transformer=randomize(transformer),
        scheduler=CogVideoXDDIMScheduler.from_config(text_to_video.scheduler.config),
    )


def t2v_1_5() -> Any:
    from diffusers import CogVideoXPipeline

    older = t2v()
    return CogVideoXPipeline(**{**older.components, "transformer": _transformer_1_5(older.transformer)})


def i2v_1_5() -> Any:
    from diffusers import CogVideoXImageToVideoPipeline

    older = t2v()
    vae = type(older.vae)(**{**older.vae.config, "invert_scale_latents": True})
    transformer = _transformer_1_5(older.transformer, in_channels=8, ofs_embed_dim=16)
    return CogVideoXImageToVideoPipeline(
        **{**older.components, "vae": randomize(vae), "transformer": transformer}
    )


def _transformer_1_5(older: Any, **changes: Any) -> Any:
    newer = {"patch_size_t": 2, "patch_bias": False, "sample_width": 30, "sample_height": 30}
    return randomize(type(older)(**{**older.config, **newer, "sample_frames": 17, **changes}))
