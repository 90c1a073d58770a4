"""A backup of a server that runs, and the server that is restored from it."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import postgres as wheel
from benchmarks.postgres import PostgreSQL
from hinode.engines.testcard.engine import TestcardEngine
from hinode.errors import BadInput
from hinode.jobs.backup import backup
from hinode.jobs.backup.archive import BackupError
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.output import OutputError
from hinode.records.database import Database, DatabaseError
from hinode.request import Request
from hinode.settings import Settings

REQUEST = Request("a red balloon", 64, 48, seconds=0.5, seed=3, engine="testcard", model="testcard", steps=6)


class Killed(BaseException):
    """Ends a worker as a power cut does."""


@dataclasses.dataclass
class Server:
    """The jobs, keys and files of one server."""

    settings: Settings
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url)
        self.store = Store(self.database, self.clock)
        self.objects = Objects(self.settings.store)
        self.tenants = Tenants(self.database, time.time)

    def submit(self, **changes: object) -> str:
        project = self.tenants.project(None).id
        request = dataclasses.replace(REQUEST, **changes)  # type: ignore[arg-type]
        return self.store.submit([Draft(project, None, request, "testcard")]).jobs[0].id

    def status(self, job_id: str) -> Status:
        job = self.store.job(self.tenants.project(None).id, job_id)
        assert job is not None
        return job.status

    def run_job(self, step: Callable[[int], None] = lambda number: None) -> int:
        """Run the next job; returns how many steps that took."""
        steps: list[int] = []

        def count(seconds: float) -> None:
            steps.append(len(steps) + 1)
            step(len(steps))

        engine = TestcardEngine(self.settings, count)
        assert Worker(self.store, self.objects, self.settings, engine=lambda name, settings: engine).run_one()
        return len(steps)

    def video(self, job_id: str) -> bytes:
        """The finished video."""
        return self.objects.read(self.store.artifacts(job_id)["video"].digest)


@pytest.fixture
def server(database: Database, database_url: str, tmp_path: Path) -> Server:
    """A server with a model of its own, an upstream, and a cache."""
    settings = Settings(home=tmp_path / "home", database_url=database_url, checkpoint_seconds=0.0)
    made = Server(settings)
    made.tenants.create_project("films")
    for name in ("upstreams.toml", "models/mine.toml", "models/mine.safetensors", "logs/fault.log"):
        path = settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return made


@pytest.fixture
def target(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a machine with nothing on it."""
    url = f"sqlite:///{tmp_path / 'new' / 'hinode.db'}"
    if backend == "postgresql":
        postgres: PostgreSQL = request.getfixturevalue("postgres")
        url = postgres.create()
        monkeypatch.setenv("PATH", str(wheel.programs()), prepend=":")
    return Settings(home=tmp_path / "new", database_url=url, checkpoint_seconds=0.0)


@pytest.mark.both_databases
def test_a_restored_server_has_every_clip_key_and_running_job(
    server: Server, target: Settings, tmp_path: Path
) -> None:
    key = server.tenants.create_key("laptop").key
    finished = server.submit()
    server.run_job()
    running = server.submit(seed=4)

    def die(number: int) -> None:
        if number == 4:
            raise Killed

    with pytest.raises(Killed):
        server.run_job(die)
    assert server.status(running) is Status.RUNNING
    waiting = server.submit(seed=5)

    file = tmp_path / "hinode.backup"
    made = backup.create(server.settings, file)
    assert made.home == ("models/mine.toml", "trust/keys.json", "trust/secret", "upstreams.toml")
    assert made.left_out == ("models/mine.safetensors",)
    assert made.missing == ()
    assert made.bytes == file.stat().st_size
    assert file.stat().st_mode & 0o77 == 0
    later = server.submit(seed=6)

    restored = backup.restore(target, file)
    assert (restored.home, restored.objects) == (made.home, made.objects)
    new = Server(target, lambda: time.time() + 60)  # by which the lease on the running job has expired
    with closing(new.database):
        new.database.upgrade()
        assert new.tenants.authenticate(key) is not None
        assert new.video(finished) == server.video(finished)
        assert (target.home / "upstreams.toml").read_text() == "upstreams.toml"
        assert not (target.home / "logs").exists()
        assert new.status(running) is Status.RUNNING
        assert new.store.reap() == 1
        assert new.run_job() < REQUEST.steps, "it continues from its saved state"
        new.run_job()
        assert new.video(running) != new.video(waiting)
        with pytest.raises(AssertionError):
            new.status(later)
        events = new.store.submit([Draft(new.tenants.project(None).id, None, REQUEST, "testcard")])
        assert events.jobs
    server.database.close()


@pytest.mark.both_databases
def test_a_database_that_is_there_is_not_replaced(server: Server, tmp_path: Path, target: Settings) -> None:
    file = tmp_path / "hinode.backup"
    backup.create(server.settings, file)
    with pytest.raises(DatabaseError, match="restore into an empty one"):
        backup.restore(server.settings, file)
    backup.restore(target, file)
    with pytest.raises(DatabaseError, match="restore into an empty one"):
        backup.restore(target, file)
    server.database.close()


