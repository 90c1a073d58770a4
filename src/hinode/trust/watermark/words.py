"""Identities of marks, and the chips of +1 and -1 that stand for them.

Everything random comes from SHAKE-256, whose output is the same in every version of every library.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

ID_BYTES = 16
"""Bytes of an identity: 128 bits."""

PUBLIC_KEY = b"hinode"
"""The key of an installation that sets none: every Hinode reads its marks."""

VARIANTS = 2
"""Patterns of a key. Each clip takes one of them, and one of two signs for its pilot, so that the average of
many clips shows none."""

RADEMACHER = 3.18
"""How many times likelier a sum of random signs exceeds a limit than a normal variable, at most."""

MAX_RATE = 1e-6
"""Probability that a clip without a mark matches one identity, over the whole search."""

MAX_CLIP_RATE = 1e-4
"""Probability that a clip without a mark matches any of the identities that it is compared with."""


def id_of(facts: Mapping[str, object], key: bytes = PUBLIC_KEY) -> bytes:
    """The identity of a clip, from what its signed provenance says: equal facts give equal identities.

    With a key of its own, an installation keeps others from trying out which facts an identity stands for.

    Args:
        facts: values that JSON can hold.
    """
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, b"mark id\0" + text.encode(), "sha256")[:ID_BYTES]


def numbers(count: int, *names: bytes) -> npt.NDArray[np.uint32]:
    """`count` uniform numbers uint32 that depend on the names alone."""
    text = b"".join(len(name).to_bytes(4, "big") + name for name in names)
    return np.frombuffer(hashlib.shake_256(text).digest(4 * count), "<u4")


def chips(id: bytes, key: bytes, count: int) -> Floats:
    """The word of an identity: float32 [count] of +1 and -1, as random as SHAKE-256."""
    data = hashlib.shake_256(b"word" + len(key).to_bytes(4, "big") + key + id).digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[:count]
    return 1 - 2 * bits.astype(np.float32)


def words(ids: Sequence[bytes], key: bytes, count: int) -> Floats:
    """The words of identities, float32 [len(ids), count]."""
    return np.stack([chips(id, key, count) for id in ids]) if ids else np.empty((0, count), np.float32)


def variant_of(id: bytes, key: bytes) -> int:
    """Which of the `VARIANTS` patterns carries an identity."""
    return int(numbers(1, b"variant", key, id)[0]) % VARIANTS


def sign_of(id: bytes, key: bytes) -> float:
    """The sign of the pilot of an identity, +1 or -1."""
    return 1.0 - 2.0 * (int(numbers(1, b"sign", key, id)[0]) & 1)


def min_score(hypotheses: int, rate: float = MAX_RATE) -> float:
    """The score from which on a match counts.

    A score is the sum of chips times values of length 1. For chips that are independent of the values, as
    those of a hash are of a clip without the mark, it exceeds t with at most 3.18 times the probability of a
    normal variable, whatever the values are (Bentkus and Dzindzalieta 2015, theorem 1.1); the probabilities
    of `hypotheses` readings of a clip add up.
    """
    return NormalDist().inv_cdf(1 - rate / (hypotheses * RADEMACHER))
