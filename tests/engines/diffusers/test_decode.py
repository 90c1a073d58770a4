"""What is said of how a clip was decoded."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from hinode.engines.diffusers.execution.decode import TINY, Decoder
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.registry.tiny_decoders import Layout


class Plain(nn.Module):
    """An autoencoder that leaves latents as they are; it is not asked to decode."""

    config: ClassVar[dict[str, float]] = {}


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("broken, says the test"), "for its first attempt failed"),
        (torch.OutOfMemoryError("out of memory"), "for want of memory"),
    ],
)
def test_a_draft_says_why_the_tiny_decoder_went_to_the_processor(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    errors = [error]

    def decode(self: TinyDecoder, latents: Tensor) -> Tensor:
        if errors:
            raise errors.pop()
        return torch.zeros(1, 3, 8, 8)

    monkeypatch.setattr(TinyDecoder, "decode", decode)
    decoder = Decoder(Plain(), TINY, 8, lambda: None, TinyDecoder(Layout(16, (16, 12, 8, 8), (1, 2, 2), 1)))
    decoder(torch.zeros(1, 16, 1, 1, 1))
    assert decoder.remark == f"decoded by the tiny decoder on the processor, {why}"
