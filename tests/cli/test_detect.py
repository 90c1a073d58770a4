from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.trust.watermark.embed import Embedder
from hinode.trust.watermark.words import id_of

from .conftest import Run


def test_the_mark_of_a_picture_is_found(run: Run, tmp_path: Path) -> None:
    plain = np.random.default_rng(1).integers(60, 190, (180, 320, 3), np.uint8)
    id = id_of({"clip": 1})
    Image.fromarray(plain).save(tmp_path / "plain.png")
    Image.fromarray(Embedder(id, (320, 180)).mark(plain)).save(tmp_path / "marked.png")
    answer = run("detect", str(tmp_path / "marked.png"), "--id", id.hex(), "--json")
    assert [match["id"] for match in json.loads(answer.stdout)["matches"]] == [id.hex()]
    assert run("detect", str(tmp_path / "plain.png"), "--id", id.hex()).stdout == "no mark\n"


def test_what_cannot_be_examined_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("words")
    for words in (["words.mp4"], ["words.mp4", "--id", "12"]):
        result = run("detect", str(tmp_path / words[0]), *words[1:])
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
