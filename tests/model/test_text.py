from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hinode.model.text import FIRST_WORD, NULL, PAD, TextEncoder, Vocabulary, padding_bias

WORDS = ("ball", "blue", "kite", "red", "sea", "the")
KNOWN = Vocabulary(WORDS)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    """With random weights everywhere, also where training starts from zero."""
    torch.manual_seed(3)
    encoder = TextEncoder(len(KNOWN), 64, 2, 48)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return encoder.requires_grad_(False)


def test_every_word_has_a_number_of_its_own() -> None:
    ids = KNOWN.encode(WORDS)
    assert sorted(ids) == list(range(FIRST_WORD, len(KNOWN)))
    assert not {PAD, NULL} & set(ids)


def test_unknown_words_are_left_out_and_order_is_kept() -> None:
    red, kite = KNOWN.encode(["red"]) + KNOWN.encode(["kite"])
    assert KNOWN.encode(["a", "red", "dragon", "kite", "red"]) == [red, kite, red]


@pytest.mark.parametrize("text", [[], ["dragon"], ["", " "]])
def test_a_text_without_a_known_word_is_the_null_text(text: list[str]) -> None:
    assert KNOWN.encode(text) == [NULL]


@given(
    st.lists(st.lists(st.sampled_from([*WORDS, "dragon"]), max_size=60), min_size=1, max_size=5),
    st.sampled_from([8, 20, 48]),
    st.sampled_from([1, 8, 16]),
)
def test_a_batch_holds_every_text_cut_and_padded(texts: list[list[str]], limit: int, multiple: int) -> None:
    batch = KNOWN.batch(texts, limit=limit, multiple=multiple)
    assert batch.dtype == torch.long
    length = batch.shape[1]
    assert batch.shape[0] == len(texts)
    assert length <= limit
    assert length == limit or length % multiple == 0
    for row, text in zip(batch.tolist(), texts, strict=True):
        ids = KNOWN.encode(text)[:limit]
        assert row == ids + [PAD] * (length - len(ids))
    assert (batch[:, max(0, length - multiple) :] != PAD).any()  # no longer than it has to be


def test_padding_changes_nothing(encoder: TextEncoder) -> None:
    texts = [["red", "ball"], ["the", "blue", "kite", "the", "sea"]]
    tight = KNOWN.batch(texts, limit=48, multiple=1)
    loose = torch.nn.functional.pad(tight, (0, 19), value=PAD)
    features, mean = encoder(tight, torch.float32)
    padded, padded_mean = encoder(loose, torch.float32)
    for row, text in enumerate(texts):
        words = len(text)
        assert torch.allclose(features[row, :words], padded[row, :words], atol=1e-5)
        # What stands beside a text does not touch it either.
        alone, alone_mean = encoder(tight[row : row + 1, :words], torch.float32)
        assert torch.allclose(alone[0], features[row, :words], atol=1e-5)
        assert torch.allclose(alone_mean[0], mean[row], atol=1e-5)
        assert torch.allclose(features[row, :words].mean(0), mean[row], atol=1e-5)
    assert torch.allclose(mean, padded_mean, atol=1e-5)


def test_the_order_of_words_matters(encoder: TextEncoder) -> None:
    one, other = KNOWN.batch([["red", "ball", "blue", "kite"], ["blue", "ball", "red", "kite"]], limit=48)
    _, means = encoder(torch.stack((one, other)), torch.float32)
    assert (means[0] - means[1]).abs().max() > 0.05


def test_every_word_hears_the_others(encoder: TextEncoder) -> None:
    texts = [["red", "ball", "the", "sea"], ["red", "ball", "the", "kite"]]
    features, _ = encoder(KNOWN.batch(texts, limit=48), torch.float32)
    assert (features[0, 0] - features[1, 0]).abs().max() > 1e-3


def test_features_come_in_the_type_that_was_asked_for(encoder: TextEncoder) -> None:
    ids = KNOWN.batch([["red", "ball"]], limit=48)
    for dtype in (torch.float32, torch.bfloat16):
        features, mean = encoder(ids, dtype)
        assert features.dtype == mean.dtype == dtype
    assert torch.allclose(mean.float(), encoder(ids, torch.float32)[1], atol=0.05)


def test_the_bias_hides_padding_and_nothing_else() -> None:
    bias = padding_bias(torch.tensor([[5, PAD, PAD], [NULL, 3, 4]]), torch.float32)
    assert bias.shape == (2, 1, 1, 3)
    assert bias.squeeze().tolist() == [[0, -1e4, -1e4], [0, 0, 0]]
