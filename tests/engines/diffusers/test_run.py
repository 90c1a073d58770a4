"""What a run is between two steps: left, cancelled, saved, and what it never does twice."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from hinode import engines
from hinode.engines import saved_state
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.protocol import State
from hinode.errors import BadInput, EngineError, ModelError
from hinode.registry.entries import Lora
from hinode.registry.families import FAMILIES
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import Shelf, drawn

FAMILY = "wan2.1-t2v"


def test_a_run_that_nobody_holds_ends(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    run = shelf.run(FAMILY)
    next(progress for progress in run if progress.stage == "sample")
    waiting = next(thread for thread in threading.enumerate() if thread.name == "pipeline")
    del run
    gc.collect()
    waiting.join(10)
    assert not waiting.is_alive()


def test_two_runs_of_one_model_do_not_disturb_each_other(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    engine = shelf.engine()
    alone = [drawn(engine.start(shelf.request(FAMILY, seed=seed))).frames for seed in (1, 2)]
    runs = [engine.start(shelf.request(FAMILY, seed=seed)) for seed in (1, 2)]
    left = [iter(run) for run in runs]
    while left:
        left = [steps for steps in left if next(steps, None) is not None]
    for run, frames in zip(runs, alone, strict=True):
        assert np.array_equal(run.clip().frames, frames)
    assert not np.array_equal(*alone)


def test_another_seed_reads_no_text_encoder(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shelf.twin(FAMILY), folder)
    shelf.add(FAMILY, "forgetful", source=str(folder))
    first = drawn(shelf.run("forgetful", seed=1))
    run = shelf.engine().start(shelf.request("forgetful", seed=2))
    second = drawn(run)
    assert "text_encoder" not in run.model.parts
    assert not np.array_equal(first.frames, second.frames)
    other = shelf.engine().start(dataclasses.replace(shelf.request("forgetful"), prompt="two white birds"))
    drawn(other)
    assert "text_encoder" in other.model.parts


def test_embeddings_are_few_and_survive_damage(tmp_path: Path) -> None:
    kept = Embeddings(tmp_path / "embeddings", most=2)
    for number in range(4):
        kept.put(kept.key(number=number), [number, None])
    assert len(list(kept.folder.iterdir())) == 2
    key = kept.key(number=3)
    assert kept.get(key, "cpu") == [3, None]
    (kept.folder / f"{key}.safetensors").write_bytes(b"nothing")
    assert kept.get(key, "cpu") is None


def test_a_state_of_something_else_is_refused(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    engine = shelf.engine()
    run = shelf.run(FAMILY)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    state = run.state()
    assert (state.engine, state.step) == ("diffusers", 2)
    with pytest.raises(EngineError, match="another request"):
        engine.start(shelf.request(FAMILY, seed=6), state)
    for body in (b"", b"nothing", state.body[:-200], saved_state.dump({"head": 1})):
        with pytest.raises(EngineError, match="damaged"):
            engine.start(shelf.request(FAMILY), State("diffusers", 2, body))


def test_a_state_of_another_schedule_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    file = twins.write_lora(shelf.twin(FAMILY), tmp_path / "fast.safetensors")
    shelf.add(FAMILY, "redone", loras=(Lora(str(file), steps=4, shift=3.0),))
    run = shelf.run("redone", steps=None)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    state = run.state()
    for steps, shift in ((4, 9.0), (8, 3.0)):
        shelf.add(FAMILY, "redone", loras=(Lora(str(file), steps=steps, shift=shift),))
        with pytest.raises(EngineError, match="another request"):
            shelf.engine().start(shelf.request("redone", steps=None), state)


def test_the_clip_is_there_only_at_the_end(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    with pytest.raises(EngineError, match="not finished"):
        shelf.run(FAMILY).clip()


def test_says_who_drew_and_how(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    provenance = drawn(shelf.run(FAMILY)).provenance
    assert (provenance.engine, provenance.model, provenance.steps, provenance.licence) == (
        "diffusers",
        FAMILY,
        4,
        "Apache-2.0",
    )
    assert "the whole prompt, by Wan 2.1 text to video" in provenance.read_as
    assert list(provenance.stage_seconds) == ["load", "text", "sample", "decode"]


def test_what_can_be_asked_is_known_without_torch(shelf: Shelf) -> None:
    shelf.add(FAMILY)
    code = (
        "import sys\nfrom pathlib import Path\nfrom hinode import engines\n"
        "from hinode.settings import Settings\n"
        f"able = engines.capabilities('diffusers', Settings(home=Path({str(shelf.home)!r})), {FAMILY!r})\n"
        "assert able.negative_prompt and able.native_fps == (16.0,)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_registry_says_what_to_do(tmp_path: Path, shelf: Shelf) -> None:
    settings = dataclasses.replace(shelf.settings, home=tmp_path)
    with pytest.raises(ModelError, match="hinode models add"):
        engines.get("diffusers", settings).capabilities()
    shelf.add(FAMILY)
    with pytest.raises(BadInput, match="there is no model 'dream'"):
        shelf.engine().capabilities("dream")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_whole(name: str) -> None:
    from hinode.licensing import licences

    family = FAMILIES[name]
    assert licences.find(family.licence).key == family.licence
    assert set(family.profiles) == {"draft", "standard", "best"}
    every, offset = family.frame_rule
    for seconds in (0.01, 1.0, family.seconds):
        kept, made = family.frames(seconds)
        assert made >= kept >= 1
        assert (made - offset) % every == 0
    assert family.frames(family.seconds)[1] <= family.most_frames + every
    for profile in family.profiles.values():
        for size in ((1280, 720), (720, 1280), (1792, 1024), (100, 60), (4096, 16)):
            width, height = family.size(size, profile)
            assert width % family.multiple == height % family.multiple == 0
            assert width * height <= max(family.pixels, family.multiple**2)
