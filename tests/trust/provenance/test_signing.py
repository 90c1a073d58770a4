from __future__ import annotations

import dataclasses
import hashlib
import socket
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode.clip import Provenance
from hinode.request import Reference, Request, Segment
from hinode.trust.provenance import ingredients, timestamps
from hinode.trust.provenance.authority import Authority, open_authority
from hinode.trust.provenance.ingredients import State
from hinode.trust.provenance.signing import sign
from hinode.trust.provenance.statement import Extent, Ingredient, Relation, Statement, source_type, state_clip
from hinode.trust.verification.check import check_file
from hinode.trust.verification.process import Limits
from hinode.trust.verification.values import State as Verdict
from tests.manifests import read_manifest
from tests.trust.verification.signing import video

SECRET = "a prompt that nobody may read"
STATEMENT = Statement(Extent.ALL, engine="native", model="book", licence="Apache-2.0")


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
    sign(picture, Statement(Extent.ALL, watermark_id="6f1e"), authority)
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
    mark = sign(picture, Statement(Extent.SOME, "edit", ingredients=(item,)), authority)
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


def test_a_large_parent_keeps_its_manifest_and_is_not_read_whole(
    tmp_path: Path, picture: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = tmp_path / "parent.mp4"
    video(parent)
    label = sign(parent, STATEMENT, authority).label
    monkeypatch.setattr(ingredients, "MAX_BYTES", parent.stat().st_size)
    with parent.open("r+b") as file:  # a hole of two gigabytes, which a reader of the whole would choke on
        file.seek(0, 2)
        file.write(struct.pack(">I4sQ", 1, b"mdat", (2 << 30) + 16))
        file.truncate(file.tell() + (2 << 30))
    item = Ingredient("source", "0" * 64, "video/mp4", Relation.PARENT, parent, is_kept=True)
    mark = sign(picture, Statement(Extent.SOME, "edit", ingredients=(item,)), authority)
    assert mark.ingredients[0].state is State.UNCHECKED
    assert mark.ingredients[0].source_type == "trainedAlgorithmicMedia"
    read = read_manifest(picture, authority)
    assert (read.state, read.actions) == ("Trusted", ["c2pa.opened", "c2pa.edited"])
    assert label in read.manifests
    report = check_file(picture, anchors=authority.anchors().decode())
    assert report.verdict is Verdict.TRUSTED
    assert report.manifest is not None
    (seen,) = report.manifest.ingredients
    assert [finding.code for finding in seen.findings] == ["org.hinode.ingredient.unchecked"]


@pytest.mark.parametrize(
    ("program", "state"),
    [("import os; os.abort()", State.INVALID), ("import time; time.sleep(60)", State.UNREAD)],
)
def test_a_parent_whose_reader_crashes_or_hangs_fails_no_file(
    tmp_path: Path,
    picture: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    state: State,
) -> None:
    parent = tmp_path / "parent.png"
    parent.write_bytes(picture.read_bytes())
    sign(parent, STATEMENT, authority)
    child = tmp_path / "child.py"
    child.write_text(program)
    monkeypatch.setattr(ingredients, "CHILD", child)
    if state is State.UNREAD:
        monkeypatch.setattr(ingredients, "LIMITS", Limits(wait_seconds=1))
    item = Ingredient("source", "0" * 64, "image/png", Relation.PARENT, parent, is_kept=True)
    mark = sign(picture, Statement(Extent.SOME, "edit", ingredients=(item,)), authority)
    assert mark.ingredients[0].state is state
    read = read_manifest(picture, authority)
    assert (read.state, len(read.ingredients), len(read.manifests)) == ("Trusted", 1, 1)


def test_the_source_type_follows_from_what_was_drawn_and_what_is_kept() -> None:
    generated, composite = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
    assert source_type(Extent.ALL, []) == generated
    assert source_type(Extent.SOME, [None]) == composite
    assert source_type(Extent.SOME, [generated]) == generated
    assert source_type(Extent.NOTHING, [None]) is None
    assert source_type(Extent.NOTHING, ["digitalCapture"]) is None
    assert source_type(Extent.NOTHING, [generated]) == generated
    assert source_type(Extent.NOTHING, [generated, None]) == composite


@pytest.mark.parametrize("answer", ["refused", "silent"])
def test_a_dead_time_authority_blocks_no_file(
    picture: Path, authority: Authority, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamps, "TRIAL_SECONDS", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answer == "silent":
            listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/tsr"
        mark = sign(picture, STATEMENT, dataclasses.replace(authority, time_authority=address))
    assert mark.awaits_timestamp
    assert read_manifest(picture, authority).state == "Trusted"


def segment(keep: str = "", **more: Any) -> Segment:
    return Segment(1.0, keep=keep, **more)


@pytest.mark.parametrize(
    ("operation", "roles", "segments", "extent", "relations"),
    [
        ("generate", (), (), Extent.ALL, []),
        ("generate", ("first_frame", "character"), (), Extent.ALL, ["inputTo", "inputTo"]),
        ("remix", ("source",), (), Extent.ALL, ["parentOf"]),
        ("edit", ("source",), (), Extent.ALL, ["parentOf"]),
        ("edit", ("source", "mask"), (), Extent.SOME, ["parentOf", "inputTo"]),
        ("extend", ("source",), (), Extent.SOME, ["parentOf"]),
        ("extend", ("source",), (segment("0"), segment()), Extent.SOME, ["parentOf"]),
        ("retake", ("source",), (segment("0"), segment(), segment("0")), Extent.SOME, ["parentOf"]),
        (
            "blend",
            ("source", "source"),
            (segment("0"), segment(), segment("1")),
            Extent.SOME,
            ["parentOf", "componentOf"],
        ),
        ("recut", ("source",), (segment("0"),), Extent.NOTHING, ["parentOf"]),
        ("storyboard", ("source",), (segment("0"),), Extent.NOTHING, ["parentOf"]),
    ],
)
def test_what_was_done_follows_from_the_request(
    operation: str,
    roles: tuple[str, ...],
    segments: tuple[Segment, ...],
    extent: Extent,
    relations: list[str],
) -> None:
    references = tuple(Reference(role, str(number), "video/mp4") for number, role in enumerate(roles))
    request = Request(SECRET, operation=operation, references=references, segments=segments)
    statement = state_clip(request, Provenance("native", "book", 1, 2, (64, 36)))
    assert statement.extent is extent
    assert [item.relation for item in statement.ingredients] == relations
    assert (statement.model == "book") == (extent is not Extent.NOTHING)
    assert SECRET not in repr(statement)
