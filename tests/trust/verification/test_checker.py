"""A second checker, which is written from the specification alone, is of the same opinion."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from pathlib import Path

import pytest
from cryptography import x509

from hinode.trust.provenance.authority import open_authority
from hinode.trust.provenance.signing import sign
from hinode.trust.provenance.statement import Extent, Ingredient, Relation, Statement
from hinode.trust.verification.values import State
from tests.trust.verification import checker
from tests.trust.verification.checker import Refused
from tests.trust.verification.conftest import Check
from tests.trust.verification.signing import Studio, box, find_box, flip, video


@pytest.fixture
def roots(studio: Studio) -> list[x509.Certificate]:
    return [studio.root[1]]


def test_it_accepts_what_we_accept(
    check: Check, studio: Studio, signed: bytes, other: bytes, roots: list[x509.Certificate], tmp_path: Path
) -> None:
    remix = studio.sign(other, parent=signed)
    twice = studio.sign(other, parent=remix)
    fragments = studio.sign(video(tmp_path / "fragments.mp4", fragmented=True))
    for data, count in ((signed, 1), (remix, 2), (twice, 3), (fragments, 1)):
        report = check(data)
        assert report.manifest is not None
        assert report.verdict is State.TRUSTED
        assert checker.check(data, roots) == report.manifest.labels()
        assert len(report.manifest.labels()) == count


def test_it_accepts_what_hinode_signs(check: Check, tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "home")
    source, clip = tmp_path / "source.mp4", tmp_path / "clip.mp4"
    video(source)
    sign(source, Statement(Extent.ALL, engine="native", model="book"), authority)
    video(clip, 20)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    parent = Ingredient("source", digest, "video/mp4", Relation.PARENT, source)
    statement = Statement(Extent.ALL, "remix", engine="native", model="book", ingredients=(parent,))
    sign(clip, statement, authority)
    labels = checker.check(clip.read_bytes(), x509.load_pem_x509_certificates(authority.anchors()))
    report = check(clip.read_bytes(), anchors=authority.anchors().decode())
    assert report.manifest is not None
    assert report.verdict is State.TRUSTED
    assert labels == report.manifest.labels()
    assert len(labels) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: flip(data, find_box(data, b"mdat") + 40), "the file was changed"),
        (lambda data: flip(data, find_box(data, b"moov") + 60), "the file was changed"),
        (lambda data: flip(data, data.index(b"prompt_guided")), "ai-disclosure was changed"),
        (lambda data: flip(data, data.index(b"dc:title") + 10), "does not fit the claim"),
        (lambda data: data + box(b"uuid", bytes(24)), "the file was changed"),
        (lambda data: data + b"raw bytes", "larger than the file"),
        (lambda data: data[:-100], "larger than the file"),
        (lambda data: data.replace(b"jumb", b"jumx", 1), "no store of manifests"),
    ],
)
def test_it_refuses_what_was_changed(
    signed: bytes, roots: list[x509.Certificate], change: object, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        checker.check(change(signed), roots)  # type: ignore[operator]


def test_it_refuses_others(
    plain: bytes, signed: bytes, stranger: Studio, roots: list[x509.Certificate]
) -> None:
    with pytest.raises(Refused, match="0 boxes with manifests"):
        checker.check(plain, roots)
    with pytest.raises(Refused, match="the signer is not known"):
        checker.check(stranger.sign(plain), roots)
    with pytest.raises(Refused, match="not valid at this time"):
        checker.check(signed, roots, dt.datetime.now(dt.UTC) + dt.timedelta(days=400))


def test_both_checkers_agree_on_single_bits(
    check: Check, signed: bytes, roots: list[x509.Certificate]
) -> None:
    """What this checker accepts is trusted; what it alone refuses has another bit in the names of the boxes
    of the record, which no signature covers and which the library passes over."""
    chance = random.Random(7)
    start = find_box(signed, b"uuid")
    end = find_box(signed, b"moov") - 8
    for _ in range(8):
        at = chance.randrange(len(signed))
        changed = flip(signed, at)
        is_trusted = check(changed).verdict is State.TRUSTED
        try:
            checker.check(changed, roots)
            assert is_trusted
        except (Refused, KeyError, ValueError, TypeError):
            assert not is_trusted or start <= at < end