@pytest.mark.parametrize("keep", [0, 100, 0.3, 0.9, -1])
def test_a_backup_that_is_cut_off_restores_no_database(
    server: Server, tmp_path: Path, target: Settings, keep: float
) -> None:
    server.submit()
    server.run_job()
    file = tmp_path / "hinode.backup"
    backup.create(server.settings, file)
    content = file.read_bytes()
    file.write_bytes(
        content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)] if keep != -1 else b""
    )
    with pytest.raises(BackupError, match="use another one"):
        backup.restore(target, file)
    assert not (target.home / "hinode.db").exists()


def test_a_changed_file_is_noticed(server: Server, tmp_path: Path, target: Settings) -> None:
    server.submit()
    server.run_job()
    file = tmp_path / "hinode.backup"
    backup.create(server.settings, file)
    content = bytearray(file.read_bytes())
    place = content.index(b"ftypisom")
    content[place : place + 4] = b"FTYP"
    file.write_bytes(content)
    with pytest.raises(BackupError, match="the backup is damaged"):
        backup.restore(target, file)
    assert not (target.home / "hinode.db").exists()


def test_files_that_the_store_lost_are_named_and_the_rest_is_restored(
    server: Server, tmp_path: Path, target: Settings
) -> None:
    job = server.submit()
    server.run_job()
    files = server.store.artifacts(job)
    server.objects.path(files["thumbnail"].digest).unlink()
    server.objects.path(files["spritesheet"].digest).write_bytes(b"rotten")
    file = tmp_path / "hinode.backup"
    made = backup.create(server.settings, file)
    assert set(made.missing) == {files["thumbnail"].digest, files["spritesheet"].digest}
    restored = backup.restore(target, file)
    assert restored.missing == (files["spritesheet"].digest,)
    new = Server(target)
    assert new.video(job) == server.video(job)
    new.database.close()


def test_weights_are_part_of_it_if_asked_for(server: Server, tmp_path: Path, target: Settings) -> None:
    file = tmp_path / "hinode.backup"
    assert backup.create(server.settings, file, models=True).left_out == ()
    backup.restore(target, file)
    assert (target.home / "models" / "mine.safetensors").read_text() == "models/mine.safetensors"


def test_a_file_of_the_home_with_another_content_is_left_alone(
    server: Server, tmp_path: Path, target: Settings
) -> None:
    file = tmp_path / "hinode.backup"
    backup.create(server.settings, file)
    (target.home).mkdir()
    (target.home / "upstreams.toml").write_text("mine")
    with pytest.raises(BadInput, match=r"upstreams\.toml is there already"):
        backup.restore(target, file)
    assert (target.home / "upstreams.toml").read_text() == "mine"
    assert [path.name for path in target.home.rglob("*") if "hinode" in path.name] == []


def test_what_cannot_be_backed_up_is_said_before_any_work(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is in HINODE_HOME"):
        backup.create(server.settings, server.settings.home / "my.backup")
    with pytest.raises(BadInput, match="its folder does not exist"):
        backup.create(server.settings, tmp_path / "nowhere" / "my.backup")
    nothing = Settings(home=tmp_path / "nothing")
    with pytest.raises(DatabaseError, match="there is no database"):
        backup.create(nothing, tmp_path / "my.backup")
    assert not nothing.home.exists()


def test_a_full_disk_leaves_no_half_backup(
    server: Server, tmp_path: Path, files_of_at_most: Callable[..., object]
) -> None:
    file = tmp_path / "out" / "hinode.backup"
    file.parent.mkdir()
    with pytest.raises((OutputError, DatabaseError)), files_of_at_most(300_000):  # type: ignore[attr-defined]
        backup.create(server.settings, file)
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("backup.json", {"format": 2}, "of a later format"),
        ("backup.json", {"format": 1, "database": "postgresql"}, "has a dump of PostgreSQL"),
        ("backup.json", {"format": 1, "database": "sqlite", "revision": "9999"}, "newer version of Hinode"),
        ("video.mp4", {}, "no complete backup"),
    ],
)
def test_what_is_no_backup_of_this_version_is_refused(
    tmp_path: Path, target: Settings, name: str, content: dict[str, object], sentence: str
) -> None:
    file = tmp_path / "some.tar"
    with tarfile.open(file, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(text := json.dumps(content).encode())
        archive.addfile(entry, io.BytesIO(text))
    with pytest.raises((BackupError, DatabaseError), match=sentence):
        backup.restore(target, file)
    assert not target.home.exists()


@pytest.mark.parametrize("name", ["home/../../outside", "home//etc/passwd", "home/"])
def test_names_that_lead_out_of_the_home_are_refused(
    server: Server, tmp_path: Path, target: Settings, name: str
) -> None:
    file, changed = tmp_path / "hinode.backup", tmp_path / "changed.backup"
    backup.create(server.settings, file)
    with tarfile.open(file) as source, tarfile.open(changed, "w") as made:
        for entry in source:
            content = source.extractfile(entry)
            if entry.name == "home/upstreams.toml":
                entry.name = name
            made.addfile(entry, content)
    with pytest.raises(BackupError):
        backup.restore(target, changed)
    assert not (tmp_path / "outside").exists()
    assert not (target.home / "hinode.db").exists()
