from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode import engines, pipeline
from hinode.clip import Clip, Frames, Sound
from hinode.engines import saved_state
from hinode.engines.protocol import Progress, State
from hinode.engines.testcard import engine as testcard
from hinode.engines.testcard.engine import TestcardEngine, TestcardRun
from hinode.errors import BadInput, EngineError
from hinode.media.video import read_video
from hinode.request import Reference, Request
from hinode.settings import Settings
from tests.hearing import alike, clicks, heard, tone

REQUEST = Request("a red balloon over the sea", 96, 64, seconds=1.0, seed=7, engine="testcard")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def engine(settings: Settings) -> TestcardEngine:
    return TestcardEngine(settings)


def drawn(engine: TestcardEngine, **changes: Any) -> Clip:
    run = engine.start(dataclasses.replace(REQUEST, **changes))
    for _ in run:
        pass
    return run.clip()


def reference(role: str, path: Path, media_type: str, name: str = "") -> Reference:
    return Reference(role, hashlib.sha256(path.read_bytes()).hexdigest(), media_type, name, str(path))


@pytest.fixture
def photo(tmp_path: Path) -> Reference:
    """A picture of the request's size."""
    levels = np.arange(64 * 96 * 3, dtype=np.uint32).reshape(64, 96, 3) * 7
    Image.fromarray((levels % 251).astype(np.uint8)).save(tmp_path / "photo.png")
    return reference("first_frame", tmp_path / "photo.png", "image/png")


@pytest.fixture
def source(engine: TestcardEngine, tmp_path: Path) -> Reference:
    """A finished video of one second, 12 frames."""
    request = dataclasses.replace(REQUEST, prompt="what there was before", fps=12.0)
    pipeline.generate(request, engine, tmp_path / "source.mp4", "mp4")
    return reference("source", tmp_path / "source.mp4", "video/mp4")


def far_apart(one: Frames, other: Frames) -> float:
    """How much two frames differ, as the mean over all pixels."""
    return float(np.abs(one.astype(int) - other).mean())


def test_can_be_asked_for_by_name_and_needs_nothing(settings: Settings) -> None:
    engine = engines.get("testcard", settings)
    capabilities = engine.capabilities("testcard")
    assert (capabilities.engine, capabilities.model, capabilities.models) == (
        "testcard",
        "testcard",
        ("testcard",),
    )
    assert capabilities.operations == ("generate", "remix", "edit", "extend")
    assert capabilities.references == (
        "first_frame",
        "last_frame",
        "keyframe",
        "footage",
        "source",
        "character",
    )
    with pytest.raises(BadInput, match="choose testcard") as caught:
        engine.capabilities("sora")
    assert caught.value.field == "model"


def test_draws_what_was_asked_for_and_tells_every_step(engine: TestcardEngine) -> None:
    run = engine.start(REQUEST)
    told = list(run)
    stages = [(step.stage, step.done, step.total) for step in told]
    assert stages[:3] == [("load", 0, 1), ("sample", 0, 8), ("sample", 1, 8)]
    assert stages[-8:] == [("decode", done, 8) for done in range(1, 9)]
    assert ("decode", 0, 1) in stages
    assert [step.preview.shape for step in told if step.preview is not None] == [(64, 96, 3)] * 8
    clip = run.clip()
    assert clip.frames.shape == (8, 64, 96, 3)
    assert (clip.fps, clip.provenance.native_size, clip.provenance.steps) == (8.0, (96, 64), 8)
    assert list(run)[-1].stage == "sample"  # a finished run stays finished
    # Colour bars above, and something that moves below.
    assert (clip.frames[:, 3, 3] == testcard.BARS[0]).all()
    assert (clip.frames[:, 3, -3] == testcard.BARS[-1]).all()
    assert len(np.unique(clip.frames, axis=0)) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a blue fish"},
        {"seed": 8},
        {"steps": 9},
        {"negative_prompt": "people"},
        {"references": (Reference("character", "ab" * 32, "video/mp4", "Mossy"),)},
    ],
)
def test_everything_that_was_asked_for_can_be_seen(engine: TestcardEngine, changes: dict[str, Any]) -> None:
    assert drawn(engine).frames.tobytes() == drawn(engine).frames.tobytes()
    assert drawn(engine, **changes).frames.tobytes() != drawn(engine).frames.tobytes()


@pytest.mark.parametrize(
    ("width", "height", "seconds", "fps", "shape"),
    [
        (16, 16, 0.01, None, (1, 16, 16, 3)),
        (720, 1280, 0.25, None, (2, 1280, 720, 3)),
        (64, 2048, 0.5, 24.0, (12, 2048, 64, 3)),
    ],
)
def test_draws_at_every_size(
    engine: TestcardEngine, width: int, height: int, seconds: float, fps: float | None, shape: tuple[int, ...]
) -> None:
    assert drawn(engine, width=width, height=height, seconds=seconds, fps=fps).frames.shape == shape


