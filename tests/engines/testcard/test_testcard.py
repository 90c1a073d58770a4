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
from hinode.engines.testcard.card import BARS
from hinode.engines.testcard.engine import MAX_BYTES, TestcardEngine, TestcardRun, native_size
from hinode.errors import BadInput, EngineError
from hinode.request import Reference, Request
from hinode.settings import Settings
from tests.marking import MARKING
from tests.sounds import clicks, correlation, read_sound, tone
from tests.videos import read_video

REQUEST = Request("a red balloon over the sea", 96, 64, seconds=1.0, seed=7, engine="testcard")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def engine(settings: Settings) -> TestcardEngine:
    return TestcardEngine(settings)


def render(engine: TestcardEngine, **changes: Any) -> Clip:
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
    pipeline.generate(request, engine, tmp_path / "source.mp4", "mp4", marking=MARKING)
    return reference("source", tmp_path / "source.mp4", "video/mp4")


def difference(first: Frames, second: Frames) -> float:
    """The mean difference of two frames over all pixels."""
    return float(np.abs(first.astype(int) - second).mean())


def test_has_all_capabilities(settings: Settings) -> None:
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


def test_reports_every_step(engine: TestcardEngine) -> None:
    run = engine.start(REQUEST)
    reports = list(run)
    stages = [(step.stage, step.done, step.total) for step in reports]
    assert stages[:3] == [("load", 0, 1), ("sample", 0, 8), ("sample", 1, 8)]
    assert stages[-8:] == [("decode", done, 8) for done in range(1, 9)]
    assert ("decode", 0, 1) in stages
    assert [step.preview.shape for step in reports if step.preview is not None] == [(64, 96, 3)] * 8
    clip = run.clip()
    assert clip.frames.shape == (8, 64, 96, 3)
    assert (clip.fps, clip.provenance.native_size, clip.provenance.steps) == (8.0, (96, 64), 8)
    assert list(run)[-1].stage == "sample"  # a finished run stays finished
    # Colour bars above, and something that moves below.
    assert (clip.frames[:, 3, 3] == BARS[0]).all()
    assert (clip.frames[:, 3, -3] == BARS[-1]).all()
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
def test_every_part_of_a_request_shows(engine: TestcardEngine, changes: dict[str, Any]) -> None:
    assert render(engine).frames.tobytes() == render(engine).frames.tobytes()
    assert render(engine, **changes).frames.tobytes() != render(engine).frames.tobytes()


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
    assert render(engine, width=width, height=height, seconds=seconds, fps=fps).frames.shape == shape


def test_draws_any_prompt(engine: TestcardEngine) -> None:
    for prompt in ("日の出 שלום 🎈", "x" * 32_000, "a\nb\tc\r\n\x07", "‮txet"):
        render(engine, prompt=prompt, negative_prompt=prompt, steps=1, seconds=0.1)


def test_a_long_clip_is_drawn_smaller_instead_of_filling_the_memory() -> None:
    assert native_size((1280, 720), 160) == (1280, 720)
    width, height = native_size((1920, 1080), 120 * 8)
    assert 0.8 * MAX_BYTES < width * height * 3 * 960 <= MAX_BYTES
    assert width / height == pytest.approx(1920 / 1080, rel=0.01)


def test_each_step_takes_the_configured_time(settings: Settings) -> None:
    pauses: list[float] = []
    engine = TestcardEngine(dataclasses.replace(settings, testcard_step_seconds=2.5), pauses.append)
    render(engine, steps=3)
    assert pauses == [2.5] * 3


def run_to(engine: TestcardEngine, request: Request, steps: int) -> TestcardRun:
    run = engine.start(request)
    for report in run:
        if (report.stage, report.done) == ("sample", steps):
            return run
    raise AssertionError("the run has fewer steps")


