"""Each dialect against a server that answers in its shapes: create, poll, fetch, cancel, fail, resume."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hinode.background import wait_for
from hinode.engines.remote.dialects import DIALECTS
from hinode.errors import EngineError
from hinode.request import FIRST_FRAME, Reference
from tests.engines.remote.fleet import Fleet, steps
from tests.engines.remote.stubs import KEY, Answer

NAMES = tuple(DIALECTS)
WITH_JOBS = tuple(name for name in NAMES if DIALECTS[name].job)
PLAIN = {
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
    told = steps(run)
    clip = run.clip()
    assert clip.frames.shape == (8, 48, 64, 3)
    assert clip.fps == 8.0
    assert [int(frame[24, 60, 0]) for frame in clip.frames[::7]] == pytest.approx([40, 68], abs=3)
    assert clip.frames[:, 20, 10].min() > 245
    assert (clip.provenance.engine, clip.provenance.model, clip.provenance.seed) == ("remote", "wan", 5)
    (made,) = stub.made()
    assert made.path == PATHS.get(dialect, "/v1/videos")
    assert made.fields == PLAIN[dialect]
    assert made.headers["authorization"] == f"Bearer {KEY}"
    assert told[-1].stage == "decode"
    assert [one.done for one in told if one.stage == "sample"] == sorted(
        one.done for one in told if one.stage == "sample"
    )
    says = dialect in ("hinode", "openai", "sglang")
    assert (40 in {one.done for one in told}) == says
    assert stub.cancelled == []


@pytest.mark.parametrize("dialect", [name for name in NAMES if name != "openai"])
def test_everything_that_can_be_said_is_said(fleet: Fleet, dialect: str, tmp_path: Path) -> None:
    stub = fleet.add(dialect)
    fleet.model += "[model.wan.extra]\nguidance_scale = 5.5\n"
    references = (picture(tmp_path, (128, 96)),)
    run = fleet.start(steps=12, negative_prompt="rain", references=references, seed=2**40 + 3)
    steps(run)
    fields = stub.made()[0].fields
    facts = DIALECTS[dialect].fields
    assert fields[facts["negative_prompt"]] == "rain"
    at = fields
    for name in facts["steps"].split("."):
        at = at[name]
    assert int(at) == 12
    assert int(fields["seed"]) == (2**40 + 3) % (2**31 if dialect == "localai" else 2**63)
    assert float(fields["guidance_scale"]) == 5.5
    sent = fields[facts[FIRST_FRAME]]
    with Image.open(io.BytesIO(sent if isinstance(sent, bytes) else base64.b64decode(sent))) as image:
        assert image.size == (64, 48)
        assert np.asarray(image)[0, 0].tolist() == [200, 30, 40]


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_giving_up_is_told_to_the_server(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.looks = [("in_progress", 10)]
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
        assert stub.asked[-1].method == DIALECTS[dialect].cancel[0]


def test_giving_up_a_blocking_server_hangs_up(fleet: Fleet) -> None:
    stub = fleet.add("localai", whole_seconds=600)
    stub.instead["create"].append(Answer(hang=True))
    run = fleet.start()
    for progress in run:
        if stub.made():
            assert progress.stage == "sample"
            break
    call = run._call
    assert call is not None
    run.abandon()
    assert wait_for(call, 10)


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_job_that_fails_there_is_an_error(fleet: Fleet, dialect: str, caplog: Any) -> None:
    stub = fleet.add(dialect)
    stub.looks = [("in_progress", 10), ("failed", 10)]
    with pytest.raises(EngineError) as caught:
        steps(fleet.start())
    assert "/srv" not in str(caught.value)
    assert len(stub.made()) == 1


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_saved_run_goes_on_with_the_same_job(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.looks = [("in_progress", 40)]
    run = fleet.start()
    for _ in run:
        if fleet.clock.pauses:
            break
    state = run.state()
    stub.looks = [("completed", 100)]
    again = fleet.start(state)
    assert next(iter(again)).done == state.step
    steps(again)
    assert len(stub.made()) == 1
    assert again.clip().frames.shape == (8, 48, 64, 3)
    assert stub.cancelled == []


@pytest.mark.parametrize("dialect", WITH_JOBS)
def test_a_job_that_is_gone_is_made_again(fleet: Fleet, dialect: str) -> None:
    stub = fleet.add(dialect)
    stub.looks = [("in_progress", 40)]
    run = fleet.start()
    for _ in run:
        if fleet.clock.pauses:
            break
    state = run.state()
    stub.jobs.clear()  # it was restarted, and kept its jobs in memory
    stub.looks = [("completed", 100)]
    again = fleet.start(state)
    steps(again)
    assert len(stub.made()) == 2
    assert again.clip().seconds == 1


def test_sglang_with_a_bucket_names_another_address(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    elsewhere = fleet.add("sglang", models={"other": "x"})
    elsewhere.size = (64, 48)
    stub.instead["content"].append(Answer(400, {"detail": f"uploaded to {elsewhere.url}/bucket/a.mp4"}))
    stub.extra = {"url": f"{elsewhere.url}/bucket/a.mp4"}
    run = fleet.start()
    steps(run)
    (fetched,) = [one for one in elsewhere.asked if one.path.startswith("/bucket")]
    assert "authorization" not in fetched.headers


def test_a_key_may_have_a_header_of_its_own(fleet: Fleet) -> None:
    stub = fleet.add("openai", key_header="api-key")
    steps(fleet.start())
    assert stub.made()[0].headers["api-key"] == KEY
    assert "authorization" not in stub.made()[0].headers


def test_hinode_says_what_it_understood(fleet: Fleet) -> None:
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
    assert stub.made()[0].headers["idempotency-key"]
