"""Directed clips, drawn for real by a network of toy size."""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hinode import directing, pipeline
from hinode.clip import Clip, Frames
from hinode.directing import run as directed_run
from hinode.directing import source_facts
from hinode.directing.engine import DirectedEngine
from hinode.engines.native import catalog, upscaling
from hinode.engines.native.engine import NativeEngine
from hinode.engines.protocol import Progress, State
from hinode.errors import BadInput, EngineError, OutputError
from hinode.media.reading import references
from hinode.media.reading.decode import Picture, VideoFile
from hinode.request import CHARACTER, FIRST_FRAME, KEYFRAME, MASK, SOURCE, Reference, Request, Segment
from hinode.settings import Settings
from hinode.training.decoder import save_decoder
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan
from hinode.world.book.scene import Scene, Subject
from tests.tiny_book import save_tiny_book

REQUEST = Request("a red balloon rising over the sea at noon", 32, 32, seconds=2.0, seed=3, model="toy")
FPS = Fraction(8)


def render_clip(engine: DirectedEngine, request: Request) -> Clip:
    run = engine.start(request)
    list(run)
    return run.clip()


def source(folder: Path, frames: Frames, name: str = "") -> Reference:
    return dataclasses.replace(references.save_frames(frames, FPS, SOURCE, folder), name=name)


def moving(count: int, size: int = 32, shift: int = 0) -> Frames:
    """A picture in which every frame is another."""
    steps = np.arange(count)[:, None, None, None]
    rows, columns = np.mgrid[:size, :size]
    picture = np.stack((rows * 5, columns * 5, rows + columns), -1) + shift
    return ((picture[None] + steps * 3) % 256).astype(np.uint8)


def test_a_clip_that_fits_into_one_window_is_drawn_by_the_engine_alone(engine: DirectedEngine) -> None:
    alone = engine.engine.start(REQUEST)
    list(alone)
    assert np.array_equal(render_clip(engine, REQUEST).frames, alone.clip().frames)


def test_a_long_clip_goes_on_from_window_to_window(engine: DirectedEngine) -> None:
    clip = render_clip(engine, dataclasses.replace(REQUEST, seconds=12.0))
    assert clip.frames.shape == (96, 32, 32, 3)
    assert clip.seconds == 12.0
    assert "4 pieces" in clip.provenance.read_as
    assert len({frame.tobytes() for frame in clip.frames}) == 96


def test_an_extended_clip_begins_with_its_source_bit_for_bit(engine: DirectedEngine, tmp_path: Path) -> None:
    frames = moving(12)
    request = dataclasses.replace(
        REQUEST, operation="extend", seconds=4.0, references=(source(tmp_path, frames),)
    )
    clip = render_clip(engine, request)
    assert clip.frames.shape == (32, 32, 32, 3)
    assert np.array_equal(clip.frames[:12], frames)
    assert not np.array_equal(clip.frames[12], frames[-1])
    longer = dataclasses.replace(request, seconds=9.0)
    assert np.array_equal(render_clip(engine, longer).frames[:12], frames)


def test_a_clip_is_extended_backward_too(engine: DirectedEngine, tmp_path: Path) -> None:
    frames = moving(8)
    video = source(tmp_path, frames)
    request = dataclasses.replace(
        REQUEST,
        operation="extend",
        seconds=6.0,
        references=(video,),
        segments=(Segment(5.0), Segment(1.0, keep=video.digest)),
    )
    clip = render_clip(engine, request)
    assert np.array_equal(clip.frames[40:], frames)
    assert len({frame.tobytes() for frame in clip.frames}) == 48


def test_what_is_drawn_beside_footage_is_enlarged_and_the_footage_is_not(
    engine: DirectedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "shipped", lambda: tmp_path)
    frames = moving(12, size=96)
    request = dataclasses.replace(
        REQUEST, width=96, height=96, operation="extend", references=(source(tmp_path, frames),)
    )
    request = dataclasses.replace(request, seconds=3.0)
    bare = render_clip(engine, request)
    torch.manual_seed(1)
    net = upscaling.UpscalerNet()
    torch.nn.init.normal_(net.leave.weight, std=0.02)
    save_decoder(net, upscaling.path(), {})
    upscaling.load.cache_clear()
    clip = render_clip(engine, request)
    upscaling.load.cache_clear()
    assert clip.frames.shape == bare.frames.shape == (24, 96, 96, 3)
    assert np.array_equal(clip.frames[:12], frames)
    assert not np.array_equal(clip.frames[12:], bare.frames[12:])
    assert (bare.provenance.upscaler, clip.provenance.upscaler) == ("", upscaling.NAME)
    assert pipeline.upscale_frames(clip, clip.frames, request.size) is clip.frames  # not once more