@pytest.mark.parametrize("steps", [0, 1, 5, 8])
def test_a_resumed_run_ends_in_the_same_bytes(engine: TestcardEngine, steps: int) -> None:
    state = run_to(engine, REQUEST, steps).state()
    assert (state.engine, state.step) == ("testcard", steps)
    resumed = engine.start(REQUEST, State(state.engine, state.step, bytes(state.body)))
    reports = [(step.stage, step.done) for step in resumed]
    assert ("sample", steps) in reports
    assert ("sample", steps - 1) not in reports
    assert resumed.clip().frames.tobytes() == render(engine).frames.tobytes()


def test_a_step_taken_twice_or_left_out_shows(engine: TestcardEngine) -> None:
    state = run_to(engine, REQUEST, 4).state()
    content = saved_state.load(state.body)
    content["values"]["step"] = 5
    wrong = engine.start(REQUEST, dataclasses.replace(state, body=saved_state.dump(content)))
    assert len(list(wrong)) > 0
    assert wrong.clip().frames.tobytes() != render(engine).frames.tobytes()


def test_a_paused_run_continues(engine: TestcardEngine) -> None:
    run = run_to(engine, REQUEST, 3)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    for report in run:
        if (report.stage, report.done) == ("decode", 5):
            break
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    assert [report.done for report in run if report.stage == "decode"] == [6, 7, 8]
    assert run.clip().frames.tobytes() == render(engine).frames.tobytes()


def test_a_state_of_another_request_or_a_damaged_one_is_refused(
    engine: TestcardEngine, photo: Reference
) -> None:
    request = dataclasses.replace(REQUEST, references=(photo,))
    state = run_to(engine, request, 2).state()
    for other in (REQUEST, dataclasses.replace(request, seed=8)):
        with pytest.raises(EngineError, match="another request"):
            engine.start(other, state)
    with pytest.raises(EngineError, match="another request"):
        engine.start(request, dataclasses.replace(state, engine="native"))
    for body in (b"", b"{}", b"\xff", state.body[:-9]):
        with pytest.raises(EngineError, match="damaged"):
            engine.start(request, dataclasses.replace(state, body=body))
    # The path of a file does not matter.
    moved = dataclasses.replace(request, references=(dataclasses.replace(photo, path="/other"),))
    assert engine.start(moved, state).state().step == 2


def test_an_image_is_the_exact_first_frame(engine: TestcardEngine, photo: Reference) -> None:
    clip = render(engine, references=(photo,))
    np.testing.assert_array_equal(clip.frames[0], np.asarray(Image.open(photo.path)))
    assert (clip.frames[1:, 3, 3] == BARS[0]).all()
    # One of another size is cropped and resized to fit.
    assert render(engine, width=64, height=64, references=(photo,)).frames.shape[1:] == (64, 64, 3)


def test_an_image_is_the_exact_last_frame(engine: TestcardEngine, photo: Reference) -> None:
    last = dataclasses.replace(photo, role="last_frame")
    clip = render(engine, references=(last,))
    np.testing.assert_array_equal(clip.frames[-1], np.asarray(Image.open(photo.path)))
    assert (clip.frames[:-1, 3, 3] == BARS[0]).all()
    both = render(engine, references=(photo, last))
    np.testing.assert_array_equal(both.frames[0], both.frames[-1])


def test_an_extended_clip_is_its_source_and_then_a_card(engine: TestcardEngine, source: Reference) -> None:
    clip = render(engine, operation="extend", seconds=2.5, references=(source,))
    video = read_video(Path(source.path))
    assert (clip.fps, len(clip.frames)) == (12.0, 30)
    np.testing.assert_array_equal(clip.frames[:12], video.frames)
    assert (clip.frames[12:, 3, 3] == BARS[0]).all()
    assert difference(clip.frames[12], video.frames[-1]) > 1


@pytest.mark.parametrize("operation", ["edit", "remix"])
def test_a_changed_clip_is_its_source_with_a_card_on_it(
    engine: TestcardEngine, source: Reference, operation: str
) -> None:
    clip = render(engine, operation=operation, seconds=1.0, references=(source,))
    video = read_video(Path(source.path))
    assert (clip.fps, len(clip.frames)) == (12.0, 12)
    np.testing.assert_array_equal(clip.frames[:, :32], video.frames[:, :32])
    np.testing.assert_array_equal(clip.frames[:, :, :48], video.frames[:, :, :48])
    assert (clip.frames[:, 35, 51] == BARS[0]).all()
    # Beyond the end of the source, its last frame stays.
    longer = render(engine, operation=operation, seconds=1.5, references=(source,))
    np.testing.assert_array_equal(longer.frames[17, :32], video.frames[-1, :32])


