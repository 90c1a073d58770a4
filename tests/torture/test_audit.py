"""The audit of the torture finds what it is there to find: here each kind of damage is done on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.audit import Promise, audit
from hinode.jobs.admit import Draft
from hinode.jobs.files.objects import Objects
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.records.tables import artifacts, attempts, events, jobs
from hinode.request import MediaFile, Request

NOW = 1_800_000_000.0
ROLES = ("video", "thumbnail", "spritesheet")


@dataclass
class House:
    """A database and a store after one job was made in good order, and what is known of it."""

    database: Database
    objects: Objects
    job: str = ""
    promises: dict[str, Promise] = field(default_factory=dict)
    expected: list[dict[str, str]] = field(default_factory=list)
    told: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def problems(self) -> list[str]:
        return audit(self.database, self.objects.root, self.promises, self.expected, self.told).problems

    def do(self, statement: sa.Executable) -> None:
        with self.database.write() as connection:
            connection.execute(statement)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    tenants = Tenants(database, lambda: NOW)
    tenants.create_key("mine")
    project = tenants.projects()[0].id
    store = Store(database, lambda: NOW)
    house = House(database, Objects(tmp_path / "store"))
    request = Request("a kite", engine="testcard", model="testcard", seconds=1.0)
    house.job = store.submit([Draft(project, None, request, "sora-2")]).jobs[0].id
    lease = store.claim(store.enrol("here", 1), host="here")
    assert lease is not None
    files = {role: MediaFile(house.objects.put(role.encode())[0], "video/mp4", len(role)) for role in ROLES}
    store.finish(lease, files, {}, retention=60.0)
    house.promises[house.job] = Promise(0)
    house.expected.append({role: file.digest for role, file in files.items()})
    house.told[house.job] = {("video.completed", "evt_1")}
    return house


def test_a_house_in_order_has_no_problems(house: House) -> None:
    books = audit(house.database, house.objects.root, house.promises, house.expected, house.told)
    assert books.problems == []
    assert (dict(books.ended), books.attempts) == ({"completed": 1}, 1)


def _lose(house: House) -> None:
    house.promises["video_lost"] = Promise(0)


def _make_unasked(house: House) -> None:
    del house.promises[house.job]


def _leave_open(house: House) -> None:
    house.do(jobs.update().values(status="running"))


def _fail(house: House) -> None:
    house.do(jobs.update().values(status="failed", error_code="x", error_message="y"))


def _tell_twice(house: House) -> None:
    house.told[house.job].add(("video.completed", "evt_2"))


def _tell_nothing(house: House) -> None:
    house.told.clear()


def _forget_event(house: House) -> None:
    house.do(events.delete())


def _finish_twice(house: House) -> None:
    values = {"job_id": house.job, "epoch": 2, "worker_id": "w", "host": "h", "started_at": NOW}
    house.do(attempts.insert().values(**values, outcome="completed"))


def _attempt_open(house: House) -> None:
    values = {"job_id": house.job, "epoch": 2, "worker_id": "w", "host": "h", "started_at": NOW}
    house.do(attempts.insert().values(**values))


def _keep_lease(house: House) -> None:
    house.do(jobs.update().values(lease_until=NOW, worker_id="w"))


def _halve_file(house: House) -> None:
    path = house.objects.path(house.expected[0]["video"])
    path.write_bytes(path.read_bytes()[:2])


def _remove_file(house: House) -> None:
    house.objects.path(house.expected[0]["thumbnail"]).unlink()


def _another_file(house: House) -> None:
    digest, size = house.objects.put(b"another")
    house.do(artifacts.update().where(artifacts.c.role == "video").values(digest=digest, bytes=size))


def _no_file(house: House) -> None:
    house.do(artifacts.delete().where(artifacts.c.role == "spritesheet"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_lose, "accepted and is lost"),
        (_make_unasked, "never asked for"),
        (_leave_open, "is left running"),
        (_fail, "ended as failed: x, y"),
        (_tell_twice, "endpoint was told"),
        (_tell_nothing, "endpoint was told"),
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
def test_damage_is_found(house: House, damage: Callable[[House], None], sentence: str) -> None:
    damage(house)
    assert any(sentence in problem for problem in house.problems()), house.problems()
