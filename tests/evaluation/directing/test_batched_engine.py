"""Clips that are generated together are the clips that the product makes one at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hinode import directing
from hinode.engines.native import catalog
from hinode.errors import EngineError
from hinode.evaluation.directing.batched_engine import BatchedEngine, generate
from hinode.evaluation.directing.cases import make_cases
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.measures import subject_mask
from hinode.request import FIRST_FRAME, KEYFRAME, MASK, Reference, Request, Segment
from hinode.settings import Settings


@pytest.fixture
def harness(settings: Settings, tmp_path: Path) -> Harness:
    return Harness(BatchedEngine(settings, batch_size=3), catalog.find("toy", settings.models), tmp_path)


def with_references(request: Request, operation: str, *references: Reference) -> Request:
    return dataclasses.replace(request, operation=operation, references=references)


def requests(harness: Harness) -> dict[str, Request]:
    """One request of every kind that the suite makes."""
    case = make_cases("region", "test", 1)[0]
    (truth,) = harness.render([case.scene], 2.0)
    source = harness.reference(truth)
    mask = harness.reference(subject_mask(case.scene, 16, harness.fps, harness.size, still=True), MASK)
    moving = harness.reference(subject_mask(case.scene, 16, harness.fps, harness.size, still=False), MASK)
    new = harness.request(case.prompt, 7, 2.0)
    longer = dataclasses.replace(new, seconds=4.0)
    backward = Segment(2.0), Segment(2.0, keep=source.digest)
    shots = tuple(Segment(2.0, prompt=f"a red {kind}", cut=True) for kind in ("kite", "ball"))
    return {
        "new": new,
        "first frame": with_references(new, "generate", harness.picture(truth[0], FIRST_FRAME)),
        "keyframe": with_references(new, "generate", harness.picture(truth[9], KEYFRAME, 9 / 8)),
        "path": dataclasses.replace(new, path=((0.0, 0.2, 0.3), (2.0, 0.7, 0.6))),
        "wide": harness.request(case.prompt, 8, 2.0, (64, 32)),
        "forward": with_references(longer, "extend", source),
        "backward": dataclasses.replace(with_references(longer, "extend", source), segments=backward),
        "loop": dataclasses.replace(longer, operation="loop", looped=True),
        "remix": with_references(new, "remix", source),
        "region": with_references(new, "edit", source, mask),
        "moving region": with_references(new, "edit", source, moving),
        "storyboard": dataclasses.replace(longer, operation="storyboard", segments=shots),
        "long": dataclasses.replace(new, seconds=7.0),
    }


def test_a_batch_gives_the_clips_of_single_runs(harness: Harness, settings: Settings) -> None:
    by_name = requests(harness)
    engine = directing.get("native", settings)
    clips = generate([*by_name.values()], harness.engine)
    for (name, request), clip in zip(by_name.items(), clips, strict=True):
        run = engine.start(request)
        for _ in run:
            pass
        single = run.clip()
        assert single.frames.shape == clip.frames.shape, name
        assert single.fps == clip.fps
        # The last bits of a sum depend on how many clips are in a batch.
        assert np.abs(single.frames.astype(int) - clip.frames).max() <= 1, name


def test_a_batch_has_its_maximum_size(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = harness.engine._generate
    monkeypatch.setattr(harness.engine, "_generate", lambda plans: (sizes.append(len(plans)), real(plans))[1])
    new = harness.request("a red kite", 0, 1.0)
    generate([dataclasses.replace(new, seed=seed) for seed in range(7)], harness.engine)
    assert sizes == [3, 3, 1]


def test_a_pending_clip_is_not_finished(harness: Harness) -> None:
    run = harness.engine.start(harness.request("a red kite", 0, 1.0))
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    with pytest.raises(EngineError, match="cannot be saved"):
        run.state()
