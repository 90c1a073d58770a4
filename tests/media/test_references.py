"""The files behind references: what they are is said by where they come from, not by themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.media import references
from hinode.request import SOURCE, Reference


def source(path: Path) -> Reference:
    return Reference(SOURCE, "0" * 64, "video/mp4", path=str(path))


def write(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height = 64, 36
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24")
        for _ in range(4):
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def test_a_list_of_videos_opens_none(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mp4")
    assert references.rate(source(film)) == 8
    assert len(list(references.iter_frames(source(film), Fraction(8)))) == 4
    playlist = tmp_path / "list.mp4"
    playlist.write_text("ffconcat version 1.0\nfile film.mp4\n")
    with pytest.raises(BadInput, match="cannot be read"):
        references.rate(source(playlist))
    with pytest.raises(BadInput, match="cannot be read"):
        list(references.iter_frames(source(playlist), Fraction(8)))