def test_odd_words_do_not_trouble_it(engine: TestcardEngine) -> None:
    for prompt in ("日の出 שלום 🎈", "x" * 32_000, "a\nb\tc\r\n\x07", "‮txet"):
        drawn(engine, prompt=prompt, negative_prompt=prompt, steps=1, seconds=0.1)


def test_a_long_clip_is_drawn_smaller_instead_of_filling_the_memory() -> None:
    assert testcard.native_size((1280, 720), 160) == (1280, 720)
    width, height = testcard.native_size((1920, 1080), 120 * 8)
    assert 0.8 * testcard.MAX_BYTES < width * height * 3 * 960 <= testcard.MAX_BYTES
    assert width / height == pytest.approx(1920 / 1080, rel=0.01)


def test_each_step_takes_as_long_as_it_is_told(settings: Settings) -> None:
    waited: list[float] = []
    engine = TestcardEngine(dataclasses.replace(settings, testcard_step_seconds=2.5), waited.append)
    drawn(engine, steps=3)
    assert waited == [2.5] * 3


def stopped_after(engine: TestcardEngine, request: Request, steps: int) -> TestcardRun:
    run = engine.start(request)
    for told in run:
        if (told.stage, told.done) == ("sample", steps):
            return run
    raise AssertionError("the run has fewer steps")


@pytest.mark.parametrize("steps", [0, 1, 5, 8])
def test_a_saved_run_goes_on_to_the_same_bytes(engine: TestcardEngine, steps: int) -> None:
    state = stopped_after(engine, REQUEST, steps).state()
    assert (state.engine, state.step) == ("testcard", steps)
    resumed = engine.start(REQUEST, State(state.engine, state.step, bytes(state.body)))
    told = [(step.stage, step.done) for step in resumed]
    assert ("sample", steps) in told
    assert ("sample", steps - 1) not in told
    assert resumed.clip().frames.tobytes() == drawn(engine).frames.tobytes()


def test_a_step_taken_twice_or_left_out_can_be_seen(engine: TestcardEngine) -> None:
    state = stopped_after(engine, REQUEST, 4).state()
    content = saved_state.load(state.body)
    content["values"]["step"] = 5
    wrong = engine.start(REQUEST, dataclasses.replace(state, body=saved_state.dump(content)))
    assert len(list(wrong)) > 0
    assert wrong.clip().frames.tobytes() != drawn(engine).frames.tobytes()


def test_a_paused_run_goes_on_where_it_was(engine: TestcardEngine) -> None:
    run = stopped_after(engine, REQUEST, 3)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    for told in run:
        if (told.stage, told.done) == ("decode", 5):
            break
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    assert [told.done for told in run if told.stage == "decode"] == [6, 7, 8]
    assert run.clip().frames.tobytes() == drawn(engine).frames.tobytes()


def test_a_state_knows_where_it_belongs(engine: TestcardEngine, photo: Reference) -> None:
    request = dataclasses.replace(REQUEST, references=(photo,))
    state = stopped_after(engine, request, 2).state()
    for other in (REQUEST, dataclasses.replace(request, seed=8)):
        with pytest.raises(EngineError, match="another request"):
            engine.start(other, state)
    with pytest.raises(EngineError, match="another request"):
        engine.start(request, dataclasses.replace(state, engine="native"))
    for body in (b"", b"{}", b"\xff", state.body[:-9]):
        with pytest.raises(EngineError, match="damaged"):
            engine.start(request, dataclasses.replace(state, body=body))
    # The same file somewhere else is the same file.
    moved = dataclasses.replace(request, references=(dataclasses.replace(photo, path="/elsewhere"),))
    assert engine.start(moved, state).state().step == 2


def test_an_image_is_the_exact_first_frame(engine: TestcardEngine, photo: Reference) -> None:
    clip = drawn(engine, references=(photo,))
    np.testing.assert_array_equal(clip.frames[0], np.asarray(Image.open(photo.path)))
    assert (clip.frames[1:, 3, 3] == testcard.BARS[0]).all()
    # One of another size is cropped and resized to fit.
    assert drawn(engine, width=64, height=64, references=(photo,)).frames.shape[1:] == (64, 64, 3)


def test_an_image_is_the_exact_last_frame(engine: TestcardEngine, photo: Reference) -> None:
    last = dataclasses.replace(photo, role="last_frame")
    clip = drawn(engine, references=(last,))
    np.testing.assert_array_equal(clip.frames[-1], np.asarray(Image.open(photo.path)))
    assert (clip.frames[:-1, 3, 3] == testcard.BARS[0]).all()
    both = drawn(engine, references=(photo, last))
    np.testing.assert_array_equal(both.frames[0], both.frames[-1])


