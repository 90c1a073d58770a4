"""The files behind references: what they are is said by where they come from, not by themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hinode.clip import Frames
from hinode.errors import BadInput
from hinode.media.reading import references
from hinode.media.reading.decode import Picture, VideoFile
from hinode.media.reading.references import FrameReader, save_frames, save_picture
from hinode.request import FIRST_FRAME, SOURCE, Reference

FPS = Fraction(8)
SIZE = (64, 36)


@pytest.fixture
def source(frames: Frames, tmp_path: Path) -> Reference:
    """The sixteen frames of `frames` at 8 per second."""
    return save_frames(frames, FPS, SOURCE, tmp_path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by a number for each picture that is decoded."""
    count: list[int] = []
    pictures = VideoFile.__iter__

    def counted(file: VideoFile) -> Iterator[Picture]:
        for picture in pictures(file):
            count.append(len(count))
            yield picture

    monkeypatch.setattr(VideoFile, "__iter__", counted)
    return count


def test_frames_come_back_bit_for_bit(source: Reference, frames: Frames, tmp_path: Path) -> None:
    assert np.array_equal(np.stack(list(references.iter_frames(source, FPS))), frames)
    assert (references.rate(source), references.seconds(source)) == (8, 2)
    assert save_frames(frames, FPS, SOURCE, tmp_path) == source
    assert save_frames(frames, Fraction(9), SOURCE, tmp_path).digest != source.digest
    picture = save_picture(frames[3], FIRST_FRAME, tmp_path, at=0.5)
    assert (picture.role, picture.media_type, picture.at) == (FIRST_FRAME, "image/png", 0.5)
    assert np.array_equal(np.asarray(references.picture(picture)), frames[3])
    assert np.array_equal(next(references.iter_frames(picture, FPS)), frames[3])


def test_a_reader_holds_the_first_frame_and_the_last(source: Reference, frames: Frames) -> None:
    reader = FrameReader(source, FPS, SIZE)
    assert np.array_equal(reader.read(0.5, 4), frames[4:8])
    assert np.array_equal(reader.read(-0.25, 4), frames[[0, 0, 0, 1]])
    assert np.array_equal(reader.read(1.75, 4), frames[[14, 15, 15, 15]])
    assert np.array_equal(FrameReader(source, FPS, SIZE, start=1.0).frame(2), frames[10])
    slower = FrameReader(source, Fraction(4), SIZE)
    assert np.array_equal(slower.read(0.5, 4), frames[[4, 6, 8, 10]])
    assert FrameReader(source, FPS, (32, 18)).frame(0).shape == (18, 32, 3)


def test_a_picture_is_shown_for_ever(frames: Frames, tmp_path: Path) -> None:
    reader = FrameReader(save_picture(frames[5], SOURCE, tmp_path), FPS, SIZE)
    assert np.array_equal(reader.read(100.0, 2), frames[[5, 5]])


def test_reading_in_order_decodes_a_video_once(source: Reference, decoded: list[int]) -> None:
    reader = FrameReader(source, FPS, SIZE)
    for start in (0.0, 0.5, 1.0, 1.5):
        reader.read(start, 4)
    assert len(decoded) == 16
    reader.read(0.0, 4)  # from the beginning again
    assert len(decoded) <= 16 + 5


def test_a_list_of_videos_opens_none(source: Reference, tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {Path(source.path).name}\n")
    for read in (references.rate, references.seconds, lambda file: list(references.iter_frames(file, FPS))):
        with pytest.raises(BadInput, match="cannot be read") as caught:
            read(dataclasses.replace(source, path=str(playlist)))
        assert caught.value.field == SOURCE


def test_a_missing_file_and_a_video_without_frames_are_one_sentence(
    source: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="does not exist any more; send it again"):
        references.rate(dataclasses.replace(source, path="/missing.mp4"))
    monkeypatch.setattr(VideoFile, "__iter__", lambda file: iter(()))
    with pytest.raises(BadInput, match="cannot be read"):
        FrameReader(source, FPS, SIZE).frame(0)