def test_a_source_at_another_rate_keeps_its_length(engine: TestcardEngine, source: Reference) -> None:
    video = read_video(Path(source.path))
    slower = render(engine, operation="extend", seconds=1.5, fps=4.0, references=(source,))
    np.testing.assert_array_equal(slower.frames[:4], video.frames[::3])
    assert (slower.frames[4:, 3, 3] == BARS[0]).all()
    faster = render(engine, operation="extend", seconds=1.5, fps=24.0, references=(source,))
    np.testing.assert_array_equal(faster.frames[:24], np.repeat(video.frames, 2, axis=0))
    assert (faster.frames[24:, 3, 3] == BARS[0]).all()


@pytest.mark.parametrize("role", ["first_frame", "source"])
@pytest.mark.parametrize("content", [None, b"", b"no picture at all", b"\0" * 4096])
def test_a_file_that_cannot_be_read_is_named(
    engine: TestcardEngine, tmp_path: Path, role: str, content: bytes | None
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    broken = Reference(role, "cd" * 32, "image/png", path=str(path))
    with pytest.raises(BadInput) as caught:
        render(engine, operation="generate" if role == "first_frame" else "edit", references=(broken,))
    assert caught.value.field == role


def test_a_sound_file_is_no_video(engine: TestcardEngine, tmp_path: Path) -> None:
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(BadInput, match="cannot be read"):
        render(engine, operation="edit", references=(reference("source", path, "audio/wav"),))


def test_a_finished_file_has_its_pictures_beside_it(engine: TestcardEngine, tmp_path: Path) -> None:
    request = dataclasses.replace(REQUEST, width=1280, height=720, seconds=0.5)
    clip = render(engine, width=1280, height=720, seconds=0.5)
    reports: list[Progress] = []
    pipeline.finish(request, clip, tmp_path / "clip.mp4", "mp4", reports.append, marking=MARKING)
    for name in ("one", "two"):
        pipeline.write_stills(
            request, clip, tmp_path / f"{name}.webp", tmp_path / f"{name}.jpg", marking=MARKING
        )
    with Image.open(tmp_path / "one.webp") as thumbnail, Image.open(tmp_path / "one.jpg") as sheet:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (512, 288))
        assert (sheet.format, sheet.size) == ("JPEG", (4 * 320, 4 * 180))
    for kind in ("webp", "jpg"):
        with Image.open(tmp_path / f"one.{kind}") as one, Image.open(tmp_path / f"two.{kind}") as two:
            assert one.tobytes() == two.tobytes()
    assert len(list(tmp_path.iterdir())) == 5


def flashes(frames: Frames) -> list[int]:
    """Numbers of the frames that are white above."""
    return [number for number, frame in enumerate(frames) if (frame[:20] == 255).all()]


def test_it_is_silent_by_default(engine: TestcardEngine) -> None:
    assert engine.capabilities().sound
    assert render(engine).sound is None
    assert render(engine, sound=False).sound is None
    assert flashes(render(engine, seconds=2.5).frames) == []


@pytest.mark.parametrize(("fps", "expected"), [(8.0, [0, 8, 16]), (7.5, [0, 8, 15])])
def test_it_flashes_and_clicks_together_over_line_up_tone(
    engine: TestcardEngine, tmp_path: Path, fps: float, expected: list[int]
) -> None:
    request = dataclasses.replace(REQUEST, seconds=2.5, fps=fps, sound=True)
    clip = render(engine, seconds=2.5, fps=fps, sound=True)
    assert clip.sound is not None
    assert flashes(clip.frames) == expected
    assert clicks(clip.sound.samples, 48000) == pytest.approx([index / fps for index in expected], abs=1e-4)
    quiet = clip.sound.samples[:, 24000:36000]
    assert 20 * np.log10(np.abs(quiet).max()) == pytest.approx(-18, abs=0.01)
    assert np.argmax(np.abs(np.fft.rfft(quiet[0]))) * 48000 / 12000 == 1000
    pipeline.finish(request, clip, tmp_path / "card.mp4", "mp4", marking=MARKING)
    samples, rate = read_sound(tmp_path / "card.mp4")
    assert clicks(samples, rate) == pytest.approx([index / fps for index in expected], abs=0.001)


