"""The arithmetic of the network."""

from __future__ import annotations

from hinode.model.dit import DiTConfig


def flops(config: DiTConfig, frames: int, height: int, width: int, text_tokens: int = 24) -> int:
    """Floating-point operations of one forward pass for one clip (text encoding included).

    `frames`, `height`, `width`: of the video, in frames and pixels. A multiply-add counts as two. A training
    step costs three times as much per clip.
    """
    size = config.patch_size
    latent_frames = config.tokenizer.latent_frames(frames)
    fine_tokens = latent_frames * (height // size) * (width // size)
    coarse_tokens = fine_tokens // 4

    def block(d: int, tokens: int) -> int:
        linear = 2 * 12 * d * d * tokens + 2 * 2 * config.text_width * d * text_tokens
        return linear + 2 * 2 * d * tokens * (tokens + text_tokens)

    fine, coarse = config.fine_width, config.width
    ends = 2 * 2 * config.tokenizer.channels * fine * fine_tokens  # embed and final
    between = 2 * 2 * 4 * fine * coarse * coarse_tokens  # merge and split
    text_layer = config.text_width * text_tokens * (24 * config.text_width + 4 * text_tokens)
    modulation = 2 * latent_frames * config.conditioning * (8 * fine + 6 * coarse)
    blocks = (config.fine_in + config.fine_out) * block(fine, fine_tokens)
    blocks += config.depth * block(coarse, coarse_tokens)
    return blocks + ends + between + config.text_depth * text_layer + modulation