def test_two_clips_are_connected_and_kept(engine: DirectedEngine, tmp_path: Path) -> None:
    before, after = moving(12), moving(12, shift=90)
    first, second = source(tmp_path, before), source(tmp_path, after)
    request = dataclasses.replace(
        REQUEST,
        operation="blend",
        seconds=3.0,
        references=(first, second),
        segments=(
            Segment(1.0, keep=first.digest),
            Segment(1.0, guide=first.digest, start=1.0, strength=0.6, onto=second.digest),
            Segment(1.0, keep=second.digest, start=0.5),
        ),
    )
    clip = render_clip(engine, request)
    assert np.array_equal(clip.frames[:8], before[:8])
    assert np.array_equal(clip.frames[16:], after[4:12])


def test_the_closing_of_a_loop_knows_the_beginning(engine: DirectedEngine) -> None:
    request = dataclasses.replace(REQUEST, operation="loop", looped=True, seconds=3.0)
    run = engine.start(request)
    list(run)
    windows = run.layout.windows  # type: ignore[attr-defined]
    assert (windows[0].head, windows[0].tail) == (0, 0)
    assert (windows[1].head, windows[-1].tail) == (16, 16)
    assert run.clip().frames.shape[0] == 24


def test_outside_a_mask_nothing_is_changed(engine: DirectedEngine, tmp_path: Path) -> None:
    frames = moving(16, size=64)
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 21:47] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(mask).save(path)
    masked = Reference(MASK, hashlib.sha256(path.read_bytes()).hexdigest(), "image/png", path=str(path))
    request = dataclasses.replace(
        REQUEST,
        width=64,
        height=64,
        operation="edit",
        references=(source(tmp_path, frames), masked),
    )
    clip = render_clip(engine, request)
    assert np.array_equal(clip.frames[:, mask == 0], frames[:, mask == 0])
    assert (clip.frames[:, mask > 0] != frames[:, mask > 0]).any(-1).mean() > 0.9


def test_a_remix_stays_the_closer_the_less_strength(engine: DirectedEngine, tmp_path: Path) -> None:
    frames = moving(16)

    def apart(strength: float) -> float:
        request = dataclasses.replace(
            REQUEST, operation="remix", references=(source(tmp_path, frames),), strength=strength
        )
        return float(np.abs(render_clip(engine, request).frames.astype(int) - frames).mean())

    assert apart(0.0) == 0
    assert 0 < apart(0.4) < apart(1.0)


