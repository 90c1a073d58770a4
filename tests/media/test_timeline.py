from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.media.timeline import Timeline, frame_rate, spread

RATES = st.sampled_from([1.0, 8.0, 12.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0])
LENGTHS = st.floats(0.001, 30).map(lambda seconds: round(seconds, 3))


@given(RATES, LENGTHS, st.sampled_from([100, 1000, 90_000]))
def test_a_clip_is_exactly_as_long_as_asked_whatever_the_clock(
    fps: float, seconds: float, ticks: int
) -> None:
    line = Timeline.of(fps, seconds)
    durations = line.durations(ticks)
    assert len(durations) == line.frames
    assert all(duration >= (1 if ticks >= 1000 else 0) for duration in durations)
    # Nearest tick, but the last frame is shown for at least one.
    assert sum(durations) - round(line.seconds * ticks) == (
        0 if durations[-1] > 1 else pytest.approx(0.5, abs=0.5)
    )


@given(RATES, LENGTHS)
def test_no_frame_starts_after_the_end(fps: float, seconds: float) -> None:
    line = Timeline.of(fps, seconds)
    assert line.frames == 1 or Fraction(line.frames - 1) / line.fps < line.seconds
    assert Fraction(line.frames) / line.fps >= line.seconds


@pytest.mark.parametrize(
    ("fps", "seconds", "frames"),
    [(8, 2.0, 16), (8, 0.1, 1), (12, 2.05, 25), (30, 1.0, 30), (23.976, 1.0, 24)],
)
def test_counts_frames(fps: float, seconds: float, frames: int) -> None:
    assert Timeline.of(fps, seconds).frames == frames


def test_broadcast_rates_are_exact() -> None:
    assert frame_rate(23.976) == Fraction(24_000, 1001)
    assert frame_rate(29.97) == Fraction(30_000, 1001)
    assert frame_rate(59.94) == Fraction(60_000, 1001)
    assert frame_rate(24.0) == 24
    assert frame_rate(12.5) == Fraction(25, 2)


def test_rounding_does_not_pile_up() -> None:
    # 12.5 hundredths a frame: 12 and 13 in turn.
    assert Timeline.of(8, 1).durations(100) == [12, 13, 13, 12, 12, 13, 13, 12]


def test_frames_are_held_when_the_rate_rises_and_skipped_when_it_falls() -> None:
    assert list(Timeline.of(16, 0.5).sources(Fraction(8), 16)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(Timeline.of(4, 1).sources(Fraction(8), 16)) == [0, 2, 4, 6]
    assert list(Timeline.of(8, 1).sources(Fraction(8), 5)) == [0, 1, 2, 3, 4, 4, 4, 4]


@given(st.integers(1, 300), st.integers(1, 40))
def test_spread_is_even_and_has_both_ends(total: int, count: int) -> None:
    chosen = spread(total, count)
    assert len(chosen) == min(total, count)
    assert chosen == sorted(set(chosen))
    assert chosen[0] >= 0
    assert chosen[-1] < total
    if count > 1:
        assert (chosen[0], chosen[-1]) == (0, total - 1)
        gaps = [after - before for before, after in pairwise(chosen)]
        assert not gaps or max(gaps) - min(gaps) <= 1
