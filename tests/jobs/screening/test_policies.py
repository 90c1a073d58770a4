"""One policy for all servers of a database: written by one, edited in another's file, seen by all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.jobs.screening.policies import COPIES, FOLDER, Policies, StalePolicy
from hinode.records.database import Database
from hinode.trust.audit import log
from hinode.trust.audit.log import Filter
from hinode.trust.screening import policy as policies
from tests.jobs.service import Clock

pytestmark = pytest.mark.both_databases

BUILTIN = policies.builtin().version
CLOWNS = "rules:\n  - {id: clowns, category: gore, phrases: {en: [clown]}}\n"
MIMES = "rules:\n  - {id: mimes, category: gore, phrases: {en: [mime]}}\n"


@pytest.fixture
def first(database: Database, tmp_path: Path) -> Policies:
    return Policies(database, tmp_path / "first" / "policy.yaml", Clock())


@pytest.fixture
def second(database: Database, tmp_path: Path) -> Policies:
    return Policies(database, tmp_path / "second" / "policy.yaml", Clock())


def version(text: str) -> str:
    return policies.compiled(policies.read(text)).version


def test_what_one_server_puts_in_force_holds_on_all(first: Policies, second: Policies) -> None:
    assert first.current().version == second.current().version == BUILTIN
    assert not first.path.parent.exists()  # nothing was written
    first.replace(CLOWNS, BUILTIN, "key_1")
    assert first.current().version == second.current().version == version(CLOWNS)
    assert second.path.read_text() == CLOWNS
    with pytest.raises(StalePolicy):
        second.replace(MIMES, BUILTIN, "key_2")
    second.replace(MIMES, version(CLOWNS), "key_2")
    assert first.text() == first.path.read_text() == MIMES
    assert [(change.number, change.version, change.actor) for change in first.changes()] == [
        (2, version(MIMES), "key_2"),
        (1, version(CLOWNS), "key_1"),
    ]
    assert second.text_of(version(CLOWNS)) == CLOWNS
    with first.database.read() as connection:
        entries, _ = log.page(connection, Filter(kind="policy.changed"), after=None, limit=9)
    assert len(entries) == 2  # the one that was refused is not among them


def test_an_edit_of_a_file_holds_on_all_servers(first: Policies, second: Policies) -> None:
    first.path.parent.mkdir(parents=True)
    first.path.write_text(CLOWNS)
    assert first.current().version == version(CLOWNS)
    assert second.current().version == version(CLOWNS)
    second.path.write_text(MIMES)
    assert second.current().version == version(MIMES)
    assert first.current().version == version(MIMES)
    first.path.write_text(CLOWNS)  # back to a text that was in force
    assert first.current().version == second.current().version == version(CLOWNS)
    first.path.write_text("rules: nonsense")
    with pytest.raises(BadInput):
        first.current()  # nothing passes there
    assert second.current().version == version(CLOWNS)
    first.path.unlink()
    assert first.current().version == second.current().version == BUILTIN
    assert {change.actor for change in first.changes()} == {"policy.yaml"}


def test_an_old_copy_in_a_new_home_is_no_edit(first: Policies, second: Policies) -> None:
    first.replace(CLOWNS, BUILTIN, "key_1")
    first.replace(MIMES, version(CLOWNS), "key_1")
    second.path.parent.mkdir(parents=True)
    second.path.write_text(CLOWNS)  # as a container that is made again has it
    assert second.current().version == version(MIMES)
    assert second.path.read_text() == MIMES
    # A process that died between two writes has not edited the file either.
    first.replace("", version(MIMES), "key_1")
    second._remember(MIMES, "")
    assert second.current().version == BUILTIN
    assert [change.number for change in first.changes()] == [3, 2, 1]


def test_a_home_that_cannot_be_written_to_has_the_policy_too(first: Policies, second: Policies) -> None:
    first.replace(CLOWNS, BUILTIN, "key_1")
    second.path.parent.mkdir(parents=True)
    (second.path.parent / FOLDER).write_text("no folder")
    assert second.current().version == version(CLOWNS)
    second.path.write_text(MIMES)  # an edit, which is entered once
    assert second.current().version == version(MIMES)
    first.replace("", version(MIMES), "key_1")
    assert second.current().version == first.current().version == BUILTIN


def test_of_two_edits_at_once_one_is_refused(first: Policies, second: Policies) -> None:
    refused: list[str] = []

    def put(policy: Policies, text: str) -> None:
        try:
            policy.replace(text, BUILTIN, "key_1")
        except StalePolicy:
            refused.append(text)

    threads = [
        threading.Thread(target=put, args=pair) for pair in ((first, CLOWNS), (second, MIMES), (first, MIMES))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    assert len(first.changes()) == 1
    assert first.current().version == second.current().version == first.changes()[0].version
    assert (first.path.parent / FOLDER / COPIES).exists()