def test_an_extended_clip_is_its_source_and_then_a_card(engine: TestcardEngine, source: Reference) -> None:
    clip = drawn(engine, operation="extend", seconds=2.5, references=(source,))
    footage = read_video(Path(source.path))
    assert (clip.fps, len(clip.frames)) == (12.0, 30)
    np.testing.assert_array_equal(clip.frames[:12], footage.frames)
    assert (clip.frames[12:, 3, 3] == testcard.BARS[0]).all()
    assert far_apart(clip.frames[12], footage.frames[-1]) > 1


@pytest.mark.parametrize("operation", ["edit", "remix"])
def test_a_changed_clip_is_its_source_with_a_card_on_it(
    engine: TestcardEngine, source: Reference, operation: str
) -> None:
    clip = drawn(engine, operation=operation, seconds=1.0, references=(source,))
    footage = read_video(Path(source.path))
    assert (clip.fps, len(clip.frames)) == (12.0, 12)
    np.testing.assert_array_equal(clip.frames[:, :32], footage.frames[:, :32])
    np.testing.assert_array_equal(clip.frames[:, :, :48], footage.frames[:, :, :48])
    assert (clip.frames[:, 35, 51] == testcard.BARS[0]).all()
    # Beyond the end of the source, its last frame stays.
    longer = drawn(engine, operation=operation, seconds=1.5, references=(source,))
    np.testing.assert_array_equal(longer.frames[17, :32], footage.frames[-1, :32])


def test_a_source_at_another_rate_keeps_its_length(engine: TestcardEngine, source: Reference) -> None:
    footage = read_video(Path(source.path))
    slower = drawn(engine, operation="extend", seconds=1.5, fps=4.0, references=(source,))
    np.testing.assert_array_equal(slower.frames[:4], footage.frames[::3])
    assert (slower.frames[4:, 3, 3] == testcard.BARS[0]).all()
    faster = drawn(engine, operation="extend", seconds=1.5, fps=24.0, references=(source,))
    np.testing.assert_array_equal(faster.frames[:24], np.repeat(footage.frames, 2, axis=0))
    assert (faster.frames[24:, 3, 3] == testcard.BARS[0]).all()


@pytest.mark.parametrize("role", ["first_frame", "source"])
@pytest.mark.parametrize("content", [None, b"", b"no picture at all", b"\0" * 4096])
def test_a_file_that_cannot_be_read_is_named(
    engine: TestcardEngine, tmp_path: Path, role: str, content: bytes | None
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    given = Reference(role, "cd" * 32, "image/png", path=str(path))
    with pytest.raises(BadInput) as caught:
        drawn(engine, operation="generate" if role == "first_frame" else "edit", references=(given,))
    assert caught.value.field == role


def test_a_sound_file_is_no_video(engine: TestcardEngine, tmp_path: Path) -> None:
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(BadInput, match="cannot be read"):
        drawn(engine, operation="edit", references=(reference("source", path, "audio/wav"),))


def test_a_finished_file_has_its_pictures_beside_it(engine: TestcardEngine, tmp_path: Path) -> None:
    request = dataclasses.replace(REQUEST, width=1280, height=720, seconds=0.5)
    clip = drawn(engine, width=1280, height=720, seconds=0.5)
    told: list[Progress] = []
    pipeline.finish(request, clip, tmp_path / "clip.mp4", "mp4", told.append)
    for name in ("one", "two"):
        pipeline.write_stills(request, clip, tmp_path / f"{name}.webp", tmp_path / f"{name}.jpg")
    with Image.open(tmp_path / "one.webp") as thumbnail, Image.open(tmp_path / "one.jpg") as sheet:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (512, 288))
        assert (sheet.format, sheet.size) == ("JPEG", (4 * 320, 4 * 180))
    assert (tmp_path / "one.webp").read_bytes() == (tmp_path / "two.webp").read_bytes()
    assert (tmp_path / "one.jpg").read_bytes() == (tmp_path / "two.jpg").read_bytes()
    assert len(list(tmp_path.iterdir())) == 5


def flashes(frames: Frames) -> list[int]:
    """Numbers of the frames that are white above."""
    return [number for number, frame in enumerate(frames) if (frame[:20] == 255).all()]


def test_it_is_silent_unless_it_is_asked_for_sound(engine: TestcardEngine) -> None:
    assert engine.capabilities().sound
    assert drawn(engine).sound is None
    assert drawn(engine, sound=False).sound is None
    assert flashes(drawn(engine, seconds=2.5).frames) == []


