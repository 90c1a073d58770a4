from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from hinode.clip import Frames
from hinode.errors import BadInput
from hinode.media.timeline import Timeline
from hinode.media.writing import formats
from hinode.media.writing.label import Label

LINE = Timeline.of(8, 2)


@pytest.mark.parametrize(
    ("named", "path", "kind"),
    [
        (None, None, "mp4"),
        (None, "clip", "mp4"),
        (None, "clip.GIF", "gif"),
        ("gif", None, "gif"),
        ("gif", "clip", "gif"),
        ("png", "frames", "png"),
        ("webp", "v1.5", "webp"),
    ],
)
def test_the_format_follows_from_its_name_or_the_path(named: str | None, path: str | None, kind: str) -> None:
    assert formats.choose(named, Path(path) if path else None) == kind


@pytest.mark.parametrize(
    ("named", "path", "field", "says"),
    [
        ("avi", None, "format", "mp4, gif, webp or png"),
        (None, "clip.avi", "output", ".mp4, .gif, .webp or .png"),
        ("gif", "clip.mp4", "output", "make them agree"),
    ],
)
def test_what_is_unknown_or_contradicts_itself(
    named: str | None, path: str | None, field: str, says: str
) -> None:
    with pytest.raises(BadInput) as caught:
        formats.choose(named, Path(path) if path else None)
    assert caught.value.field == field
    assert says in str(caught.value)


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_every_format_is_written(tmp_path: Path, frames: Frames, kind: str) -> None:
    path = tmp_path / "clip"
    formats.check(kind, path, (64, 36), LINE.fps)
    formats.write(kind, path, frames, (64, 36), LINE, Label("a balloon"))
    assert [file.name for file in tmp_path.iterdir()] == ["clip"]
    start = (path / "0001.png" if kind == "png" else path).read_bytes()[:12]
    magic = {"mp4": b"ftyp", "gif": b"GIF89a", "webp": b"WEBP", "png": b"\x89PNG"}
    assert magic[kind] in start


def test_what_a_format_cannot_hold_is_known_before(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="even"):
        formats.check("mp4", tmp_path / "clip.mp4", (63, 36), LINE.fps)
    with pytest.raises(BadInput, match="50 or fewer"):
        formats.check("gif", tmp_path / "clip.gif", (63, 36), Fraction(60))
    formats.check("gif", tmp_path / "clip.gif", (63, 36), LINE.fps)
