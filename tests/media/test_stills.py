from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hinode.clip import Frames
from hinode.media.writing.label import Label
from hinode.media.writing.stills import spritesheet, thumbnail, write_pngs


def test_pngs_are_the_frames_themselves(tmp_path: Path, frames: Frames) -> None:
    folder = tmp_path / "clip"
    write_pngs(folder, frames, Label("a balloon", "Made by a test.", {"seed": 7}))
    files = sorted(folder.iterdir())
    assert [file.name for file in files[:2]] == ["0001.png", "0002.png"]
    assert len(files) == 16
    for file, frame in zip(files, frames, strict=True):
        with Image.open(file) as image:
            np.testing.assert_array_equal(np.asarray(image), frame)
            assert image.info["Title"] == "a balloon"
            assert image.info["Comment"] == '{"seed": 7}'


def test_a_folder_of_pngs_is_whole_or_not_there(tmp_path: Path, frames: Frames) -> None:
    def broken() -> object:
        yield frames[0]
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        write_pngs(tmp_path / "clip", broken(), Label())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_thumbnail_is_the_middle_frame_at_exactly_the_size(frames: Frames) -> None:
    assert thumbnail(frames, (320, 180)).size == (320, 180)
    np.testing.assert_array_equal(np.asarray(thumbnail(frames, (64, 36))), frames[8])


@pytest.mark.parametrize("count", [16, 5, 3, 1])
def test_spritesheet_shows_frames_in_reading_order(frames: Frames, count: int) -> None:
    sheet = np.asarray(spritesheet(frames[:count], (64, 36)))
    assert sheet.shape == (4 * 36, 4 * 64, 3)
    tiles = sheet.reshape(4, 36, 4, 64, 3).swapaxes(1, 2).reshape(-1, 36, 64, 3)
    places = [int(np.flatnonzero((frames == tile).all((1, 2, 3)))[0]) for tile in tiles[:count]]
    assert places == list(range(count))
    assert not tiles[count:].any()


def test_spritesheet_of_a_long_clip_spans_it(frames: Frames) -> None:
    longer = np.repeat(frames, 3, axis=0)
    sheet = np.asarray(spritesheet(longer, (64, 36)))
    np.testing.assert_array_equal(sheet[:36, :64], longer[0])
    np.testing.assert_array_equal(sheet[-36:, -64:], longer[-1])
