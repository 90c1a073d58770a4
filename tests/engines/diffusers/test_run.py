"""What a run is between two steps: left, cancelled, saved; and what it never does twice."""

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
from hinode.registry.entry import Lora
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import ModelHome, finish

FAMILY = "wan2.1-t2v"


def test_too_few_steps_for_a_stretched_schedule_are_refused(models: ModelHome) -> None:
    models.add("ltx-video")
    with pytest.raises(BadInput, match="does not sample in 1 step; give 2 or more"):
        models.run("ltx-video", steps=1)


def test_a_run_without_references_ends(models: ModelHome) -> None:
    models.add(FAMILY)
    run = models.run(FAMILY)
    next(progress for progress in run if progress.stage == "sample")
    waiting = next(thread for thread in threading.enumerate() if thread.name == "pipeline")
    del run
    gc.collect()
    waiting.join(10)
    assert not waiting.is_alive()


def test_two_runs_of_one_model_do_not_disturb_each_other(models: ModelHome) -> None:
    models.add(FAMILY)
    engine = models.engine()
    alone = [finish(engine.start(models.request(FAMILY, seed=seed))).frames for seed in (1, 2)]
    runs = [engine.start(models.request(FAMILY, seed=seed)) for seed in (1, 2)]
    running = [iter(run) for run in runs]
    while running:
        running = [steps for steps in running if next(steps, None) is not None]
    for run, frames in zip(runs, alone, strict=True):
        assert np.array_equal(run.clip().frames, frames)
    assert not np.array_equal(*alone)


def test_another_seed_loads_no_text_encoder(models: ModelHome, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models.checkpoint(FAMILY), folder)
    models.add(FAMILY, "cached", source=str(folder))
    first = models.clip("cached", seed=1)
    run = models.run("cached", seed=2)
    second = finish(run)
    assert "text_encoder" not in run.model.parts
    assert not np.array_equal(first.frames, second.frames)
    other = models.engine().start(dataclasses.replace(models.request("cached"), prompt="two white birds"))
    finish(other)
    assert "text_encoder" in other.model.parts


def test_the_cache_of_embeddings_is_limited_and_survives_damage(tmp_path: Path) -> None:
    embeddings = Embeddings(tmp_path / "embeddings", max_files=2)
    for number in range(4):
        embeddings.put(embeddings.key(number=number), [number, None])
    assert len(list(embeddings.folder.iterdir())) == 2
    key = embeddings.key(number=3)
    assert embeddings.get(key, "cpu") == [3, None]
    (embeddings.folder / f"{key}.safetensors").write_bytes(b"nothing")
    assert embeddings.get(key, "cpu") is None


def test_a_state_of_another_run_is_refused(models: ModelHome) -> None:
    models.add(FAMILY)
    engine = models.engine()
    run = models.run(FAMILY)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    state = run.state()
    assert (state.engine, state.step) == ("diffusers", 2)
    with pytest.raises(EngineError, match="another request"):
        engine.start(models.request(FAMILY, seed=6), state)
    for body in (b"", b"nothing", state.body[:-200], saved_state.dump({"head": 1})):
        with pytest.raises(EngineError, match="damaged"):
            engine.start(models.request(FAMILY), State("diffusers", 2, body))


def test_a_state_of_another_schedule_is_refused(models: ModelHome, tmp_path: Path) -> None:
    file = tiny_models.write_lora(models.checkpoint(FAMILY), tmp_path / "fast.safetensors")
    models.add(FAMILY, "changed", loras=(Lora(str(file), steps=4, shift=3.0),))
    run = models.run("changed", steps=None)
    next(progress for progress in run if (progress.stage, progress.done) == ("sample", 2))
    state = run.state()
    for steps, shift in ((4, 9.0), (8, 3.0)):
        models.add(FAMILY, "changed", loras=(Lora(str(file), steps=steps, shift=shift),))
        with pytest.raises(EngineError, match="another request"):
            models.engine().start(models.request("changed", steps=None), state)


def test_there_is_no_clip_before_the_end(models: ModelHome) -> None:
    models.add(FAMILY)
    with pytest.raises(EngineError, match="not finished"):
        models.run(FAMILY).clip()


def test_the_provenance_says_how_the_clip_was_made(models: ModelHome) -> None:
    models.add(FAMILY)
    provenance = models.clip(FAMILY).provenance
    assert (provenance.engine, provenance.model, provenance.steps, provenance.licence) == (
        "diffusers",
        FAMILY,
        4,
        "Apache-2.0",
    )
    assert "the whole prompt, by Wan 2.1 text to video" in provenance.read_as
    assert list(provenance.stage_seconds) == ["load", "text", "sample", "decode"]


def test_capabilities_need_no_torch(models: ModelHome) -> None:
    models.add(FAMILY)
    code = (
        "import sys\nfrom pathlib import Path\nfrom hinode import engines\n"
        "from hinode.settings import Settings\n"
        f"settings = Settings(home=Path({str(models.home)!r}))\n"
        f"capabilities = engines.capabilities('diffusers', settings, {FAMILY!r})\n"
        "assert capabilities.negative_prompt and capabilities.native_fps == (16.0,)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_registry_says_what_to_do(tmp_path: Path, models: ModelHome) -> None:
    settings = dataclasses.replace(models.settings, home=tmp_path)
    with pytest.raises(ModelError, match="hinode models add"):
        engines.get("diffusers", settings).capabilities()
    models.add(FAMILY)
    with pytest.raises(BadInput, match="there is no model 'dream'"):
        models.engine().capabilities("dream")
