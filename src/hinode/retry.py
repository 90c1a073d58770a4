"""How long to wait before another attempt."""

from __future__ import annotations


def backoff(
    failures: int, *, first: float, maximum: float, factor: float = 2.0, jitter: float = 0.0
) -> float:
    """Seconds to wait after failures in a row: `first`, then `factor` times as long each time.

    Args:
        failures: how many there were, at least 1.
        first: seconds after the first failure.
        maximum: the longest wait in seconds, before the jitter.
        factor: growth from one failure to the next.
        jitter: the wait is multiplied by 1 + jitter; a caller passes a random number, such as one between
            -0.25 and 0.25, so that what failed together does not come back together.
    """
    exponent = min(failures - 1, 64)  # 2.0 ** 1024 overflows
    return min(first * factor**exponent, maximum) * (1.0 + jitter)
