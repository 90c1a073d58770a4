"""Saved states in the store: each finished part of a long clip is written once, and kept while needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import NativeEngine
from hinode.engines.protocol import Run, State, UnusableState
from hinode.jobs.files.checkpoints import Checkpoints, part_digests
from hinode.jobs.files.objects import Objects
from hinode.request import Request
from hinode.settings import Settings

LONG = Request("a red balloon over the sea", 32, 32, seconds=16.0, seed=3, model="toy")


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "store")


@pytest.fixture
def engine(settings: Settings) -> DirectedEngine:
    return DirectedEngine(NativeEngine(settings))


def stored_bytes(objects: Objects) -> int:
    return sum(path.stat().st_size for path in objects.root.glob("objects/??/*"))


def advance(run: Run, steps: int) -> None:
    """Run until so many sampling steps are finished."""
    assert any((progress.stage, progress.done) == ("sample", steps) for progress in run)


def test_what_a_checkpoint_writes_does_not_grow_with_the_clip(
    objects: Objects, engine: DirectedEngine
) -> None:
    run, checkpoints = engine.start(LONG), Checkpoints(objects)
    written: list[int] = []
    for progress in run:
        if progress.stage == "sample" and progress.done:
            before = stored_bytes(objects)
            checkpoints.put(run.state())
            written.append(stored_bytes(objects) - before)
    windows = len(part_digests(objects, [checkpoints.put(run.state())]))
    assert windows == 8
    half = len(written) // 2
    assert max(written[half:]) < 1.1 * max(written[:half])


def test_a_run_continues_from_the_store_to_the_same_bits(objects: Objects, engine: DirectedEngine) -> None:
    run, checkpoints = engine.start(LONG), Checkpoints(objects)
    advance(run, 7)
    checkpoints.put(run.state())
    advance(run, 16)
    digest = checkpoints.put(run.state())
    list(run)
    again, later = Checkpoints(objects), engine.start(LONG, Checkpoints(objects).load(digest))
    assert later.state().step == 16
    # Another process stores only what is new.
    again.load(digest)
    before = set(objects.root.glob("objects/??/*"))
    again.put(later.state())
    assert len(set(objects.root.glob("objects/??/*")) - before) <= 1
    list(later)
    assert np.array_equal(later.clip().frames, run.clip().frames)


def test_a_sweep_leaves_the_parts_of_states_that_are_needed(objects: Objects, engine: DirectedEngine) -> None:
    run, checkpoints = engine.start(LONG), Checkpoints(objects)
    advance(run, 8)
    digest = checkpoints.put(run.state())
    unneeded, _ = objects.put(b"of nobody")
    for path in objects.root.glob("objects/??/*"):
        os.utime(path, (1e9, 1e9))
    needed = {digest} | part_digests(objects, [digest, "0" * 64])
    assert len(needed) == 3
    assert objects.sweep(needed, 3600.0) == 1
    assert not objects.has(unneeded)
    state = checkpoints.load(digest)
    assert engine.start(LONG, state).state().step == 8


def test_a_part_that_was_swept_is_stored_again(objects: Objects, engine: DirectedEngine) -> None:
    run, checkpoints = engine.start(LONG), Checkpoints(objects)
    advance(run, 4)
    (part,) = part_digests(objects, [checkpoints.put(run.state())])
    objects.path(part).unlink()
    checkpoints.put(run.state())
    assert objects.has(part)


def test_a_state_without_its_parts_or_of_an_older_version_is_refused(
    objects: Objects, engine: DirectedEngine
) -> None:
    run, checkpoints = engine.start(LONG), Checkpoints(objects)
    advance(run, 4)
    digest = checkpoints.put(run.state())
    (part,) = part_digests(objects, [digest])
    objects.path(part).write_bytes(b"damaged")
    with pytest.raises(UnusableState, match="missing or damaged"):
        engine.start(LONG, checkpoints.load(digest))
    objects.path(part).unlink()
    with pytest.raises(UnusableState, match="missing or damaged"):
        engine.start(LONG, checkpoints.load(digest))
    older, _ = objects.put(b"PK\x03\x04 all windows in one file")
    assert part_digests(objects, [older]) == set()
    with pytest.raises(UnusableState, match="of another version"):
        checkpoints.load(older)
    with pytest.raises(UnusableState, match="of another version"):
        engine.start(LONG, State("native", 4, b"PK\x03\x04"))
