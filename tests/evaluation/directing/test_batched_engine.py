"""Clips that are drawn together are the clips that the product makes one at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hinode import directing
from hinode.engines.native import catalog
from hinode.errors import EngineError
from hinode.evaluation.directing.cases import generate
from hinode.evaluation.directing.ensemble import BatchedEngine, drawn
from hinode.evaluation.directing.measures import masks
from hinode.evaluation.directing.stage import Stage, with_references
from hinode.request import FIRST_FRAME, KEYFRAME, Request, Segment
from hinode.settings import Settings


@pytest.fixture
def stage(settings: Settings, tmp_path: Path) -> Stage:
    return Stage(BatchedEngine(settings, together=3), catalog.find("toy", settings.models), tmp_path)


def requests(stage: Stage) -> dict[str, Request]:
    """One request of every kind that the suite makes."""
    case = generate("region", "test", 1)[0]
    (truth,) = stage.rendered([case.scene], 2.0)
    source = stage.source(truth)
    mask = stage.mask(masks(case.scene, 16, stage.fps, *stage.size, still=True))
    moving = stage.mask(masks(case.scene, 16, stage.fps, *stage.size, still=False))
    new = stage.request(case.prompt, 7, 2.0)
    longer = dataclasses.replace(new, seconds=4.0)
    backward = Segment(2.0), Segment(2.0, keep=source.digest)
    shots = tuple(Segment(2.0, prompt=f"a red {kind}", cut=True) for kind in ("kite", "ball"))
    return {
        "new": new,
        "first frame": with_references(new, "generate", stage.picture(truth[0], FIRST_FRAME)),
        "keyframe": with_references(new, "generate", stage.picture(truth[9], KEYFRAME, 9 / 8)),
        "path": dataclasses.replace(new, path=((0.0, 0.2, 0.3), (2.0, 0.7, 0.6))),
        "wide": stage.request(case.prompt, 8, 2.0, (64, 32)),
        "forward": with_references(longer, "extend", source),
        "backward": dataclasses.replace(with_references(longer, "extend", source), segments=backward),
        "loop": dataclasses.replace(longer, operation="loop", looped=True),
        "remix": with_references(new, "remix", source),
        "region": with_references(new, "edit", source, mask),
        "moving region": with_references(new, "edit", source, moving),
        "storyboard": dataclasses.replace(longer, operation="storyboard", segments=shots),
        "long": dataclasses.replace(new, seconds=7.0),
    }


def test_drawn_together_as_drawn_alone(stage: Stage, settings: Settings) -> None:
    asked = requests(stage)
    engine = directing.get("native", settings)
    for name, request, clip in zip(
        asked, asked.values(), drawn([*asked.values()], stage.ensemble), strict=True
    ):
        run = engine.start(request)
        for _ in run:
            pass
        alone = run.clip()
        assert alone.frames.shape == clip.frames.shape, name
        assert alone.fps == clip.fps
        # The last bits of a sum depend on how many clips are in a batch.
        assert np.abs(alone.frames.astype(int) - clip.frames).max() <= 1, name


def test_a_batch_is_no_larger_than_allowed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = stage.ensemble._drawn
    monkeypatch.setattr(stage.ensemble, "_drawn", lambda parts: (sizes.append(len(parts)), real(parts))[1])
    new = stage.request("a red kite", 0, 1.0)
    drawn([dataclasses.replace(new, seed=seed) for seed in range(7)], stage.ensemble)
    assert sizes == [3, 3, 1]


def test_a_clip_that_waits_is_not_there_yet(stage: Stage) -> None:
    part = stage.ensemble.start(stage.request("a red kite", 0, 1.0))
    with pytest.raises(EngineError, match="not finished"):
        part.clip()
    with pytest.raises(EngineError, match="cannot be saved"):
        part.state()
