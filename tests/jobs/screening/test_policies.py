"""The versions of the policy; `tests/jobs/test_operator_texts.py` has what holds for each text."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.jobs.screening.policies import Policies, StalePolicy
from hinode.records.database import Database
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


def test_every_version_stays(first: Policies, second: Policies) -> None:
    assert first.current().version == second.current().version == BUILTIN
    first.replace(CLOWNS, BUILTIN, "key_1")
    assert first.current().version == second.current().version == version(CLOWNS)
    with pytest.raises(StalePolicy):
        second.replace(MIMES, BUILTIN, "key_2")
    second.replace(MIMES, version(CLOWNS), "key_2")
    assert [(change.number, change.version, change.actor) for change in first.changes()] == [
        (2, version(MIMES), "key_2"),
        (1, version(CLOWNS), "key_1"),
    ]
    assert second.text_of(version(CLOWNS)) == CLOWNS


def test_no_text_is_the_policy_that_hinode_ships(first: Policies, second: Policies) -> None:
    first.replace(CLOWNS, BUILTIN, "key_1")
    second.path.parent.mkdir(parents=True)
    second.path.write_text("")  # as a server before this version has it
    assert second.current().version == version(CLOWNS)
    first.replace("", version(CLOWNS), "key_1")
    assert first.current().version == second.current().version == BUILTIN
    second.path.write_text("rules: nonsense")
    assert second.in_force() is None  # nothing passes there
    assert first.current().version == BUILTIN
    second.replace(MIMES, "", "key_1")
    assert first.current().version == version(MIMES)
