from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hinode.directing.windows import split


@given(
    frames=st.integers(1, 600),
    maximum=st.integers(3, 121),
    context=st.integers(1, 16),
    before=st.integers(0, 40),
    after=st.integers(0, 40),
)
def test_windows_cover_a_segment_and_overlap(
    frames: int, maximum: int, context: int, before: int, after: int
) -> None:
    assume(maximum > 2 * context)
    windows = split(2, frames, maximum, context, before=before, after=after)
    backward = min(before, context) == 0 and after > 0
    ordered = windows[::-1] if backward else windows
    assert ordered[0].start == 0
    assert sum(window.new for window in windows) == frames
    for earlier, later in pairwise(ordered):
        assert later.start == earlier.start + earlier.new
    for window in windows:
        assert window.segment == 2
        assert window.new > 0
        assert window.frames <= maximum
    assert ordered[0].head == min(before, context)
    assert ordered[-1].tail == min(after, context)
    # Every joint between two windows is known to the one that is drawn later.
    for window in windows[1:]:
        assert (window.tail if backward else window.head) == context


def test_windows_are_of_about_one_length() -> None:
    assert [window.new for window in split(0, 40, 33, 9, before=0, after=0)] == [20, 20]


def test_as_few_windows_as_can_be() -> None:
    assert len(split(0, 33, 33, 9, before=0, after=0)) == 1
    assert len(split(0, 34, 33, 9, before=0, after=0)) == 2
    assert len(split(0, 24, 33, 9, before=9, after=0)) == 1


def test_a_network_that_draws_too_little_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        split(0, 10, 6, 3, before=0, after=0)
