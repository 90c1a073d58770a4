"""Words to features: a small vocabulary and a small transformer, trained together with the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from hinode.model.layers import HEAD, Linear, Mlp, attend, rms_norm

PAD = 0
NULL = 1  # stands for "no text": the unconditional branch of guidance, and a prompt without a known word
FIRST_WORD = 2


@dataclass(frozen=True)
class Vocabulary:
    """The words of a model, stored in its checkpoint. Unknown words are left out, not guessed."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words) + FIRST_WORD

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=FIRST_WORD)}

    def encode(self, words: Sequence[str]) -> list[int]:
        """Ids of the known words, in order; [NULL] if there are none."""
        return [self._index[word] for word in words if word in self._index] or [NULL]

    def batch(self, texts: Sequence[Sequence[str]], *, limit: int, multiple: int = 8) -> Tensor:
        """Ids [B, L] of split texts, cut to `limit` words and padded; L is that of the longest text, rounded
        up to a multiple (large ones mean few shapes for compiled graphs)."""
        rows = [self.encode(text)[:limit] for text in texts]
        length = min(limit, -(-max(map(len, rows)) // multiple) * multiple)
        return torch.tensor([row + [PAD] * (length - len(row)) for row in rows], dtype=torch.long)


class TextBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width, zero=True)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        qkv = self.qkv(rms_norm(x)).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # (B, heads, L, 64)
        x = x + self.out(attend(rms_norm(q), rms_norm(k), v, bias).transpose(1, 2).flatten(2))
        out: Tensor = x + self.mlp(rms_norm(x))
        return out


class TextEncoder(nn.Module):
    """ids [B, L] -> features [B, L, D] and their mean over real words [B, D]."""

    def __init__(self, vocabulary: int, width: int, depth: int, words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(words, width) * 0.1)
        self.blocks = nn.ModuleList(TextBlock(width) for _ in range(depth))

    def forward(self, ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        x = (self.embed(ids) + self.positions[: ids.shape[1]]).to(dtype)
        bias = padding_bias(ids, dtype)
        for block in self.blocks:
            x = block(x, bias)
        x = rms_norm(x)
        weight = (ids != PAD).to(dtype)[..., None]
        return x, (x * weight).sum(1) / weight.sum(1)


def padding_bias(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive attention bias [B, 1, 1, L]: 0 for words, a large negative number for padding."""
    bias = torch.zeros(ids.shape, dtype=dtype, device=ids.device).masked_fill(ids == PAD, -1e4)
    return bias[:, None, None, :]


def null_text(ids: Tensor) -> Tensor:
    """The null text in the shape of `ids` [B, L]."""
    null = torch.full_like(ids, PAD)
    null[:, 0] = NULL
    return null
