"""The layers of the networks: what is quick is the same, and a block has no memory of what is not shown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hinode.model import fast, layers
from hinode.model.block import Block, positions, rope_table, run_blocks
from hinode.model.layers import rotate


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def attention_inputs(keys: int, bias_keys: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys and values, and a bias that hides some of the first keys of the first item."""
    q, k, v = noise(2, 3, 7, 64), noise(2, 3, keys, 64, seed=1), noise(2, 3, keys, 64, seed=2)
    bias = torch.zeros(2, 1, 1, bias_keys)
    bias[0, ..., bias_keys * 3 // 4 :] = -1e4
    return q, k, v, bias


@pytest.mark.parametrize("keys", [40, 320])
@pytest.mark.parametrize("bias_keys", [8, 40])  # a bias of the first keys, or of all
def test_fast_attention_is_attention(keys: int, bias_keys: int) -> None:
    q, k, v, bias = attention_inputs(keys, bias_keys)
    padded = torch.nn.functional.pad(bias, (0, keys - bias_keys))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=padded)
    assert torch.allclose(fast.attend(q, k, v, bias), expected, atol=1e-5)
    assert torch.allclose(layers.attend(q, k, v, bias), expected, atol=1e-5)
    assert torch.allclose(fast.attend(q, k, v, None), layers.attend(q, k, v, None), atol=1e-5)
    with torch.inference_mode():  # bfloat16 takes the fast version for many keys too
        halves = [part.bfloat16() for part in (q, k, v, bias)]
        assert torch.allclose(layers.attend(*halves).float(), expected, atol=3e-2)


def test_the_fast_norm_is_the_norm() -> None:
    x = noise(2, 3, 5, 64) * 30
    x[0, 0, 0] = 0.0
    assert torch.allclose(fast.rms_norm(x), torch.nn.functional.rms_norm(x, (64,), eps=1e-6), atol=1e-5)
    with torch.inference_mode():
        assert torch.equal(layers.rms_norm(x), fast.rms_norm(x))


def test_rotary_positions_are_relative() -> None:
    q, k = noise(1, 1, 1, 64), noise(1, 1, 1, 64, seed=1)

    def score(at: list[float], other: list[float]) -> float:
        table = [rope_table(torch.tensor([place]), torch.float32) for place in (at, other)]
        return float((rotate(q, table[0]) * rotate(k, table[1])).sum())

    plain = score([1.0, 0.2, -0.3], [0.5, 0.1, 0.4])
    for seconds, y, x in ((0.7, 0.0, 0.0), (0.0, 0.31, 0.0), (0.0, 0.0, -0.2), (2.0, 0.5, 0.9)):
        moved = score([1.0 + seconds, 0.2 + y, -0.3 + x], [0.5 + seconds, 0.1 + y, 0.4 + x])
        assert moved == pytest.approx(plain, abs=1e-3)
    for apart in ([1.4, 0.2, -0.3], [1.0, 0.5, -0.3], [1.0, 0.2, 0.1]):
        assert abs(score(apart, [0.5, 0.1, 0.4]) - plain) > 0.1


@pytest.fixture(scope="module")
def blocks() -> nn.ModuleList:
    """Two blocks with random weights everywhere, also where training starts from zero."""
    torch.manual_seed(4)
    blocks = nn.ModuleList(Block(128, 64) for _ in range(2))
    for parameter in blocks.parameters():
        if parameter.ndim == 2 and len(parameter) != 6:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    return blocks.requires_grad_(False)


def run(blocks: nn.ModuleList, x: Tensor, places: Tensor, shared: Tensor) -> Tensor:
    features = noise(len(x), 5, 64, seed=3)
    bias = torch.zeros(len(x), 1, 1, 5)
    prefixes = [block.text_prefix(features) for block in blocks]
    return run_blocks(blocks, x, places, shared, prefixes, bias)


def test_a_block_that_is_run_in_pieces_is_the_whole(blocks: nn.ModuleList) -> None:
    """Nothing depends on where a token stands in the sequence, and nothing on the others of a batch."""
    x, shared = noise(2, 3, 8, 128), noise(2, 3, 6, 128, seed=1)
    places = positions(3, 2, 4, 8.0, 4, torch.device("cpu"))
    whole = run(blocks, x, places, shared)
    assert (whole - x).abs().mean() > 0.1
    order = torch.randperm(8, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(
        run(blocks, x[:, :, order], places[:, order], shared), whole[:, :, order], atol=1e-4
    )
    features = noise(2, 5, 64, seed=3)
    for row in range(2):
        prefixes = [block.text_prefix(features[row : row + 1]) for block in blocks]
        alone = run_blocks(
            blocks, x[row : row + 1], places, shared[row : row + 1], prefixes, torch.zeros(1, 1, 1, 5)
        )
        assert torch.allclose(alone[0], whole[row], atol=1e-4)
    first = blocks[:1]
    second = blocks[1:]
    assert torch.allclose(run(second, run(first, x, places, shared), places, shared), whole, atol=1e-4)


def test_drawing_and_training_see_the_same_block(blocks: nn.ModuleList) -> None:
    x, shared = noise(1, 3, 8, 128), noise(1, 3, 6, 128, seed=1)
    places = positions(3, 2, 4, 8.0, 4, torch.device("cpu"))
    learnt = run(blocks, x, places, shared)
    with torch.inference_mode():
        drawn = run(blocks, x, places, shared)
    assert torch.allclose(drawn, learnt, atol=1e-4)
