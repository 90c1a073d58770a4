"""LTX-Video, CogVideoX, HunyuanVideo 1.5 and LTX-2 in toy size."""

from __future__ import annotations

from typing import Any

from tests.engines.diffusers.parts import gemma, qwen, shaken, t5, tokenizer

# LTX-Video


def ltx(scale: int) -> Any:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=True,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2 * scale,
        attention_head_dim=32,
        cross_attention_dim=64 * scale,
        num_layers=2,
        caption_channels=32,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        shift_terminal=0.1,
    )
    return LTXPipeline(
        scheduler=scheduler,
        vae=shaken(vae),
        text_encoder=t5("T5"),
        tokenizer=tokenizer(model_max_length=128),
        transformer=shaken(transformer),
    )


def ltx_095(scale: int) -> Any:
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXConditionPipeline

    older = ltx(scale)
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 16, 16, 16),
        down_block_types=("LTXVideo095DownBlock3D",) * 4,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, True),
        decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False, False, False, False),
        upsample_residual=(True, True, True),
        upsample_factor=(2, 2, 2),
        timestep_conditioning=True,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    return LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(
            older.scheduler.config, use_dynamic_shifting=False, shift_terminal=None
        ),
        vae=shaken(vae),
        text_encoder=older.text_encoder,
        tokenizer=older.tokenizer,
        transformer=older.transformer,
    )


# CogVideoX


def cogvideox(scale: int) -> Any:
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
        num_attention_heads=2 * scale,
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
        vae=shaken(vae),
        transformer=shaken(transformer),
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


def cogvideox_i2v(scale: int) -> Any:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXImageToVideoPipeline

    words = cogvideox(scale)
    transformer = type(words.transformer)(
        **{**words.transformer.config, "in_channels": 8, "use_learned_positional_embeddings": True}
    )
    assert isinstance(words.vae, AutoencoderKLCogVideoX)
    return CogVideoXImageToVideoPipeline(
        tokenizer=words.tokenizer,
        text_encoder=words.text_encoder,
        vae=words.vae,
        transformer=shaken(transformer),
        scheduler=CogVideoXDDIMScheduler.from_config(words.scheduler.config),
    )


def cogvideox_15(scale: int) -> Any:
    from diffusers import CogVideoXPipeline

    older = cogvideox(scale)
    return CogVideoXPipeline(**{**older.components, "transformer": _cogvideox_15(older.transformer)})


def cogvideox_15_i2v(scale: int) -> Any:
    from diffusers import CogVideoXImageToVideoPipeline

    older = cogvideox(scale)
    vae = type(older.vae)(**{**older.vae.config, "invert_scale_latents": True})
    transformer = _cogvideox_15(older.transformer, in_channels=8, ofs_embed_dim=16)
    return CogVideoXImageToVideoPipeline(
        **{**older.components, "vae": shaken(vae), "transformer": transformer}
    )


def _cogvideox_15(older: Any, **changes: Any) -> Any:
    newer = {"patch_size_t": 2, "patch_bias": False, "sample_width": 30, "sample_height": 30}
    return shaken(type(older)(**{**older.config, **newer, "sample_frames": 17, **changes}))


# HunyuanVideo 1.5


def hunyuan_parts(scale: int, task: str) -> dict[str, Any]:
    import transformers
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Transformer3DModel,
    )

    text_encoder, words = qwen()
    byt5 = transformers.T5Config(
        vocab_size=384, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, dropout_rate=0.0
    )
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=17,
        out_channels=8,
        num_attention_heads=2 * scale,
        attention_head_dim=16,
        num_layers=2,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=32,
        text_embed_2_dim=32,
        image_embed_dim=32,
        rope_axes_dim=(4, 6, 6),
        target_size=64,
        task_type=task,
    )
    vae = AutoencoderKLHunyuanVideo15(
        latent_channels=8,
        block_out_channels=(8, 8, 16, 16, 16),
        layers_per_block=1,
        spatial_compression_ratio=16,
        temporal_compression_ratio=4,
    )
    return {
        "text_encoder": text_encoder,
        "tokenizer": words,
        "transformer": shaken(transformer),
        "vae": shaken(vae),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "text_encoder_2": transformers.T5EncoderModel(byt5).eval(),
        "tokenizer_2": transformers.ByT5Tokenizer(),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }


def hunyuan_t2v(scale: int) -> Any:
    from diffusers import HunyuanVideo15Pipeline

    return HunyuanVideo15Pipeline(**hunyuan_parts(scale, "t2v"))


def hunyuan_i2v(scale: int) -> Any:
    import transformers
    from diffusers import HunyuanVideo15ImageToVideoPipeline

    vision = transformers.SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    return HunyuanVideo15ImageToVideoPipeline(
        **hunyuan_parts(scale, "i2v"),
        image_encoder=transformers.SiglipVisionModel(vision).eval(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 32, "width": 32}),
    )


# LTX-2


def audible(vocoder: Any) -> Any:
    """A vocoder whose sound is more than a hum too low to be heard: no biases, and strong weights."""
    for name, parameter in vocoder.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
        elif not name.startswith("resnets"):
            parameter.data.mul_(2.5)
    return vocoder


def ltx2(scale: int) -> Any:
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    connectors = LTX2TextConnectors(
        caption_channels=32,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=16,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=16,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=16,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=16,
        connector_rope_base_seq_len=32,
        rope_type="split",
    )
    transformer = LTX2VideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2 * scale,
        attention_head_dim=32,
        cross_attention_dim=64 * scale,
        audio_in_channels=8,
        audio_out_channels=8,
        audio_num_attention_heads=2,
        audio_attention_head_dim=16,
        audio_cross_attention_dim=32,
        num_layers=2,
        caption_channels=32,
        rope_type="split",
    )
    vae = AutoencoderKLLTX2Video(
        latent_channels=8,
        block_out_channels=(8, 16, 32, 64),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=8,
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        latent_channels=2,
        mel_bins=16,
    )
    vocoder = LTX2Vocoder(
        in_channels=32,
        hidden_channels=32,
        out_channels=2,
        # 240 samples for each of the 100 columns of a second of mel spectrogram: 24 kHz, as it says.
        upsample_kernel_sizes=[16, 15, 8, 4, 4],
        upsample_factors=[6, 5, 2, 2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3]],
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        shift_terminal=0.1,
    )
    return LTX2Pipeline(
        scheduler=scheduler,
        vae=shaken(vae),
        audio_vae=shaken(audio_vae),
        text_encoder=gemma(),
        tokenizer=tokenizer(model_max_length=1024),
        connectors=shaken(connectors),
        transformer=shaken(transformer),
        vocoder=audible(shaken(vocoder)),
    )
