"""Texts of the operator, of two homes and one database: written by one, edited in the other, seen by both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.screening.policies import Policies
from hinode.money.books.operator import OperatorBooks
from hinode.money.pricing import Pricing
from hinode.records.database import Database
from hinode.trust.audit import log
from hinode.trust.audit.log import Filter
from hinode.trust.audit.texts import OperatorText, StaleText
from tests.jobs.service import Clock

pytestmark = pytest.mark.both_databases

RULES = "rules:\n  - {{id: one, category: gore, phrases: {{en: [{}]}}}}\n"
BOOK = "version: {}\nprices: []\n"
Text = OperatorText[Any]


def _books(database: Database, home: Path) -> OperatorBooks:
    return OperatorBooks(database, home, Clock())


@dataclass(frozen=True)
class Kind:
    """A kind of text with two right texts and a wrong one."""

    open: Callable[[Database, Path], Text]
    one: str
    two: str
    wrong: str = "nonsense: 3\n"


KINDS = {
    "policy": Kind(
        lambda database, home: Policies(database, home / "policy.yaml", Clock()),
        RULES.format("clown"),
        RULES.format("mime"),
    ),
    "prices": Kind(
        lambda database, home: _books(database, home).prices,
        BOOK.format("2026-11"),
        BOOK.format("2026-12"),
        wrong="",  # a file without a text is no missing one
    ),
    "costs": Kind(
        lambda database, home: _books(database, home).costs, "version: 2026-11\n", "version: 2026-12\n"
    ),
    "free": Kind(
        lambda database, home: _books(database, home).free_use,
        "clips_a_day: 1\n",
        "clips_a_day: 2\n",
        wrong="",
    ),
    "billing": Kind(
        lambda database, home: _books(database, home).sales,
        "tax: {name: VAT, rate: 19}\n",
        "tax: {name: VAT, rate: 20}\n",
    ),
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def first(kind: Kind, database: Database, tmp_path: Path) -> Text:
    return kind.open(database, tmp_path / "first")


@pytest.fixture
def second(kind: Kind, database: Database, tmp_path: Path) -> Text:
    return kind.open(database, tmp_path / "second")


def version(text: Text) -> str:
    present = text.present()
    return text.version(present.text, present.value)


def write(text: Text, content: str) -> None:
    text.path.parent.mkdir(parents=True, exist_ok=True)
    text.path.write_text(content)


def test_what_one_server_puts_in_force_holds_on_all(kind: Kind, first: Text, second: Text) -> None:
    before = version(first)
    assert (first.text(), second.text()) == ("", "")
    assert not first.path.parent.exists()  # nothing was written
    first.replace(kind.one, before, "key_1")
    assert second.text() == second.path.read_text() == kind.one
    assert version(second) == version(first) == first.version(kind.one, first.parse(kind.one))
    with pytest.raises(StaleText):
        second.replace(kind.two, before, "key_2")
    second.replace(kind.two, version(first), "key_2")
    assert first.text() == first.path.read_text() == kind.two
    assert [(change.number, change.actor) for change in first.changes()] == [(2, "key_2"), (1, "key_1")]
    with first.database.read() as connection:
        entries, _ = log.page(connection, Filter(kind=first.event), after=None, limit=9)
    assert [entry.actor for entry, _ in entries] == ["key_2", "key_1"]  # and not the one that was refused
    assert [entry.subject for entry, _ in entries] == [
        first.subject(change.version) for change in first.changes()
    ]


def test_an_edit_of_a_file_holds_on_all_servers(kind: Kind, first: Text, second: Text) -> None:
    for text, content in ((first, kind.one), (second, kind.two), (first, kind.one)):
        write(text, content)
        assert text.text() == content
        assert first.text() == second.text() == content
    first.path.unlink()
    assert first.text() == second.text() == ""
    assert first.facts(first.current()) == second.facts(second.current()) == first.facts(first.absent())
    assert not second.path.exists()
    assert {change.actor for change in first.changes()} == {first.path.name}


def test_a_file_that_is_wrong_refuses_there_and_loses_nothing(kind: Kind, first: Text, second: Text) -> None:
    write(first, kind.one)
    assert first.text() == second.text() == kind.one
    write(first, kind.wrong)
    for _ in range(2):
        with pytest.raises(BadInput):
            first.current()
    assert first.path.read_text() == first.text() == kind.wrong
    assert second.text() == second.path.read_text() == kind.one
    second.replace(kind.two, version(second), "key_1")
    with pytest.raises(BadInput):
        first.current()  # somebody has to look at it
    with pytest.raises(StaleText):
        first.replace(kind.one, version(second), "key_1")
    first.replace(kind.one, first.version_of_fault(), "key_1")
    assert first.text() == second.text() == kind.one
    write(first, "")
    first.path.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="UTF-8"):
        first.current()


def test_an_old_copy_in_a_new_home_is_no_edit(kind: Kind, first: Text, second: Text) -> None:
    first.replace(kind.one, version(first), "key_1")
    first.replace(kind.two, version(first), "key_1")
    write(second, kind.one)  # as a container that is made again has it
    assert second.text() == second.path.read_text() == kind.two
    # A process that died between two writes has not edited the file either.
    first.replace(kind.one, version(first), "key_1")
    second.copy.remember(kind.two, kind.one)
    assert second.text() == kind.one
    assert [change.number for change in first.changes()] == [3, 2, 1]


def test_a_database_that_is_new_gets_the_text_of_its_first_home(
    kind: Kind, first: Text, second: Text
) -> None:
    write(first, kind.one)
    first.copy.remember(kind.one)  # as with the database before
    assert first.text() == second.text() == kind.one


def test_a_home_that_cannot_be_written_to_has_the_text_too(kind: Kind, first: Text, second: Text) -> None:
    first.replace(kind.one, version(first), "key_1")
    folder = second.copy.digests.parent
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    assert second.text() == kind.one
    write(second, kind.two)  # an edit, which is entered once
    assert second.text() == first.text() == kind.two
    first.replace(kind.one, version(first), "key_1")
    assert first.text() == second.text() == kind.one
    assert len(first.changes()) == 3


def test_of_edits_at_once_one_holds(kind: Kind, first: Text, second: Text) -> None:
    before, refused = version(first), list[str]()

    def put(text: Text, content: str) -> None:
        try:
            text.replace(content, before, "key_1")
        except StaleText:
            refused.append(content)

    pairs = ((first, kind.one), (second, kind.two), (first, kind.two))
    threads = [threading.Thread(target=put, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    assert len(first.changes()) == 1
    assert version(first) == version(second) == first.changes()[0].version
    assert first.copy.digests.exists()


def test_texts_of_one_table_are_apart(database: Database, tmp_path: Path) -> None:
    books = _books(database, tmp_path)
    write(books.prices, KINDS["prices"].one)
    write(books.costs, KINDS["costs"].one)
    assert books.prices.text() == KINDS["prices"].one
    books.costs.replace(KINDS["costs"].two, version(books.costs), "key_1")
    assert [change.number for change in books.costs.changes()] == [2, 1]
    assert [change.number for change in books.prices.changes()] == [1]


def test_what_did_not_change_costs_one_statement_each(database: Database, tmp_path: Path) -> None:
    books = _books(database, tmp_path)
    pricing, seen = Pricing(books.prices, books.free_use), list[str]()
    write(books.prices, KINDS["prices"].one)
    pricing.tariff()
    sa.event.listen(database.engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
    assert pricing.tariff().book().version == "2026-11"
    assert len(seen) == 2
    assert all("max(" in statement for statement in seen)
