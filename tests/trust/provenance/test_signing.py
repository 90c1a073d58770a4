from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hinode.trust.provenance.authority import Authority, open_authority
from hinode.trust.provenance.ingredients import State
from hinode.trust.provenance.signing import sign
from hinode.trust.provenance.statement import Drawn, Ingredient, Relation, Statement, source_type
from tests.manifests import read_manifest

STATEMENT = Statement(Drawn.ALL, engine="native", model="book", licence="Apache-2.0")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.tiff"])
def test_a_file_of_any_format_is_signed(
    tmp_path: Path, picture: Path, authority: Authority, name: str
) -> None:
    path = tmp_path / name
    Image.open(picture).save(path)
    mark = sign(path, STATEMENT, authority)
    read = read_manifest(path, authority)
    assert (read.state, read.label, read.actions) == ("Trusted", mark.label, ["c2pa.created"])
    assert read.source_types == {"trainedAlgorithmicMedia"}
    assert read.assertion("org.hinode.generation")["model"] == "book"
    assert (mark.sidecar is not None) == (name == "a.tiff")
    assert mark.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_watermark_is_bound(picture: Path, authority: Authority) -> None:
    sign(picture, Statement(Drawn.ALL, watermark_id="6f1e"), authority)
    read = read_manifest(picture, authority)
    assert read.state == "Trusted"
    assert read.actions == ["c2pa.created", "c2pa.watermarked.bound"]
    assert read.assertion("c2pa.soft-binding")["blocks"][0]["value"] == "6f1e"


@pytest.mark.parametrize("fault", ["none", "tampered", "untrusted", "unsigned", "missing"])
def test_the_faults_of_a_parent_are_reported_and_its_manifest_is_kept(
    tmp_path: Path, picture: Path, authority: Authority, fault: str
) -> None:
    parent = tmp_path / "parent.png"
    parent.write_bytes(picture.read_bytes())
    others = open_authority(tmp_path / "others")
    label = ""
    if fault != "unsigned":
        label = sign(parent, STATEMENT, others if fault == "untrusted" else authority).label
    if fault == "tampered":
        content = bytearray(parent.read_bytes())
        content[-30] ^= 1
        parent.write_bytes(content)
    if fault == "missing":
        parent.unlink()
    item = Ingredient("source", "0" * 64, "image/png", Relation.PARENT, parent, is_kept=True)
    mark = sign(picture, Statement(Drawn.SOME, "edit", ingredients=(item,)), authority)
    states = {
        "none": State.TRUSTED,
        "tampered": State.INVALID,
        "untrusted": State.UNTRUSTED,
        "unsigned": State.NONE,
        "missing": State.UNREAD,
    }
    assert mark.ingredients[0].state is states[fault]
    read = read_manifest(picture, authority)
    assert read.state == "Trusted"
    assert read.actions == ["c2pa.opened", "c2pa.edited"]
    assert read.ingredients[0]["relationship"] == "parentOf"
    if fault not in ("unsigned", "missing"):
        assert label in read.manifests


def test_the_source_type_follows_from_what_was_drawn_and_what_is_kept() -> None:
    generated, composite = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
    assert source_type(Drawn.ALL, []) == generated
    assert source_type(Drawn.SOME, [None]) == composite
    assert source_type(Drawn.SOME, [generated]) == generated
    assert source_type(Drawn.NOTHING, [None]) is None
    assert source_type(Drawn.NOTHING, ["digitalCapture"]) is None
    assert source_type(Drawn.NOTHING, [generated]) == generated
    assert source_type(Drawn.NOTHING, [generated, None]) == composite
