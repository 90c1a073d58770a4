"""The sound of a clip from another server: kept, left out, or required."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode import pipeline
from hinode.clip import Sound
from hinode.engines.remote.upstreams import read
from hinode.errors import BadInput, EngineError
from tests.engines.remote.fleet import MODEL, Fleet, steps
from tests.engines.remote.stubs import Stub
from tests.marking import MARKING
from tests.sounds import clicks, correlation, read_sound, tone

SOUND = "sound = true\n"


def add_with_sound(fleet: Fleet, dialect: str = "openai", rate: int = 24000, **settings: Any) -> Stub:
    stub = fleet.add(dialect, **settings)
    stub.sound = Sound(tone(1.0, rate, clicks=(0.5,)), rate)
    return stub


@pytest.mark.parametrize("dialect", ["hinode", "openai", "sglang", "vllm-omni", "fastvideo", "localai"])
def test_sound_is_kept_as_it_is(fleet: Fleet, dialect: str, tmp_path: Path) -> None:
    stub = add_with_sound(fleet, dialect)
    run = fleet.start()
    steps(run)
    clip = run.clip()
    assert clip.sound is not None
    assert (clip.sound.rate, clip.sound.samples.shape) == (24000, (2, 24000))
    assert "sound" not in stub.creations()[0].fields  # the request does not mention it
    own_seed = ", with a seed of its own" if dialect == "openai" else ""
    assert clip.provenance.read_as == f"made by s1 with Wan-AI/Wan2.1{own_seed}"
    pipeline.finish(run.request, clip, tmp_path / "clip.mp4", "mp4", marking=MARKING)
    samples, rate = read_sound(tmp_path / "clip.mp4")
    assert clicks(samples, rate) == pytest.approx([0.5], abs=0.001)
    assert correlation(samples, tone(1.0, 24000, clicks=(0.5,))) > 0.95


@pytest.mark.parametrize("dialect", ["sglang", "vllm-omni"])
@pytest.mark.parametrize("sound", [None, True, False])
def test_a_server_that_is_silent_by_itself_is_asked_for_sound(
    fleet: Fleet, dialect: str, sound: bool | None
) -> None:
    stub = add_with_sound(fleet, dialect)
    fleet.model += SOUND
    run = fleet.start(sound=sound)
    steps(run)
    asked = stub.creations()[0].fields["generate_sound"]
    assert str(asked).lower() == ("false" if sound is False else "true")
    assert (run.clip().sound is None) == (sound is False)


def test_sound_beyond_the_clip_is_cut(fleet: Fleet) -> None:
    stub = add_with_sound(fleet, "hinode", rate=48000)
    stub.sound = Sound(tone(1.0), 48000)
    run = fleet.start(seconds=0.5)
    steps(run)
    clip = run.clip()
    assert clip.sound is not None
    assert (len(clip.frames), clip.sound.samples.shape) == (4, (2, 24000))


@pytest.mark.parametrize("dialect", ["hinode", "openai"])
def test_sound_is_left_out_on_request(fleet: Fleet, dialect: str) -> None:
    stub = add_with_sound(fleet, dialect)
    run = fleet.start(sound=False)
    steps(run)
    assert run.clip().sound is None
    assert stub.creations()[0].fields.get("sound") == (False if dialect == "hinode" else None)


def test_only_a_hinode_receives_the_field(fleet: Fleet) -> None:
    fleet.model = MODEL + SOUND
    for dialect, value in (("hinode", True), ("openai", None)):
        stub = add_with_sound(fleet, dialect)
        fleet.entries = fleet.entries[-1:]
        run = fleet.start(sound=True)
        steps(run)
        assert run.clip().sound is not None
        assert stub.creations()[0].fields.get("sound") is value


def test_the_operator_decides_whether_a_model_has_sound(fleet: Fleet, tmp_path: Path) -> None:
    fleet.add("openai")
    with pytest.raises(BadInput, match="the model wan makes no sound") as caught:
        fleet.start(sound=True)
    assert caught.value.field == "sound"
    assert not read(fleet.home).capabilities("wan").sound
    fleet.model = MODEL + SOUND
    fleet.engine()
    assert read(fleet.home).capabilities("wan").sound


def test_required_sound_comes_from_another_server(fleet: Fleet) -> None:
    fleet.model = MODEL + SOUND
    silent, other = fleet.add("openai"), add_with_sound(fleet)
    run = fleet.start(sound=True)
    steps(run)
    assert run.clip().sound is not None
    assert (len(silent.creations()), len(other.creations())) == (1, 1)


def test_no_server_has_the_required_sound(fleet: Fleet) -> None:
    fleet.model = MODEL + SOUND
    fleet.add("openai")
    with pytest.raises(EngineError, match="none of the servers"):
        steps(fleet.start(sound=True))


@pytest.mark.parametrize("sound", [None, True])
def test_a_clip_with_broken_sound_is_kept_unless_sound_is_required(fleet: Fleet, sound: bool | None) -> None:
    fleet.model = MODEL + SOUND
    stub = add_with_sound(fleet)
    stub.size, stub.fps, stub.count = (64, 48), 8.0, 8
    whole = stub.video()
    settings = whole.index(b"\x05\x80\x80\x80", whole.index(b"esds")) + 5
    stub.content = whole[:settings] + b"\xff\xff" + whole[settings + 2 :]
    other = add_with_sound(fleet)
    run = fleet.start(sound=sound)
    steps(run)
    clip = run.clip()
    if sound:
        assert clip.sound is not None
        assert len(other.creations()) == 1
    else:
        assert clip.sound is None
        assert "made by s1 with Wan-AI/Wan2.1, without its sound, which " in clip.provenance.read_as
        assert other.creations() == []
    assert np.array_equal(clip.frames.shape, (8, 48, 64, 3))
