from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hinode.model import fast, layers
from hinode.model.dit import MODALITIES, DiT, DiTConfig, Stream, gather, rope_table, run, scatter
from hinode.model.layers import rotate
from hinode.model.text import PAD
from hinode.training.cost import flops
from tests.tiny_model import tiny_config

TINY = tiny_config(20, width=128, depth=2)


def random_model(config: DiTConfig) -> DiT:
    """A network with random weights of a usual size, also where training starts from zero."""
    torch.manual_seed(4)
    model = DiT(config)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and not name.endswith(".modulation"):
            torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> DiT:
    return random_model(TINY)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latents(batch: int = 1, frames: int = 3, rows: int = 4, columns: int = 4, seed: int = 0) -> Tensor:
    return noise(batch, frames, rows, columns, TINY.tokenizer.channels, seed=seed)


def levels(*values: float) -> Tensor:
    return torch.tensor([values])


TEXT = torch.tensor([[5, 9, 3, PAD]])
TEXTS = torch.tensor([[5, 9, 3, PAD], [7, PAD, PAD, PAD]])


@torch.no_grad()
def answer(model: DiT, z: Tensor, t: Tensor | None = None, ids: Tensor = TEXT, fps: float = 8.0) -> Tensor:
    t = torch.full(z.shape[:2], 0.4) if t is None else t
    out: Tensor = model(z, t, model.encode_text(ids.expand(len(z), -1)), fps)
    return out


@pytest.mark.parametrize(
    ("frames", "rows", "columns"), [(1, 4, 4), (1, 8, 14), (3, 4, 4), (5, 2, 6), (3, 6, 2), (2, 8, 8)]
)
def test_answers_images_and_videos_of_any_aspect_in_kind(
    model: DiT, frames: int, rows: int, columns: int
) -> None:
    z = latents(2, frames, rows, columns)
    out = answer(model, z)
    assert out.shape == z.shape
    assert out.dtype == torch.float32
    assert out.std() > 0.1
    assert not out.isnan().any()


def test_an_untrained_network_predicts_grey() -> None:
    torch.manual_seed(0)
    fresh = DiT(TINY)
    assert torch.equal(answer(fresh, latents(2)), torch.zeros(2, 3, 4, 4, TINY.tokenizer.channels))


def test_every_weight_can_learn() -> None:
    """No part of the network is left out of the computation."""
    model = random_model(dataclasses.replace(TINY, control=True)).requires_grad_(True)
    z = latents(2)
    ids = torch.tensor([[5, 9, 3, PAD], [2, 4, 6, 8]])
    out = model(z, torch.rand(2, 3), model.encode_text(ids), 8.0, noise(2, 3, 4, 4, 11))
    torch.autograd.backward(out.square().mean())
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_every_frame_has_a_noise_level_of_its_own(model: DiT) -> None:
    z = latents()
    plain = answer(model, z, levels(0.4, 0.4, 0.4))
    for frame in range(3):
        values = [0.4, 0.4, 0.4]
        values[frame] = 0.9
        changed = (answer(model, z, levels(*values)) - plain).abs().amax((0, 2, 3, 4))
        assert changed[frame] == changed.max()
        assert changed.min() > 1e-4  # attention carries it to the others


def test_frames_look_at_each_other(model: DiT) -> None:
    z = latents()
    later = z.clone()
    later[:, 2, 3, 3] = 0.0
    difference = (answer(model, later) - answer(model, z)).abs().amax((0, 4))
    assert difference[0, 0, 0] > 1e-4


def test_the_words_the_rate_and_the_place_matter(model: DiT) -> None:
    z = latents()
    plain = answer(model, z)
    for other in (
        answer(model, z, ids=torch.tensor([[5, 10, 3, PAD]])),
        answer(model, z, ids=torch.tensor([[9, 5, 3, PAD]])),
        answer(model, z, fps=12.0),
    ):
        assert (other - plain).abs().max() > 0.01
    # Up is not down: a picture turned over gives another answer than the answer turned over.
    assert (answer(model, z.flip(2)).flip(2) - plain).abs().max() > 0.01
    assert (answer(model, z.flip(3)).flip(3) - plain).abs().max() > 0.01


def test_padding_of_the_text_changes_nothing(model: DiT) -> None:
    z = latents()
    tight = answer(model, z, ids=torch.tensor([[5, 9, 3]]))
    for padding in (1, 5, 21):
        loose = torch.nn.functional.pad(torch.tensor([[5, 9, 3]]), (0, padding), value=PAD)
        assert torch.allclose(answer(model, z, ids=loose), tight, atol=1e-4)


def test_a_clip_is_answered_by_itself_whatever_stands_beside_it(model: DiT) -> None:
    z = latents(3)
    ids = torch.tensor([[5, 9, 3, PAD], [7, PAD, PAD, PAD], [2, 3, 4, 5]])
    t = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        condition = model.encode_text(ids)
        together = model(z, t, condition, 8.0)
        for row in range(3):
            one = slice(row, row + 1)
            alone = model(z[one], t[one], condition[one], 8.0)
            assert torch.allclose(alone, together[one], atol=1e-4)
            assert torch.allclose(answer(model, z[one], t[one], ids[one]), together[one], atol=1e-4)