def test_a_resumed_card_sounds_the_same(engine: TestcardEngine) -> None:
    request = dataclasses.replace(REQUEST, sound=True)
    resumed = engine.start(request, run_to(engine, request, 3).state())
    list(resumed)
    expected, sound = render(engine, sound=True).sound, resumed.clip().sound
    assert expected is not None
    assert sound is not None
    np.testing.assert_array_equal(expected.samples, sound.samples)


@pytest.fixture
def sound_source(engine: TestcardEngine, tmp_path: Path) -> Reference:
    """A finished video of one second with sound of its own, at 44.1 kHz."""
    clip = dataclasses.replace(render(engine, fps=12.0), sound=Sound(tone(1.0, 44100), 44100))
    pipeline.finish(
        dataclasses.replace(REQUEST, fps=12.0), clip, tmp_path / "sound.mp4", "mp4", marking=MARKING
    )
    return reference("source", tmp_path / "sound.mp4", "video/mp4")


@pytest.mark.parametrize("operation", ["edit", "remix", "extend"])
@pytest.mark.parametrize("sound", [None, True, False])
def test_a_source_keeps_its_sound(
    engine: TestcardEngine, sound_source: Reference, operation: str, sound: bool | None
) -> None:
    seconds = 2.5 if operation == "extend" else 1.0
    clip = render(engine, operation=operation, seconds=seconds, sound=sound, references=(sound_source,))
    if sound is False:
        assert clip.sound is None
        return
    assert clip.sound is not None
    assert clip.sound.rate == 44100
    assert correlation(clip.sound.samples[:, :44100], tone(1.0, 44100)) > 0.98
    if operation == "extend" and sound:
        assert clip.sound.seconds == 2.5
        assert clicks(clip.sound.samples, 44100) == pytest.approx([1.0, 2.0], abs=1e-4)
        assert flashes(clip.frames) == [12, 24]
    else:
        assert clip.sound.seconds == pytest.approx(1.0)
        assert clicks(clip.sound.samples, 44100) == flashes(clip.frames) == []


def test_a_silent_source_gets_sound_on_request(engine: TestcardEngine, source: Reference) -> None:
    longer = render(engine, operation="extend", seconds=2.5, sound=True, references=(source,)).sound
    assert longer is not None
    assert not longer.samples[:, :48000].any()
    assert clicks(longer.samples, 48000) == pytest.approx([1.0, 2.0], abs=1e-4)
    changed = render(engine, operation="edit", seconds=1.0, sound=True, references=(source,)).sound
    assert changed is not None
    assert clicks(changed.samples, 48000) == [0.0]
    for operation in ("extend", "edit"):
        assert render(engine, operation=operation, references=(source,)).sound is None


def test_a_source_with_broken_sound_is_used_without_it(
    engine: TestcardEngine, sound_source: Reference
) -> None:
    path = Path(sound_source.path)
    content = path.read_bytes()
    settings = content.index(b"\x05\x80\x80\x80", content.index(b"esds")) + 5
    path.write_bytes(content[:settings] + b"\xff\xff" + content[settings + 2 :])
    clip = render(engine, operation="edit", seconds=1.0, references=(sound_source,))
    assert clip.sound is None
    assert "without the sound of its source, which" in clip.provenance.read_as
    with pytest.raises(BadInput, match="has sound that") as caught:
        render(engine, operation="edit", seconds=1.0, sound=True, references=(sound_source,))
    assert caught.value.field == "source"
