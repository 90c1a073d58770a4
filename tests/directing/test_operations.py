"""What people write about videos, read."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hinode.directing import operations
from hinode.errors import BadInput


@pytest.mark.parametrize(
    ("text", "fps", "seconds"),
    [
        ("1.5", None, 1.5),
        ("0:01.5", None, 1.5),
        ("1:02:03", None, 3723.0),
        ("00:00:01:12", Fraction(24), 1.5),
        ("36f", Fraction(24), 1.5),
        ("00:00:01:00", Fraction(24000, 1001), 1.001),
        ("00:10:00;00", Fraction(30000, 1001), 599.9994),
        ("00:01:00;02", Fraction(30000, 1001), 1800 * 1001 / 30000),
    ],
)
def test_moments(text: str, fps: Fraction | None, seconds: float) -> None:
    assert operations.parse_moment(text, "from", fps) == pytest.approx(seconds, abs=1e-4)
    assert operations.parse_span(f"0-{text}", "keep", fps) == (0, operations.parse_moment(text, "to", fps))


@pytest.mark.parametrize(
    ("text", "fps", "says"),
    [
        ("soon", None, "from 'soon' is no moment; write seconds"),
        ("12f", None, "counts frames, and the video does not say its rate"),
        ("00:00:01:24", Fraction(24), "has the frame 24 of a second of 24; give 0 to 23"),
    ],
)
def test_what_is_no_moment_is_one_sentence(text: str, fps: Fraction | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        operations.parse_moment(text, "from", fps)
