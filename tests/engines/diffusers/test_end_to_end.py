"""From a request to an MP4: by the command, by a worker, and by a server with its worker."""

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

from benchmarks.serving import ServerHarness
from hinode import cli
from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.records.database import Database
from hinode.registry import paths
from hinode.registry.families import FAMILIES
from hinode.request import FIRST_FRAME, LAST_FRAME, STEPS, MediaFile, Request
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.conftest import CASES, PROMPT, ModelHome, each_case, input_kind
from tests.engines.diffusers.tiny_models import TINY_MODELS
from tests.videos import read_video

ON_VIDEO = ("remix", "edit", "extend")
NEW_CLIPS = [case for case in CASES if case[1] not in ON_VIDEO]
OF_THE_API = [case for case in CASES if case[1] in ("", FIRST_FRAME)]
OF_A_WORKER = [case for case in CASES if case not in OF_THE_API]


@pytest.mark.parametrize(("family", "mode"), each_case(by=input_kind, cases=NEW_CLIPS))
def test_the_command_writes_a_file(
    models: ModelHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, mode: str
) -> None:
    models.add(family)
    monkeypatch.setenv("HINODE_HOME", str(models.home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    monkeypatch.setenv("HINODE_THREADS", "1")
    seconds = TINY_MODELS[family].frames / FAMILIES[family].fps
    command = ["generate", PROMPT, "--engine", "diffusers", "--model", family, "--size", "70x50", "--json"]
    command += ["--seconds", str(seconds), "--steps", "2", "--seed", "7", "-o", str(tmp_path / "clip.mp4")]
    command += ["--profile", "draft"] if not mode else []
    command += ["--image", str(models.first_picture)] if FIRST_FRAME in mode else []
    command += ["--last-image", str(models.last_picture)] if LAST_FRAME in mode else []
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["engine"], facts["model"], facts["steps"]) == ("diffusers", family, 2)
    assert f"profile {'best' if mode else 'draft'}" in facts["read_as"]
    assert read_video(tmp_path / "clip.mp4").frames.shape == (TINY_MODELS[family].frames, 50, 70, 3)


@pytest.mark.parametrize("family", [family for family in FAMILIES if "" not in FAMILIES[family].pipelines])
def test_a_model_that_requires_a_picture_asks_for_one(models: ModelHome, family: str) -> None:
    name = models.add_entry(family)
    with pytest.raises(BadInput, match="draws from an image as first frame and there is none") as caught:
        models.engine().estimate(Request(PROMPT, 64, 64, 1.0, engine="diffusers", model=name))
    assert caught.value.field == FIRST_FRAME


def test_a_model_of_one_size_samples_that_size(models: ModelHome) -> None:
    models.add("cogvideox-i2v")
    clip = models.clip("cogvideox-i2v", FIRST_FRAME, width=48, height=96, steps=1)
    assert clip.frames.shape[1:3] == (48, 64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
@pytest.mark.timeout(600)
def test_a_server_makes_a_video_of_every_family(models: ModelHome, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    for family in TINY_MODELS:
        models.add(family, f"api-{family}")
        shutil.copy(paths.entry_file(f"api-{family}", models.home), home / "models")
    with ServerHarness(home, environment={"HINODE_DEVICE": "cpu", "HINODE_THREADS": "1"}) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=server.key("films"))
        assert "api-ltx-2" in str(client.models.retrieve("diffusers/api-ltx-2"))
        videos = {
            (family, mode): _create(client, family, mode, models.first_picture, tmp_path)
            for family, mode in OF_THE_API
        }
        digests = {}
        for (family, mode), video in videos.items():
            result = _wait(client, video.id)
            assert result.status == "completed", (family, mode, result)
            assert result.to_dict()["profile"] == ("best" if mode else "draft")
            (tmp_path / "clip.mp4").write_bytes(client.videos.download_content(video.id).content)
            frames = read_video(tmp_path / "clip.mp4").frames
            tiny_model = TINY_MODELS[family]
            assert frames.shape == (tiny_model.frames, *reversed(tiny_model.size), 3)
            digests[family, mode] = hashlib.sha256(frames.tobytes()).hexdigest()
        # A picture makes another video than text alone.
        for (family, mode), digest in digests.items():
            assert not mode or digest != digests.get((family, ""))
        options = {"seconds": 1, "size": "64x48", "steps": STEPS[1]}
        video = client.videos.create(prompt=PROMPT, model="api-wan2.1-t2v", extra_body=options)
        while client.videos.retrieve(video.id).status == "queued":
            time.sleep(0.05)
        client.post(f"/videos/{video.id}/cancel", cast_to=object)
        result = _wait(client, video.id)
        assert (result.status, result.error and result.error.code) == ("failed", "cancelled")


def _create(client: openai.OpenAI, family: str, mode: str, picture: Path, folder: Path) -> openai.types.Video:
    width, height = TINY_MODELS[family].size
    more = {}
    if mode:  # the API expects a picture in the size of the video
        file = folder / f"{width}x{height}.png"
        Image.open(picture).resize((width, height)).save(file)
        more["input_reference"] = file
    return client.videos.create(
        prompt=PROMPT,
        model=f"api-{family}",
        extra_body={
            "seconds": TINY_MODELS[family].frames / FAMILIES[family].fps,
            "size": f"{width}x{height}",
            "steps": 2,
            "seed": 5,
            "profile": "best" if mode else "draft",
        },
        **more,
    )


def _wait(client: openai.OpenAI, video_id: str) -> openai.types.Video:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        video = client.videos.retrieve(video_id)
        if video.status not in ("queued", "in_progress"):
            return video
        time.sleep(0.1)
    raise AssertionError("the video was not ready in four minutes")


class RecordingObjects(Objects):
    """A store that records the sizes of the previews that it receives."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.preview_sizes: list[tuple[int, int]] = []

    def put_preview(self, job_id: str, picture: bytes) -> None:
        super().put_preview(job_id, picture)
        with Image.open(self.preview(job_id)) as opened:
            self.preview_sizes.append(opened.size)


def _run_worker(models: ModelHome, database: Database, objects: Objects, request: Request) -> Path:
    """The video that a worker makes for a request."""
    store = Store(database)
    inputs = {}
    for reference in request.references:
        digest, size = objects.put(Path(reference.path))
        inputs[reference.role] = MediaFile(digest, reference.media_type, size)
    project = Tenants(database, time.time).create_project("films")
    draft = Draft(project.id, None, request, request.model or "", inputs=inputs)
    job = store.submit([draft]).jobs[0]
    worker = Worker(
        store, objects, models.settings, host="here", engine=lambda name, settings: models.engine()
    )
    assert worker.run_one()
    result = store.job(job.project_id, job.id)
    assert result is not None
    assert result.status is Status.COMPLETED, result.error_message
    return objects.path(store.artifacts(job.id)["video"].digest)


@pytest.fixture
def jobs_database(tmp_path: Path, sqlite_template: Path) -> Database:
    return Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'jobs.db')}")


@pytest.mark.parametrize(("family", "mode"), each_case(by=input_kind, cases=OF_A_WORKER))
def test_a_worker_writes_a_file(
    models: ModelHome, tmp_path: Path, jobs_database: Database, family: str, mode: str
) -> None:
    models.add(family)
    request = models.request(family, mode, steps=2)
    video = _run_worker(models, jobs_database, Objects(tmp_path / "store"), request)
    assert len(read_video(video).frames) == round(request.seconds * FAMILIES[family].fps)
    jobs_database.close()


def test_a_worker_stores_previews(models: ModelHome, tmp_path: Path, jobs_database: Database) -> None:
    family = "wan2.1-t2v"
    decoder = tiny_models.write_tiny_decoder(family, models.checkpoint(family), tmp_path / "tiny.safetensors")
    models.add(family, "previewed", decoder=str(decoder))
    objects = RecordingObjects(tmp_path / "store")
    video = _run_worker(models, jobs_database, objects, models.request("previewed"))
    assert set(objects.preview_sizes) == {TINY_MODELS[family].size}
    assert len(read_video(video).frames) == TINY_MODELS[family].frames
    jobs_database.close()
