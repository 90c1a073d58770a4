"""Token buckets: requests a minute of a key."""

from __future__ import annotations

import pytest

from hinode.api.limits import Buckets


def test_a_bucket_fills_up_evenly() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    assert [buckets.take("a", 60).remaining for _ in range(60)] == list(range(59, -1, -1))
    rejection = buckets.take("a", 60)
    assert rejection.wait == pytest.approx(1.0)
    assert buckets.take("b", 60).wait == 0
    now = 1.0
    assert buckets.take("a", 60).wait == 0
    assert buckets.take("a", 60).wait == pytest.approx(1.0)
    now = 1e9
    assert buckets.take("a", 60).remaining == 59


def test_a_bucket_never_lets_more_pass_than_its_rate() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    passed = 0
    for step in range(6000):
        now = step * 0.05  # five minutes
        passed += not buckets.take("a", 30).wait
    assert passed == 30 + 5 * 30 - 1 or passed == 30 + 5 * 30