def attention_inputs(keys: int, bias_keys: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q, k, v = noise(2, 3, 40, 64), noise(2, 3, keys, 64, seed=1), noise(2, 3, keys, 64, seed=2)
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


def test_streams_attend_to_each_other_as_one_sequence(model: DiT) -> None:
    x, shared = noise(1, 3, 8, 128), noise(1, 3, 6, 128, seed=1)
    places = noise(3, 8, 3, seed=2)
    condition = model.encode_text(TEXT)
    prefixes = condition.prefixes[1:3]
    (together,) = run(model.coarse, [Stream("video", x, places)], shared, prefixes, condition.bias)
    parts = [
        Stream(modality, x[:, :, rows], places[:, rows])
        for modality, rows in zip(MODALITIES, (slice(4), slice(4, 6), slice(6, 8)), strict=True)
    ]
    apart = run(model.coarse, parts, shared, prefixes, condition.bias)
    assert [part.shape[2] for part in apart] == [4, 2, 2]
    assert torch.allclose(torch.cat(apart, 2), together, atol=1e-4)


@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_merging_neighbours_can_be_undone(batch: int, frames: int, rows: int, columns: int) -> None:
    x = noise(batch, frames, 4 * rows * columns, 5)
    joined = gather(x, 2 * columns)
    assert joined.shape == (batch, frames, rows * columns, 20)
    assert torch.equal(scatter(joined, 2 * columns), x)


def test_what_is_merged_are_the_four_patches_of_a_square() -> None:
    numbers = torch.arange(4 * 6).view(1, 1, 24, 1)  # 4 rows of 6 columns
    assert gather(numbers, 6)[0, 0].tolist()[1] == [2, 3, 8, 9]
    assert gather(numbers, 6)[0, 0].tolist()[5] == [16, 17, 22, 23]


def test_rotary_positions_are_relative() -> None:
    q, k = noise(1, 1, 1, 64), noise(1, 1, 1, 64, seed=1)

    def score(at: list[float], other: list[float]) -> float:
        table = [rope_table(torch.tensor([[place]]), torch.float32) for place in (at, other)]
        return float((rotate(q, table[0]) * rotate(k, table[1])).sum())

    plain = score([1.0, 0.2, -0.3], [0.5, 0.1, 0.4])
    for seconds, y, x in ((0.7, 0.0, 0.0), (0.0, 0.31, 0.0), (0.0, 0.0, -0.2), (2.0, 0.5, 0.9)):
        moved = score([1.0 + seconds, 0.2 + y, -0.3 + x], [0.5 + seconds, 0.1 + y, 0.4 + x])
        assert moved == pytest.approx(plain, abs=1e-3)
    for apart in ([1.4, 0.2, -0.3], [1.0, 0.5, -0.3], [1.0, 0.2, 0.1]):
        assert abs(score(apart, [0.5, 0.1, 0.4]) - plain) > 0.1


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(1, 64, 64), (17, 64, 64), (9, 64, 112), (33, 32, 32)]
)
def test_flops_are_what_a_counter_counts(frames: int, height: int, width: int) -> None:
    model = DiT(DiTConfig(vocabulary=300, depth=4)).requires_grad_(False)
    tokenizer = model.config.tokenizer
    z = tokenizer.encode(noise(1, frames, 3, height, width))
    ids = torch.ones(1, 24, dtype=torch.long)
    # The counter does not know torch's fused attention on CPUs.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(z, torch.zeros(z.shape[:2]), model.encode_text(ids), 8.0)
    counted = counter.get_total_flops()
    assert flops(model.config, frames, height, width, 24) == pytest.approx(counted, rel=0.04)


def test_bfloat16_says_nearly_the_same_in_float32(model: DiT) -> None:
    z = latents()
    exact = answer(model, z)
    model.compute = torch.bfloat16
    try:
        rough = answer(model, z)
    finally:
        model.compute = torch.float32
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.05 * exact.abs().mean()


@pytest.mark.parametrize("name", ["fine_width", "width", "text_width"])
def test_a_width_that_no_head_fits_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 100; it must be a multiple of 64"):
        dataclasses.replace(TINY, **{name: 100})


def test_counts_its_parameters(model: DiT) -> None:
    assert model.parameters_count() == sum(len(p.flatten()) for p in model.state_dict().values())


def test_a_clip_may_stand_once_for_several_texts(model: DiT) -> None:
    z, condition = latents(1), model.encode_text(TEXTS)
    t = torch.full((len(TEXTS), z.shape[1]), 0.4)
    with torch.inference_mode():
        apart = model(z.repeat(len(TEXTS), 1, 1, 1, 1), t, condition, 8.0)
        assert torch.allclose(model(z, t, condition, 8.0), apart, atol=1e-5)


def test_drawing_and_training_see_the_same_network() -> None:
    network, z = random_model(TINY).requires_grad_(), latents(1)
    with torch.inference_mode():
        drawn = network(z, torch.zeros(z.shape[:2]), network.encode_text(TEXTS[:1]), 8.0)
    learnt = network(z, torch.zeros(z.shape[:2]), network.encode_text(TEXTS[:1]), 8.0)
    assert torch.allclose(drawn, learnt, atol=1e-4)
    learnt.square().mean().backward()
    assert network.embed.weight.grad is not None
