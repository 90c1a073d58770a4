"""From a request to an MP4 for every family: by the command, and by a server with its worker."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import openai
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.serving import Server
from hinode import cli
from hinode.engines.limits import STEPS
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Artifact
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.media.video import read_video
from hinode.records.database import Database
from hinode.registry import entries
from hinode.registry.families import FAMILIES
from hinode.request import FIRST_FRAME, LAST_FRAME
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import PROMPT, Shelf, drawn
from tests.engines.diffusers.test_every_family import CASES, named
from tests.engines.diffusers.twins import TWINS

STARTS = [(family, role) for family, role in CASES if role in ("", FIRST_FRAME)]
OTHERS = [(family, role) for family, role in CASES if role not in ("", FIRST_FRAME)]
NEW = [(family, role) for family, role in CASES if role not in ("remix", "edit", "extend")]


@pytest.mark.parametrize(("family", "role"), NEW, ids=named)
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
    words += ["--profile", "draft"] if not role else []
    words += ["--image", str(shelf.photo)] if FIRST_FRAME in role else []
    words += ["--last-image", str(shelf.finish)] if LAST_FRAME in role else []
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    about = json.loads(result.stdout)
    assert (about["engine"], about["model"], about["steps"]) == ("diffusers", family, 2)
    assert f"profile {'best' if role else 'draft'}" in about["read_as"]
    assert read_video(tmp_path / "clip.mp4").frames.shape == (TWINS[family].frames, 50, 70, 3)


@pytest.mark.parametrize("family", [family for family in TWINS if "" not in FAMILIES[family].pipelines])
def test_a_model_that_draws_from_a_picture_asks_for_one(shelf: Shelf, family: str) -> None:
    shelf.add(family)
    with pytest.raises(BadInput, match="draws from an image as first frame and there is none") as caught:
        shelf.run(family)
    assert caught.value.field == FIRST_FRAME


def test_a_model_of_one_size_draws_at_that_whatever_is_asked_for(shelf: Shelf) -> None:
    shelf.add("cogvideox-i2v")
    run = shelf.run("cogvideox-i2v", FIRST_FRAME, width=48, height=96, steps=1)
    assert drawn(run).frames.shape[1:3] == (48, 64)


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
@pytest.mark.timeout(600)
def test_a_server_makes_a_video_of_every_family_from_all_that_it_can_start_from(
    shelf: Shelf, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for family in TWINS:
        shelf.add(family, f"api-{family}")
    (home / "models").mkdir(parents=True)
    for family in TWINS:
        shutil.copy(entries.path(f"api-{family}", shelf.home), home / "models")
    with Server(home, environment={"HINODE_DEVICE": "cpu", "HINODE_THREADS": "1"}) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=server.key("films"))
        assert "api-ltx-2" in str(client.models.retrieve("diffusers/api-ltx-2"))
        asked = {}
        for family, role in STARTS:
            width, height = TWINS[family].size
            more = {"input_reference": _picture(shelf.photo, tmp_path, (width, height))} if role else {}
            asked[family, role] = client.videos.create(
                prompt=PROMPT,
                model=f"api-{family}",
                extra_body={
                    "seconds": TWINS[family].frames / FAMILIES[family].fps,
                    "size": f"{width}x{height}",
                    "steps": 2,
                    "seed": 5,
                    "profile": "best" if role else "draft",
                },
                **more,
            )
        digests = {}
        for (family, role), video in asked.items():
            done = _waited(client, video.id)
            assert done.status == "completed", (family, role, done)
            assert done.to_dict()["profile"] == ("best" if role else "draft")
            (tmp_path / "clip.mp4").write_bytes(client.videos.download_content(video.id).content)
            frames = read_video(tmp_path / "clip.mp4").frames
            assert frames.shape == (TWINS[family].frames, *reversed(TWINS[family].size), 3)
            digests[family, role] = hashlib.sha256(frames.tobytes()).hexdigest()
        # A picture makes another video than words alone.
        for (family, role), digest in digests.items():
            assert not role or digest != digests.get((family, ""))
        options = {"seconds": 1, "size": "64x48", "steps": STEPS[1]}
        video = client.videos.create(prompt=PROMPT, model="api-wan2.1-t2v", extra_body=options)
        while client.videos.retrieve(video.id).status == "queued":
            time.sleep(0.05)
        client.post(f"/videos/{video.id}/cancel", cast_to=object)
        ended = _waited(client, video.id)
        assert (ended.status, ended.error and ended.error.code) == ("failed", "cancelled")


@pytest.mark.parametrize(("family", "role"), OTHERS, ids=named)
def test_a_worker_makes_a_file(
    shelf: Shelf, tmp_path: Path, sqlite_template: Path, family: str, role: str
) -> None:
    shelf.add(family)
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'jobs.db')}")
    store, objects = Store(database), Objects(tmp_path / "store")
    request = shelf.request(family, role, steps=2)
    inputs = []
    for reference in request.references:
        digest, size = objects.put(Path(reference.path))
        inputs.append(Artifact(reference.role, digest, reference.media_type, size))
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
    assert len(read_video(video).frames) == round(request.seconds * FAMILIES[family].fps)
    database.close()


class Watched(Objects):
    """A store that remembers the previews it was given."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[tuple[int, int]] = []

    def show(self, job_id: str, picture: bytes) -> None:
        super().show(job_id, picture)
        with Image.open(self.preview(job_id)) as opened:
            self.seen.append(opened.size)


def test_a_worker_shows_what_the_video_will_look_like(
    shelf: Shelf, tmp_path: Path, sqlite_template: Path
) -> None:
    family = "wan2.1-t2v"
    decoder = twins.write_tiny(family, shelf.twin(family), tmp_path / "tiny.safetensors")
    shelf.add(family, "shown", decoder=str(decoder))
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'jobs.db')}")
    store, objects = Store(database), Watched(tmp_path / "store")
    project = Tenants(database, time.time).create_project("films")
    job = store.submit([Draft(project.id, None, shelf.request("shown"), "shown")]).jobs[0]
    worker = Worker(store, objects, shelf.settings, host="here", engine=lambda name, settings: shelf.engine())
    assert worker.run_one()
    done = store.job(job.project_id, job.id)
    assert done is not None
    assert done.status is Status.COMPLETED, done.error_message
    assert objects.seen
    assert set(objects.seen) == {TWINS[family].size}
    video = objects.path(store.artifacts(job.id)["video"].digest)
    assert len(read_video(video).frames) == TWINS[family].frames
    database.close()


def _picture(photo: Path, folder: Path, size: tuple[int, int]) -> Path:
    """A photo in the size of a video, as Sora wants it."""
    file = folder / f"photo-{size[0]}x{size[1]}.png"
    if not file.is_file():
        with Image.open(photo) as picture:
            picture.resize(size).save(file)
    return file


def _waited(client: openai.OpenAI, video_id: str) -> openai.types.Video:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        video = client.videos.retrieve(video_id)
        if video.status not in ("queued", "in_progress"):
            return video
        time.sleep(0.1)
    raise AssertionError("the video was not ready in four minutes")
