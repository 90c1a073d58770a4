from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.engines.native import catalog
from tests.tiny_reader import write_reader

from .conftest import Run


def test_a_picture_and_a_video_are_described(run: Run, tmp_path: Path) -> None:
    write_reader(catalog.shipped() / "reader.safetensors")
    pixels = np.random.default_rng(1).integers(0, 255, (4, 36, 64, 3), np.uint8)
    pictures = [Image.fromarray(frame) for frame in pixels]
    pictures[0].save(tmp_path / "one.png")
    pictures[0].save(tmp_path / "four.gif", save_all=True, append_images=pictures[1:], duration=100)
    for name in ("one.png", "four.gif"):
        result = run("describe", str(tmp_path / name))
        assert result.exit_code == 0, result.stderr
        assert "; camera " in result.stdout
    answer = json.loads(run("describe", str(tmp_path / "four.gif"), "--json").stdout)
    assert answer["plan"]["seconds"] == 0.4
    assert answer["description"] in run("describe", str(tmp_path / "four.gif")).stdout


def test_what_cannot_be_described_is_refused_in_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("words")
    for name in ("words.mp4", "nothing.mp4", "."):
        result = run("describe", str(tmp_path / name))
        assert result.exit_code == 2
        assert result.stderr.startswith("error: file ")
        assert result.stderr.count("\n") == 1


def test_without_weights_the_remedy_is_named(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (64, 36)).save(tmp_path / "one.png")
    result = run("describe", str(tmp_path / "one.png"))
    assert result.exit_code == 1
    assert "reader.safetensors" in result.stderr
