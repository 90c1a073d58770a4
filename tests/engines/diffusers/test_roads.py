"""From a request to an MP4, by the command and by a worker, for every family; once through a real server."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import openai
import pytest
from typer.testing import CliRunner

from benchmarks.serving import Server
from hinode import cli
from hinode.engines.families import FAMILIES
from hinode.jobs.admit import Draft
from hinode.jobs.job import Artifact
from hinode.jobs.objects import Objects
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants import Tenants
from hinode.jobs.worker import Worker
from hinode.media.video import read_video
from hinode.records.database import Database
from hinode.request import FIRST_FRAME
from tests.engines.diffusers.conftest import PROMPT, STEPS, Shelf
from tests.engines.diffusers.test_every_family import EVERY
from tests.engines.diffusers.twins import TWINS


@EVERY
def test_the_command_makes_a_file(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, role: str
) -> None:
    shelf.add(family)
    monkeypatch.setenv("HINODE_HOME", str(shelf.home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    monkeypatch.setenv("HINODE_THREADS", "1")
    seconds = TWINS[family].frames / FAMILIES[family].fps
    words = ["generate", PROMPT, "--engine", "diffusers", "--model", family, "--size", "70x50", "--json"]
    words += ["--seconds", str(seconds), "--steps", "2", "--seed", "7", "-o", str(tmp_path / "clip.mp4")]
    words += ["--image", str(shelf.photo)] if role else []
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    about = json.loads(result.stdout)
    assert (about["engine"], about["model"], about["steps"]) == ("diffusers", family, 2)
    assert read_video(tmp_path / "clip.mp4").frames.shape == (TWINS[family].frames, 50, 70, 3)


@pytest.mark.parametrize("family", [family for family in TWINS if "" not in FAMILIES[family].pipelines])
def test_a_model_that_draws_from_a_picture_asks_for_one(shelf: Shelf, family: str) -> None:
    from hinode.errors import BadInput

    shelf.add(family)
    with pytest.raises(BadInput, match="draws from a picture") as caught:
        shelf.run(family)
    assert caught.value.field == FIRST_FRAME


@EVERY
def test_a_worker_makes_a_file(
    shelf: Shelf, tmp_path: Path, sqlite_template: Path, family: str, role: str
) -> None:
    shelf.add(family)
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'jobs.db')}")
    store, objects = Store(database), Objects(tmp_path / "store")
    request = shelf.request(family, role, steps=2)
    inputs = []
    if role:
        digest, size = objects.put(shelf.photo)
        inputs.append(Artifact("input", digest, "image/png", size))
    draft = Draft(
        Tenants(database, time.time).create_project("films").id, None, request, family, inputs=tuple(inputs)
    )
    job = store.submit([draft]).jobs[0]
    worker = Worker(store, objects, shelf.settings, host="here", engine=lambda name, settings: shelf.engine())
    assert worker.run_one()
    done = store.job(job.project_id, job.id)
    assert done is not None
    assert done.status is Status.COMPLETED, done.error_message
    video = objects.path(store.artifacts(job.id)["video"].digest)
    assert len(read_video(video).frames) == TWINS[family].frames
    database.close()


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_a_server_makes_videos_from_words_and_from_a_picture(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add("wan2.2-ti2v", "wan-small")
    home = tmp_path / "home"
    shutil.copytree(shelf.home / "models", home / "models")
    with Server(home, environment={"HINODE_DEVICE": "cpu", "HINODE_THREADS": "1"}) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=server.key("films"))
        assert "wan-small" in str(client.models.retrieve("diffusers/wan-small"))
        options = {"seconds": 9 / 24, "size": "64x64", "steps": STEPS, "seed": 5}
        words = client.videos.create(prompt=PROMPT, model="wan-small", extra_body=options)
        photo = tmp_path / "photo.png"
        _square(shelf.photo, photo)
        picture = client.videos.create(
            prompt=PROMPT, model="wan-small", input_reference=photo, extra_body=options
        )
        digests = set()
        for video in (words, picture):
            done = _waited(lambda video=video: client.videos.retrieve(video.id))
            assert done.status == "completed", done
            (tmp_path / "clip.mp4").write_bytes(client.videos.download_content(video.id).content)
            frames = read_video(tmp_path / "clip.mp4").frames
            assert frames.shape == (9, 64, 64, 3)
            digests.add(hashlib.sha256(frames.tobytes()).hexdigest())
        assert len(digests) == 2


def _square(source: Path, target: Path) -> None:
    from PIL import Image

    with Image.open(source) as picture:
        picture.resize((64, 64)).save(target)


def _waited(look: Callable[[], openai.types.Video]) -> openai.types.Video:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        video = look()
        if video.status not in ("queued", "in_progress"):
            return video
        time.sleep(0.2)
    raise AssertionError("the video was not ready in two minutes")
