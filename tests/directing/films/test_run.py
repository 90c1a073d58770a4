"""A film as one run: paused, saved, continued elsewhere, and one clip in the end."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.directing.engine import DirectedEngine
from hinode.directing.films import parser
from hinode.directing.films.cache import ShotCache
from hinode.directing.films.compiler import compile_storyboard
from hinode.directing.films.files import StoryboardFiles
from hinode.directing.films.run import FilmRun
from hinode.engines import saved_state
from hinode.engines.protocol import State, UnusableState
from hinode.errors import BadInput, EngineError
from hinode.media.reading import references
from hinode.request import SOURCE, MediaFile

SHOTS: list[dict[str, Any]] = [
    {"id": "one", "prompt": "a red balloon rising over the sea", "seconds": 8},
    {"id": "two", "prompt": "a red balloon hovering", "seconds": 1, "transition": "continue"},
    {"id": "three", "prompt": "a kite", "seconds": 1, "transition": {"kind": "blend", "seconds": 0.5}},
]


def film(
    engine: DirectedEngine,
    folder: Path,
    shots: list[dict[str, Any]] = SHOTS,
    *,
    files: StoryboardFiles | None = None,
    state: State | None = None,
    **more: Any,
) -> FilmRun:
    """A run with a cache of its own, as another process would have it."""
    board = parser.parse_storyboard({"model": "toy", "size": "32x32", "seed": 3, **more, "shots": shots})
    plan = compile_storyboard(board, engine.capabilities("toy"), files or StoryboardFiles())
    return FilmRun(plan, engine, ShotCache(folder), "weights", state=state)


def test_a_film_is_a_clip(engine: DirectedEngine, tmp_path: Path) -> None:
    run = film(engine, tmp_path / "a", fps=12)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    progress = list(run)
    assert all(step.stage == "sample" for step in progress)
    assert [step.done for step in progress] == sorted(step.done for step in progress)
    assert progress[-1].done == progress[-1].total
    clip = run.clip()
    assert clip.frames.shape == (114, 32, 32, 3)
    assert (clip.fps, clip.seconds) == (12.0, 9.5)
    assert clip.provenance.read_as == "a film of 3 shots"
    assert np.array_equal(np.stack(list(run.frames())), clip.frames)


def test_a_film_continues_elsewhere_from_any_moment(engine: DirectedEngine, tmp_path: Path) -> None:
    run = film(engine, tmp_path / "whole")
    states: list[State] = []
    for progress in run:
        if progress.done % 4 == 1:
            states.append(run.state())
    frames = run.clip().frames
    assert len(states) >= 4
    # In the first shot after its first window, in a later shot, and in the transition.
    for number in (1, len(states) // 2, -1):
        state = states[number]
        # Only what `to_bytes` keeps reaches the other process, and the contents of the parts.
        parts = {name: part() for name, part in state.parts.items()}
        copy = saved_state.from_bytes(saved_state.to_bytes(state), parts.__getitem__)
        again = film(engine, tmp_path / str(number), state=copy)
        assert min(progress.done for progress in again) >= state.step - 3  # from the window that it was in
        assert np.array_equal(again.clip().frames, frames)


def test_a_paused_film_goes_on_where_it_was(engine: DirectedEngine, tmp_path: Path) -> None:
    run = film(engine, tmp_path / "whole")
    list(run)
    paused = film(engine, tmp_path / "paused")
    reports: list[int] = []
    for pause in (2, 4, 13, 99):
        for progress in paused:
            reports.append(progress.done)
            if progress.done == pause:
                break
    assert reports == sorted(reports)
    assert np.array_equal(paused.clip().frames, run.clip().frames)


def test_a_state_of_another_film_is_refused(engine: DirectedEngine, tmp_path: Path) -> None:
    run = film(engine, tmp_path / "a", SHOTS[:2])
    next(progress for progress in run if progress.done == 4)
    state = run.state()
    with pytest.raises(UnusableState, match="another request"):
        film(engine, tmp_path / "b", SHOTS, state=state)
    list(run)
    with pytest.raises(UnusableState, match="missing"):
        film(engine, tmp_path / "c", SHOTS[:2], state=dataclasses.replace(run.state(), parts={}))


def test_a_shot_may_show_a_part_of_a_video(engine: DirectedEngine, tmp_path: Path) -> None:
    frames = (np.arange(16 * 32 * 32 * 3) // 400 % 256).astype(np.uint8).reshape(16, 32, 32, 3)
    source = references.save_frames(frames, Fraction(8), SOURCE, tmp_path)
    files = StoryboardFiles(
        videos={
            "v": MediaFile(source.digest, source.media_type, 0, (32, 32), 2.0, Fraction(8), path=source.path)
        }
    )
    shots = [
        {"prompt": "a kite", "seconds": 1},
        {"video": {"id": "v"}, "from": 0.5, "seconds": 1},
        {"prompt": "a kite rising", "seconds": 1, "cut": False},
        {"video": "v", "seconds": 1, "transition": {"kind": "fade", "seconds": 0.5}},
    ]
    run = film(engine, tmp_path / "cache", shots, files=files)
    list(run)
    clip = run.clip().frames
    assert np.array_equal(clip[8:16], frames[4:12])
    assert np.array_equal(clip[24:], frames[4:8])
    assert set(run.shots) == {"1", "3"}
    # It goes on from the last frames of the part, not of the video.
    context, count = run._context(2)
    assert context is not None
    assert np.array_equal(references.last_frames(context, Fraction(8), 99, (32, 32)), frames[12 - count : 12])
    with pytest.raises(BadInput, match=r"shots.2.seconds: it ends at 2.5 s of a video that has 2 s"):
        film(engine, tmp_path / "b", [shots[0], {**shots[1], "seconds": 2}], files=files)
    with pytest.raises(BadInput, match="nothing of the film would be drawn"):
        film(engine, tmp_path / "b", shots[1:2], files=files)


def test_a_film_that_is_too_long_is_no_clip(engine: DirectedEngine, tmp_path: Path) -> None:
    run = film(
        engine, tmp_path / "a", [{**SHOTS[0], "id": str(number), "seconds": 50} for number in range(4)]
    )
    with pytest.raises(BadInput, match="200 s at 32x32 is too long for one clip"):
        run.clip()