@pytest.mark.parametrize(("fps", "seen"), [(8.0, [0, 8, 16]), (7.5, [0, 8, 15])])
def test_it_flashes_and_clicks_together_over_line_up_tone(
    engine: TestcardEngine, tmp_path: Path, fps: float, seen: list[int]
) -> None:
    request = dataclasses.replace(REQUEST, seconds=2.5, fps=fps, sound=True)
    clip = drawn(engine, seconds=2.5, fps=fps, sound=True)
    assert clip.sound is not None
    assert flashes(clip.frames) == seen
    assert clicks(clip.sound.samples, 48000) == pytest.approx([index / fps for index in seen], abs=1e-4)
    quiet = clip.sound.samples[:, 24000:36000]
    assert 20 * np.log10(np.abs(quiet).max()) == pytest.approx(-18, abs=0.01)
    assert np.argmax(np.abs(np.fft.rfft(quiet[0]))) * 48000 / 12000 == 1000
    pipeline.finish(request, clip, tmp_path / "card.mp4", "mp4")
    samples, rate = heard(tmp_path / "card.mp4")
    assert clicks(samples, rate) == pytest.approx([index / fps for index in seen], abs=0.001)


def test_a_resumed_card_sounds_the_same(engine: TestcardEngine) -> None:
    request = dataclasses.replace(REQUEST, sound=True)
    resumed = engine.start(request, stopped_after(engine, request, 3).state())
    list(resumed)
    here, there = drawn(engine, sound=True).sound, resumed.clip().sound
    assert here is not None
    assert there is not None
    np.testing.assert_array_equal(here.samples, there.samples)


@pytest.fixture
def sounding(engine: TestcardEngine, tmp_path: Path) -> Reference:
    """A finished video of one second with sound of its own, at 44.1 kHz."""
    clip = dataclasses.replace(drawn(engine, fps=12.0), sound=Sound(tone(1.0, 44100), 44100))
    pipeline.finish(dataclasses.replace(REQUEST, fps=12.0), clip, tmp_path / "sounding.mp4", "mp4")
    return reference("source", tmp_path / "sounding.mp4", "video/mp4")


@pytest.mark.parametrize("operation", ["edit", "remix", "extend"])
@pytest.mark.parametrize("sound", [None, True, False])
def test_a_source_keeps_its_sound(
    engine: TestcardEngine, sounding: Reference, operation: str, sound: bool | None
) -> None:
    seconds = 2.5 if operation == "extend" else 1.0
    clip = drawn(engine, operation=operation, seconds=seconds, sound=sound, references=(sounding,))
    if sound is False:
        assert clip.sound is None
        return
    assert clip.sound is not None
    assert clip.sound.rate == 44100
    assert alike(clip.sound.samples[:, :44100], tone(1.0, 44100)) > 0.98
    if operation == "extend" and sound:
        assert clip.sound.seconds == 2.5
        assert clicks(clip.sound.samples, 44100) == pytest.approx([1.0, 2.0], abs=1e-4)
        assert flashes(clip.frames) == [12, 24]
    else:
        assert clip.sound.seconds == pytest.approx(1.0)
        assert clicks(clip.sound.samples, 44100) == flashes(clip.frames) == []


def test_a_silent_source_is_given_sound_where_it_is_asked_for(
    engine: TestcardEngine, source: Reference
) -> None:
    longer = drawn(engine, operation="extend", seconds=2.5, sound=True, references=(source,)).sound
    assert longer is not None
    assert not longer.samples[:, :48000].any()
    assert clicks(longer.samples, 48000) == pytest.approx([1.0, 2.0], abs=1e-4)
    changed = drawn(engine, operation="edit", seconds=1.0, sound=True, references=(source,)).sound
    assert changed is not None
    assert clicks(changed.samples, 48000) == [0.0]
    for operation in ("extend", "edit"):
        assert drawn(engine, operation=operation, references=(source,)).sound is None


def test_a_source_with_broken_sound_is_worked_on_without_it(
    engine: TestcardEngine, sounding: Reference
) -> None:
    path = Path(sounding.path)
    content = path.read_bytes()
    settings = content.index(b"\x05\x80\x80\x80", content.index(b"esds")) + 5
    path.write_bytes(content[:settings] + b"\xff\xff" + content[settings + 2 :])
    clip = drawn(engine, operation="edit", seconds=1.0, references=(sounding,))
    assert clip.sound is None
    assert "without the sound of its source, which" in clip.provenance.read_as
    with pytest.raises(BadInput, match="has sound that") as caught:
        drawn(engine, operation="edit", seconds=1.0, sound=True, references=(sounding,))
    assert caught.value.field == "source"
