"""The fallbacks of decoding, and what a clip says about them."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from hinode.engines.diffusers.execution.decode import Decoder
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.diffusers.memory.decoding import (
    PROCESSOR,
    SMALL_TILES,
    TILES,
    TINY,
    TINY_PROCESSOR,
    WHOLE,
    methods_from,
)
from hinode.registry.tiny_decoders import Layout


class IdleAutoencoder(nn.Module):
    """An autoencoder without statistics, which is not asked to decode."""

    config: ClassVar[dict[str, float]] = {}


def test_every_method_is_tried_in_order() -> None:
    assert methods_from(WHOLE, tiny=False) == (WHOLE, TILES, SMALL_TILES, PROCESSOR)
    assert methods_from(TILES, tiny=True) == (TILES, SMALL_TILES, PROCESSOR, TINY, TINY_PROCESSOR)
    assert methods_from(TINY, tiny=True) == (TINY, TINY_PROCESSOR, TILES, SMALL_TILES, PROCESSOR)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("broken, says the test"), "for its first attempt failed"),
        (torch.OutOfMemoryError("out of memory"), "for want of memory"),
    ],
)
def test_a_draft_says_why_the_tiny_decoder_ran_on_the_processor(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    errors = [error]

    def decode(self: TinyDecoder, latents: Tensor) -> Tensor:
        if errors:
            raise errors.pop()
        return torch.zeros(1, 3, 8, 8)

    monkeypatch.setattr(TinyDecoder, "decode", decode)
    tiny = TinyDecoder(Layout(16, (16, 12, 8, 8), (1, 2, 2), 1))
    decoder = Decoder(IdleAutoencoder(), TINY, 8, lambda: None, tiny)
    decoder(torch.zeros(1, 16, 1, 1, 1))
    assert decoder.remark == f"decoded by the tiny decoder on the processor, {reason}"
