from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.watermark.attacks import ATTACKS, decoded, encoded
from benchmarks.watermark.contents import FPS, frames
from hinode.clip import Frames, Sound
from hinode.errors import BadInput
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4
from hinode.trust.watermark.detect import SOUND, Match, detect, detect_file
from hinode.trust.watermark.embed import Embedder
from hinode.trust.watermark.laying import State, Watermarking
from hinode.trust.watermark.learned import VideoSeal
from hinode.trust.watermark.sound import embed_sound
from hinode.trust.watermark.words import PUBLIC_KEY, id_of

SIZE = (640, 360)
OTHERS = [id_of({"other": number}) for number in range(200)]


def marked(facts: dict[str, object], pictures: list[Frames]) -> tuple[bytes, list[Frames]]:
    id = id_of(facts)
    embedder = Embedder(id, SIZE)
    return id, [embedder.mark(frame) for frame in pictures]


@pytest.fixture(scope="module")
def pictures() -> list[Frames]:
    return list(frames("natural", 3, SIZE, 16))


def test_a_mark_is_seen_by_its_detector_and_by_nobody_else(pictures: list[Frames]) -> None:
    id, changed = marked({"clip": 1}, pictures)
    error = np.mean((np.stack(changed).astype(float) - np.stack(pictures)) ** 2)
    assert 10 * np.log10(255**2 / error) >= 42
    found = detect(changed, [*OTHERS, id])
    assert [match.id for match in found.matches] == [id]
    assert not detect(changed, [*OTHERS, id], key=b"another key").present
    assert not detect(pictures, [*OTHERS, id]).present
    again = marked({"clip": 1}, pictures)[1]
    assert all(np.array_equal(first, second) for first, second in zip(changed, again, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crop to 50 %", "rotation 3°", "mirror", "phone", "half frame rate"])
def test_a_mark_is_found_after(name: str) -> None:
    id, changed = marked({"clip": 2}, list(frames("natural", 0, SIZE, 2 * FPS)))
    attack = next(attack for attack in ATTACKS if attack.name == name)
    found = detect((frame for _, frame in decoded(encoded(changed, attack, FPS))), [*OTHERS, id])
    assert [match.id for match in found.matches] == [id]
    match = found.matches[0]
    assert match.mirrored == (name == "mirror")
    assert match.scale == pytest.approx(0.707 if "crop" in name else 1, abs=0.02)
    assert abs(match.angle) == pytest.approx(3 if "rotation" in name else 0, abs=0.3)


@pytest.mark.slow
def test_the_mark_of_a_parent_and_a_new_one_are_both_read(pictures: list[Frames]) -> None:
    parent, first = marked({"clip": "parent"}, pictures)
    child, second = marked({"clip": "child"}, first)
    found = detect(second, [*OTHERS, parent, child])
    assert {match.id for match in found.matches} == {parent, child}


@pytest.mark.slow
def test_kept_pixels_stay_as_they_are(pictures: list[Frames]) -> None:
    mask = np.zeros(SIZE[::-1], bool)
    mask[:, 300:] = True
    mark = Watermarking().lay({"clip": 3}, pictures, SIZE, lambda index: mask if index else False)
    changed = list(mark.frames())
    assert np.array_equal(changed[0], pictures[0])
    for before, after in zip(pictures[1:], changed[1:], strict=True):
        assert np.array_equal(before[:, :300], after[:, :300])
        assert not np.array_equal(before[:, 300:], after[:, 300:])
    assert mark.outcome().state is State.MARKED
    assert detect(changed, [mark.id]).has(mark.id)


def test_too_small_an_area_is_said(pictures: list[Frames]) -> None:
    mask = np.zeros(SIZE[::-1], bool)
    mask[:60, :60] = True
    mark = Watermarking().lay({"clip": 4}, pictures, SIZE, lambda index: mask)
    assert all(np.array_equal(before, after) for before, after in zip(pictures, mark.frames(), strict=True))
    assert mark.outcome().as_json() == {"state": "not drawn", "id": None, "sound": False, "score": 0.0}


def test_an_installation_may_lay_none(pictures: list[Frames]) -> None:
    mark = Watermarking(enabled=False).lay({"clip": 5}, pictures, SIZE)
    assert all(np.array_equal(before, after) for before, after in zip(pictures, mark.frames(), strict=True))
    assert mark.outcome().state is State.OFF


@pytest.mark.parametrize(("size", "state"), [((320, 180), State.MARKED), ((32, 32), State.NOT_MARKABLE)])
def test_the_finished_file_is_examined(size: tuple[int, int], state: State, tmp_path: Path) -> None:
    mark = Watermarking().lay({"clip": 6}, frames("natural", 1, size, 16), size)
    path = tmp_path / "clip.mp4"
    timeline = Timeline(Fraction(FPS), Fraction(16, FPS))
    write_mp4(path, mark.frames(), size, timeline, Label())
    outcome = mark.outcome(path)
    assert (outcome.state, outcome.score >= 1) == (state, state is State.MARKED)
    assert detect_file(path, [mark.id]).has(mark.id) == (state is State.MARKED)


def test_a_sound_carries_the_mark_through_another_rate(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = (0.1 * random.normal(size=(2, 3 * 48_000))).clip(-1, 1).astype(np.float32)
    id = id_of({"sound": 1})
    changed, carries = embed_sound(Sound(samples, 48_000), id, PUBLIC_KEY)
    assert carries
    assert changed.samples.shape == samples.shape
    path = tmp_path / "clip.mp4"
    blank = [np.zeros((64, 64, 3), np.uint8)] * 72
    write_mp4(path, blank, (64, 64), Timeline(Fraction(24), Fraction(3)), Label(), changed)
    found = detect_file(path, [*OTHERS, id])
    assert [(match.id, match.carrier) for match in found.matches] == [(id, SOUND)]
    silence, carries = embed_sound(Sound(np.zeros((1, 48_000), np.float32), 48_000), id, PUBLIC_KEY)
    assert not carries
    assert not silence.samples.any()


def test_a_match_in_json() -> None:
    assert Match(b"\1" * 16, 7.123).as_json()["id"] == "01" * 16


def test_a_learned_mark_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the network of VideoSeal is missing"):
        VideoSeal(tmp_path / "videoseal.pt")
    (tmp_path / "damaged.pt").write_bytes(b"x")
    with pytest.raises(BadInput, match="is no TorchScript file"):
        VideoSeal(tmp_path / "damaged.pt")
