"""The comparison of the frames of two versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.frames import REQUESTS, compare, read
from hinode.clip import Frames


def write(folder: Path, clip: Frames) -> Path:
    folder.mkdir()
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number:04}.png")
    return folder


def test_a_single_value_makes_a_difference(
    tmp_path: Path, frames: Frames, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write(tmp_path / "before", frames)
    changed = frames.copy()
    changed[3, 5, 7, 1] += 1
    cases = {"same": frames, "differs in": changed, "shape was": frames[:-1]}
    for number, (verdict, clip) in enumerate(cases.items()):
        same = compare(before, write(tmp_path / str(number), clip), "a kite")
        assert same == (verdict == "same")
        assert capsys.readouterr().out.startswith(verdict)


def test_the_requests_are_all_different() -> None:
    assert len(set(REQUESTS)) == len(REQUESTS) >= 20


def test_frames_are_read_in_order(tmp_path: Path, frames: Frames) -> None:
    assert np.array_equal(read(write(tmp_path / "clip", frames)), frames)
