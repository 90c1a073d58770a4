"""The audit of the torture finds what it is there to find: here each kind of damage is done on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.audit import Promise, audit
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.records.tables import artifacts, attempts, events, jobs
from hinode.request import MediaFile, Request

NOW = 1_800_000_000.0
ROLES = ("video", "thumbnail", "spritesheet")


@dataclass
class Service:
    """A database and a store after one job was finished in good order, and what was promised."""

    database: Database
    objects: Objects
    job: str = ""
    promises: dict[str, Promise] = field(default_factory=dict)
    expected: list[dict[str, str]] = field(default_factory=list)
    delivered: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def problems(self) -> list[str]:
        return audit(self.database, self.objects.root, self.promises, self.expected, self.delivered).problems

    def execute(self, statement: sa.Executable) -> None:
        with self.database.write() as connection:
            connection.execute(statement)


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    tenants = Tenants(database, lambda: NOW)
    tenants.create_key("mine")
    project = tenants.projects()[0].id
    store = Store(database, lambda: NOW)
    service = Service(database, Objects(tmp_path / "store"))
    request = Request("a kite", engine="testcard", model="testcard", seconds=1.0)
    service.job = store.submit([Draft(project, None, request, "sora-2")]).jobs[0].id
    lease = store.claim(store.register_worker("here", 1), host="here")
    assert lease is not None
    files = {role: MediaFile(service.objects.put(role.encode())[0], "video/mp4", len(role)) for role in ROLES}
    store.finish(lease, files, {}, retention=60.0)
    service.promises[service.job] = Promise(0)
    service.expected.append({role: file.digest for role, file in files.items()})
    service.delivered[service.job] = {("video.completed", "evt_1")}
    return service


def test_a_service_in_order_has_no_problems(service: Service) -> None:
    result = audit(
        service.database, service.objects.root, service.promises, service.expected, service.delivered
    )
    assert result.problems == []
    assert (dict(result.ended), result.attempts) == ({"completed": 1}, 1)


def _lose(service: Service) -> None:
    service.promises["video_lost"] = Promise(0)


def _add_unrequested(service: Service) -> None:
    del service.promises[service.job]


def _leave_open(service: Service) -> None:
    service.execute(jobs.update().values(status="running"))


def _fail(service: Service) -> None:
    service.execute(jobs.update().values(status="failed", error_code="x", error_message="y"))


def _deliver_twice(service: Service) -> None:
    service.delivered[service.job].add(("video.completed", "evt_2"))


def _deliver_nothing(service: Service) -> None:
    service.delivered.clear()


def _forget_event(service: Service) -> None:
    service.execute(events.delete())


def _finish_twice(service: Service) -> None:
    values = {"job_id": service.job, "epoch": 2, "worker_id": "w", "host": "h", "started_at": NOW}
    service.execute(attempts.insert().values(**values, outcome="completed"))


def _attempt_open(service: Service) -> None:
    values = {"job_id": service.job, "epoch": 2, "worker_id": "w", "host": "h", "started_at": NOW}
    service.execute(attempts.insert().values(**values))


def _keep_lease(service: Service) -> None:
    service.execute(jobs.update().values(lease_until=NOW, worker_id="w"))


def _halve_file(service: Service) -> None:
    path = service.objects.path(service.expected[0]["video"])
    path.write_bytes(path.read_bytes()[:2])


def _remove_file(service: Service) -> None:
    service.objects.path(service.expected[0]["thumbnail"]).unlink()


def _another_file(service: Service) -> None:
    digest, size = service.objects.put(b"another")
    service.execute(artifacts.update().where(artifacts.c.role == "video").values(digest=digest, bytes=size))


def _no_file(service: Service) -> None:
    service.execute(artifacts.delete().where(artifacts.c.role == "spritesheet"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_lose, "accepted and is lost"),
        (_add_unrequested, "never requested"),
        (_leave_open, "is left running"),
        (_fail, "ended as failed: x, y"),
        (_deliver_twice, "endpoint got"),
        (_deliver_nothing, "endpoint got"),
        (_forget_event, "has the events []"),
        (_finish_twice, "after attempts that ended"),
        (_attempt_open, "attempt that never ended"),
        (_keep_lease, "still leased"),
        (_halve_file, "it is not whole"),
        (_halve_file, "has a video of 2 bytes"),
        (_remove_file, "no file for its thumbnail"),
        (_another_file, "other files than an undisturbed run"),
        (_no_file, "other files than an undisturbed run"),
    ],
)
def test_damage_is_found(service: Service, damage: Callable[[Service], None], sentence: str) -> None:
    damage(service)
    assert any(sentence in problem for problem in service.problems()), service.problems()