@pytest.mark.parametrize(("operation", "seconds"), [("generate", 7.0), ("remix", 6.0)])
def test_a_run_goes_on_from_any_moment_to_the_same_bits(
    engine: DirectedEngine, operation: str, seconds: float, tmp_path: Path
) -> None:
    request = dataclasses.replace(REQUEST, operation=operation, seconds=seconds)
    if operation == "remix":
        request = dataclasses.replace(request, references=(source(tmp_path, moving(48)),), strength=0.9)
    states: dict[int, State] = {}
    run = engine.start(request)
    for progress in run:
        states.setdefault(progress.done, run.state())
    frames = run.clip().frames
    last = max(states)
    # Within the first window, between two windows, and after the last step.
    for step in (1, 3, last):
        state = states[step]
        assert len(state.parts) in (step // 3, step // 3 - 1)
        again = engine.start(request, State(state.engine, state.step, state.body, state.parts))
        assert min(progress.done for progress in again if progress.stage == "sample") >= step - 3
        assert np.array_equal(again.clip().frames, frames)


def test_a_video_is_decoded_once_however_many_windows_are_drawn_over_it(
    engine: DirectedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    pictures = VideoFile.__iter__

    def counted(file: VideoFile) -> Iterator[Picture]:
        for picture in pictures(file):
            decoded.append(file.container.name)
            yield picture

    monkeypatch.setattr(VideoFile, "__iter__", counted)
    clip = source(tmp_path, moving(96))
    request = dataclasses.replace(REQUEST, operation="remix", seconds=12.0, references=(clip,), strength=0.5)
    run = engine.start(request)
    list(run)
    assert len(run.layout.windows) >= 3  # type: ignore[attr-defined]
    assert decoded.count(clip.path) == 2 * 96  # once, and once to see what it shows


def test_a_model_with_short_windows_continues_from_the_last_picture(
    settings: Settings, tmp_path: Path
) -> None:
    """Seventeen frames are too few for a context of seventeen on both sides."""
    save_tiny_book(tmp_path / "models" / "toy.safetensors", shapes=((17, 8, 32, 32),))
    engine = DirectedEngine(NativeEngine(dataclasses.replace(settings, home=tmp_path)))
    request = dataclasses.replace(REQUEST, seconds=12.0, steps=1)
    capabilities = engine.capabilities("toy")
    assert capabilities.seconds[1] == 120.0
    assert not {"loop", "blend", "retake", "recut"} & set(capabilities.operations)
    directing.check(request, engine.engine.capabilities("toy"))
    run = engine.start(request)
    assert [window.head for window in run.layout.windows] == [0] + [1] * 5  # type: ignore[attr-defined]
    list(run)
    assert run.clip().frames.shape[0] == 96
    with pytest.raises(BadInput, match="cannot 'loop'"):
        engine.start(dataclasses.replace(request, operation="loop", looped=True))
    video = source(tmp_path, moving(8))
    backward = Segment(2.0), Segment(1.0, keep=video.digest)
    with pytest.raises(BadInput, match="can continue a video but not lead to one"):
        engine.start(
            dataclasses.replace(
                request, operation="extend", seconds=3.0, references=(video,), segments=backward
            )
        )


def test_a_state_of_another_request_or_a_damaged_one_is_refused(engine: DirectedEngine) -> None:
    request = dataclasses.replace(REQUEST, seconds=7.0)
    run = engine.start(request)
    for progress in run:
        if progress.stage == "sample" and progress.done == 2:
            break
    state = run.state()
    with pytest.raises(EngineError, match="another request"):
        engine.start(dataclasses.replace(request, seed=4), state)
    with pytest.raises(EngineError, match="damaged"):
        engine.start(request, State(state.engine, state.step, state.body[:100]))


def test_kept_footage_of_another_rate_leaves_no_gap(engine: DirectedEngine, tmp_path: Path) -> None:
    video = source(tmp_path, moving(16))
    request = dataclasses.replace(
        REQUEST,
        operation="retake",
        fps=1.0,
        references=(video,),
        segments=(
            Segment(0.5, keep=video.digest),
            Segment(1.0),
            Segment(0.5, keep=video.digest, start=1.5),
        ),
    )
    assert render_clip(engine, request).frames.shape[0] == 2


def test_the_highest_rate_of_kept_videos_is_that_of_the_clip(engine: DirectedEngine, tmp_path: Path) -> None:
    slow = source(tmp_path, moving(4))
    quick = references.save_frames(moving(60), Fraction(120), SOURCE, tmp_path)
    request = dataclasses.replace(
        REQUEST,
        operation="blend",
        seconds=1.5,
        references=(slow, quick),
        segments=(Segment(0.5, keep=slow.digest), Segment(0.5), Segment(0.5, keep=quick.digest)),
    )
    clip = render_clip(engine, request)
    assert clip.fps == 60
    assert "shown at 60 of the 120 frames per second" in clip.provenance.read_as
    assert clip.sound is not None  # of what is drawn between them
    assert not clip.sound.samples[:, : clip.sound.rate * 4 // 10].any()


def test_progress_never_falls_and_ends_with_all_steps(engine: DirectedEngine) -> None:
    steps = [
        (progress.done, progress.total)
        for progress in engine.start(dataclasses.replace(REQUEST, seconds=12.0))
        if isinstance(progress, Progress) and progress.stage == "sample"
    ]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert {total for _, total in steps} == {12}
    assert steps[-1][0] == 12


def test_a_clip_too_large_for_memory_is_held_in_a_file(
    engine: DirectedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = dataclasses.replace(REQUEST, operation="extend", seconds=4.0)
    request = dataclasses.replace(request, references=(source(tmp_path, moving(12)),))
    expected = render_clip(engine, request).frames
    monkeypatch.setattr(directed_run, "MAX_MEMORY_BYTES", 1000)
    frames = render_clip(engine, request).frames
    assert isinstance(frames, np.memmap)
    assert np.array_equal(frames, expected)

    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="folder for temporary files has less space"):
        render_clip(engine, request)


def test_work_counts_every_window(engine: DirectedEngine) -> None:
    short = engine.estimate(dataclasses.replace(REQUEST, seconds=3.0))
    longer = engine.estimate(dataclasses.replace(REQUEST, seconds=12.0))
    assert longer.steps == 4 * short.steps
    assert longer.pixels > 3 * short.pixels


def test_what_does_not_add_up_is_refused_in_a_sentence(engine: DirectedEngine, tmp_path: Path) -> None:
    video = source(tmp_path, moving(16))
    with pytest.raises(BadInput, match=r"has 2 s already"):
        engine.start(dataclasses.replace(REQUEST, operation="extend", seconds=2.0, references=(video,)))
    with pytest.raises(BadInput, match=r"2 seconds together and the clip 3"):
        engine.start(dataclasses.replace(REQUEST, operation="loop", seconds=3.0, segments=(Segment(2.0),)))
    with pytest.raises(BadInput, match=r"not among the references"):
        engine.start(dataclasses.replace(REQUEST, operation="blend", segments=(Segment(2.0, keep="0" * 64),)))
    with pytest.raises(BadInput, match=r"there is no video to extend"):
        engine.start(dataclasses.replace(REQUEST, operation="extend"))
    with pytest.raises(BadInput, match=r"nothing of the clip would be drawn"):
        engine.start(
            dataclasses.replace(
                REQUEST,
                operation="recut",
                references=(video,),
                segments=(Segment(2.0, keep=video.digest),),
            )
        )
    large = dataclasses.replace(REQUEST, operation="extend", seconds=60.0, width=3840, height=2160)
    with pytest.raises(BadInput, match=r"would take 4\d GB; ask for a shorter or smaller clip"):
        engine.start(dataclasses.replace(large, references=(video,)))
    with pytest.raises(BadInput, match=r"shorter than a frame"):
        engine.start(dataclasses.replace(REQUEST, segments=(Segment(1.99), Segment(0.01))))


@functools.cache
def balloon() -> Frames:
    """Two seconds of a rising orange balloon, over the hills at dawn."""
    scene = Scene((Subject("balloon", "orange", "rise", 0.5, 0.5, 0.3),), time="dawn", place="hills")
    rendered = render([scene], frames=16, fps=8, width=64, height=64)[0]
    return (rendered * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def test_what_a_prompt_leaves_open_stays_as_the_video_beside_it_has_it(
    engine: DirectedEngine, tmp_path: Path
) -> None:
    video = source(tmp_path, balloon())
    picture = references.save_picture(balloon()[8], FIRST_FRAME, tmp_path)
    keep, sinks = Segment(1.0, keep=video.digest, start=1.0), Segment(1.0, prompt="it sinks")
    parts: list[tuple[tuple[Segment, ...], float, Reference]] = [
        ((), 3.0, video),
        ((Segment(1.0), keep), 2.0, video),  # backward
        (
            (Segment(0.5, keep=video.digest), Segment(1.0), Segment(0.5, keep=video.digest, start=1.5)),
            2.0,
            video,
        ),
        ((Segment(0.5), keep, Segment(0.5)), 2.0, video),
        ((keep, sinks), 2.0, video),
        ((keep, sinks, Segment(1.0, prompt="it sinks again")), 3.0, video),
        ((), 2.0, picture),
        ((), 5.0, picture),
        ((), 2.0, dataclasses.replace(picture, role=KEYFRAME, at=1.0)),
    ]
    for segments, seconds, reference in parts:
        request = dataclasses.replace(
            REQUEST,
            prompt="it sinks",
            seconds=seconds,
            operation="generate" if reference.still else "extend",
            segments=segments,
            references=(reference,),
        )
        provenance = render_clip(engine, request).provenance
        assert provenance.read_as.startswith("orange balloon, place hills, time dawn"), segments
        assert (provenance.understood, provenance.not_understood) == (("sinks",), ())
    subject = ScenePlan.model_validate_json(provenance.plan).subjects[0]
    assert subject.y[-1] > subject.y[0] + 0.1  # it sinks, though it rose before


def test_a_clip_says_how_the_prompt_of_each_part_was_read(engine: DirectedEngine) -> None:
    prompts = "a red balloon rising over the sea", "a purple kite circling over the city", "a red balloon"
    segments = tuple(Segment(3.0, prompt=prompt) for prompt in prompts)
    request = dataclasses.replace(REQUEST, operation="storyboard", seconds=9.0, segments=segments)
    run = engine.start(request)
    for progress in run:
        if progress.stage == "sample" and progress.done == progress.total // 2:
            run = engine.start(request, run.state())
            break
    list(run)
    first, second, third = run.clip().provenance.read_as.split("; then ")
    assert first.startswith("red balloon")
    assert second.startswith("purple kite")
    assert third.startswith("red balloon")
    assert "pieces" in third


def test_a_character_is_said_where_the_prompt_names_it(engine: DirectedEngine, tmp_path: Path) -> None:
    pip = dataclasses.replace(references.save_frames(balloon(), FPS, CHARACTER, tmp_path), name="Pip")
    words = source_facts.cast(
        dataclasses.replace(
            REQUEST,
            prompt="Pip rising, then @pip and the Pip",
            references=(pip,),
        )
    )
    assert words.prompt == "an orange balloon rising, then an orange balloon and the orange balloon"
    named = dataclasses.replace(REQUEST, prompt="Pip rising over the sea at noon", references=(pip,))
    assert engine.estimate(named) == engine.estimate(dataclasses.replace(named, references=()))
    expected = dataclasses.replace(
        named, prompt="an orange balloon rising over the sea at noon", references=()
    )
    assert np.array_equal(render_clip(engine, named).frames, render_clip(engine, expected).frames)
    longer = dataclasses.replace(named, seconds=5.0)
    assert render_clip(engine, longer).provenance.read_as.startswith("orange balloon, ")
