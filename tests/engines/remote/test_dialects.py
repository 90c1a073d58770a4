"""Each dialect against a server that answers in its shapes: create, poll, fetch, cancel, fail, resume."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode.background import wait_for
from hinode.engines.remote.dialects import DIALECTS
from hinode.errors import BadInput, EngineError
from hinode.request import FIRST_FRAME, LAST_FRAME, Reference
from tests.engines.remote.fleet import Fleet, steps
from tests.engines.remote.stubs import KEY, Answer

NAMES = tuple(DIALECTS)
WITH_JOBS = tuple(name for name in NAMES if DIALECTS[name].job)
FIELDS = {
    "hinode": {
        "prompt": "a red kite",
        "model": "Wan-AI/Wan2.1",
        "size": "64x48",
        "seconds": "1",
        "fps": 8,
        "seed": 5,
    },
    "openai": {"prompt": "a red kite", "model": "Wan-AI/Wan2.1", "size": "64x48", "seconds": "1"},
    "sglang": {
        "prompt": "a red kite",
        "model": "Wan-AI/Wan2.1",
        "size": "64x48",
        "num_frames": 8,
        "fps": 8,
        "seed": 5,
    },
    "vllm-omni": {
        "prompt": "a red kite",
        "model": "Wan-AI/Wan2.1",
        "size": "64x48",
        "num_frames": "8",
        "fps": "8",
        "seed": "5",
    },
    "fastvideo": {
        "prompt": "a red kite",
        "model": "Wan-AI/Wan2.1",
        "size": "64x48",
        "num_frames": 8,
        "fps": 8,
        "seed": 5,
    },
    "stable-diffusion.cpp": {
        "prompt": "a red kite",
        "width": 64,
        "height": 48,
        "video_frames": 8,
        "fps": 8,
        "seed": 5,
        "output_format": "avi",
    },
    "localai": {
        "prompt": "a red kite",
        "model": "Wan-AI/Wan2.1",
        "width": 64,
        "height": 48,
        "num_frames": 8,
        "fps": 8,
        "seed": 5,
        "response_format": "b64_json",
    },
}
PATHS = {"stable-diffusion.cpp": "/sdcpp/v1/vid_gen", "localai": "/video"}


def picture(folder: Path, size: tuple[int, int] = (64, 48)) -> Reference:
    path = folder / "first.png"
    Image.new("RGB", size, (200, 30, 40)).save(path)
    return Reference(FIRST_FRAME, "0" * 64, "image/png", path=str(path))


@pytest.mark.parametrize("dialect", NAMES)
def test_a_clip_is_made(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    run = fleet.start()
    reports = steps(run)
    clip = run.clip()
    assert clip.frames.shape == (8, 48, 64, 3)
    assert clip.fps == 8.0
    assert [int(frame[24, 60, 0]) for frame in clip.frames[::7]] == pytest.approx([40, 68], abs=3)
    assert clip.frames[:, 20, 10].min() > 245
    assert (clip.provenance.engine, clip.provenance.model, clip.provenance.seed) == ("remote", "wan", 5)
    (creation,) = stub.creations()
    assert creation.path == PATHS.get(dialect, "/v1/videos")
    assert creation.fields == FIELDS[dialect]
    assert creation.headers["authorization"] == f"Bearer {KEY}"
    assert reports[-1].stage == "decode"
    done = [report.done for report in reports if report.stage == "sample"]
    assert done == sorted(done)
    assert (40 in done) == (dialect in ("hinode", "openai", "sglang"))  # the others report no progress
    assert stub.cancelled == []


@pytest.mark.parametrize("dialect", [name for name in NAMES if name != "openai"])
def test_every_field_of_a_request_is_sent(fleet: Fleet, dialect: str, tmp_path: Path) -> None:
    stub = fleet.add(dialect)
    fleet.model += "[model.wan.extra]\nguidance_scale = 5.5\n"
    references = (picture(tmp_path, (128, 96)),)
    run = fleet.start(steps=12, negative_prompt="rain", references=references, seed=2**40 + 3)
    steps(run)
    fields = stub.creations()[0].fields
    names = DIALECTS[dialect].fields
    assert fields[names["negative_prompt"]] == "rain"
    steps_field = fields
    for name in names["steps"].split("."):
        steps_field = steps_field[name]
    assert int(steps_field) == 12
    assert int(fields["seed"]) == (2**40 + 3) % (2**31 if dialect == "localai" else 2**63)
    assert float(fields["guidance_scale"]) == 5.5
    sent = fields[names[FIRST_FRAME]]
    with Image.open(io.BytesIO(sent if isinstance(sent, bytes) else base64.b64decode(sent))) as image:
        assert image.size == (64, 48)
        assert np.asarray(image)[0, 0].tolist() == [200, 30, 40]


@pytest.mark.parametrize("dialect", ["stable-diffusion.cpp", "localai"])
def test_a_last_frame_is_sent_where_the_model_takes_one(fleet: Fleet, dialect: str, tmp_path: Path) -> None:
    stub = fleet.add(dialect)
    last = dataclasses.replace(picture(tmp_path), role=LAST_FRAME)
    with pytest.raises(BadInput, match="last frame"):
        fleet.start(references=(last,))
    fleet.model += "last_frame = true\n"
    steps(fleet.start(references=(last,)))
    with Image.open(io.BytesIO(base64.b64decode(stub.creations()[0].fields["end_image"]))) as image:
        assert image.size == (64, 48)


def test_a_job_that_is_still_being_stopped_counts_as_stopped(fleet: Fleet, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    stub = fleet.add("vllm-omni")
    stub.statuses = [("in_progress", 10)]
    stub.overrides["cancel"].append(Answer(409, {"detail": "Cancellation in progress."}))
    run = fleet.start()
    for _ in run:
        if fleet.clock.pauses:
            break
    run.abandon()
    assert "may continue" not in caplog.text


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_an_abandoned_job_is_cancelled(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.statuses = [("in_progress", 10)]
    run = fleet.start()
    for progress in run:
        if fleet.clock.pauses:
            assert progress.done < 100
            break
    run.abandon()
    (name,) = stub.jobs
    if DIALECTS[dialect].cancel is None:
        assert stub.cancelled == []
    else:
        assert stub.cancelled == [name]
        assert stub.received[-1].method == DIALECTS[dialect].cancel[0]


def test_abandoning_a_blocking_server_hangs_up(fleet: Fleet) -> None:
    stub = fleet.add("localai", whole_seconds=600)
    stub.overrides["create"].append(Answer(hang=True))
    run = fleet.start()
    for progress in run:
        if stub.creations():
            assert progress.stage == "sample"
            break
    call = run._waiter.call
    assert call is not None
    run.abandon()
    assert wait_for(call, 10)


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_job_that_fails_there_is_an_error(fleet: Fleet, dialect: str, caplog: Any) -> None:
    stub = fleet.add(dialect)
    stub.statuses = [("in_progress", 10), ("failed", 10)]
    with pytest.raises(EngineError) as caught:
        steps(fleet.start())
    assert "/srv" not in str(caught.value)
    assert len(stub.creations()) == 1


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_resumed_run_follows_the_same_job(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.statuses = [("in_progress", 40)]
    run = fleet.start()
    for _ in run:
        if fleet.clock.pauses:
            break
    state = run.state()
    stub.statuses = [("completed", 100)]
    resumed = fleet.start(state)
    assert next(iter(resumed)).done == state.step
    steps(resumed)
    assert len(stub.creations()) == 1
    assert resumed.clip().frames.shape == (8, 48, 64, 3)
    assert stub.cancelled == []


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_job_that_is_gone_is_created_again(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.statuses = [("in_progress", 40)]
    run = fleet.start()
    for _ in run:
        if fleet.clock.pauses:
            break
    state = run.state()
    stub.jobs.clear()  # a restart, and the jobs were only in memory
    stub.statuses = [("completed", 100)]
    resumed = fleet.start(state)
    steps(resumed)
    assert len(stub.creations()) == 2
    assert resumed.clip().seconds == 1


def test_sglang_with_a_bucket_names_another_address(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    bucket = fleet.add("sglang", models={"other": "x"})
    bucket.size = (64, 48)
    stub.overrides["content"].append(Answer(400, {"detail": f"uploaded to {bucket.url}/bucket/a.mp4"}))
    stub.extra = {"url": f"{bucket.url}/bucket/a.mp4"}
    run = fleet.start()
    steps(run)
    (fetched,) = [request for request in bucket.received if request.path.startswith("/bucket")]
    assert "authorization" not in fetched.headers


def test_a_key_may_have_a_header_of_its_own(fleet: Fleet) -> None:
    stub = fleet.add("openai", key_header="api-key")
    steps(fleet.start())
    assert stub.creations()[0].headers["api-key"] == KEY
    assert "authorization" not in stub.creations()[0].headers


def test_a_hinode_reports_the_provenance(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.extra = {
        "making": {
            "read_as": "red kite",
            "understood": ["red", "kite"],
            "not_understood": ["a"],
            "steps": 24,
        }
    }
    run = fleet.start()
    steps(run)
    provenance = run.clip().provenance
    assert (provenance.understood, provenance.not_understood, provenance.steps) == (
        ("red", "kite"),
        ("a",),
        24,
    )
    assert provenance.read_as == "red kite; made by s1 with Wan-AI/Wan2.1"
    assert stub.creations()[0].headers["idempotency-key"]
