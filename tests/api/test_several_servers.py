"""Two servers with a home each on one database: they quote, hold and refuse by the same books."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.records.database import Database
from hinode.settings import Settings
from tests.api.conftest import ALIASES, CheckError, Clock, Server
from tests.api.routes.test_credits import BILLING, PRICES

pytestmark = pytest.mark.both_databases

CLIP = {"prompt": "a red kite", "size": "64x36", "seconds": "1"}
DEARER = PRICES.replace("0.25", "0.5")
BOOKS = "/v1/economics/books"


@pytest.fixture
def servers(database: Database, tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers, whose clients send a key of the operator's project."""
    clock = Clock()
    with ExitStack() as stack:
        contexts = [
            Context(Settings(home=tmp_path / name, aliases=ALIASES, threads=1, device="cpu"), database, clock)
            for name in ("first", "second")
        ]
        operator = contexts[0].tenants.project(None)
        contexts[0].consents.confirm(operator.id, "test")
        key = contexts[0].tenants.create_key("operator", project=operator.id, scopes=ALL_SCOPES)
        headers = {"authorization": f"Bearer {key.key}"}
        result = []
        for context in contexts:
            context.settings.home.mkdir(exist_ok=True)
            client = stack.enter_context(TestClient(create_app(context), headers=headers))
            result.append(Server(client, context, operator.id, key.key, key.id))
        yield result


def file(server: Server, name: str) -> Path:
    return server.context.settings.home / name


def price(server: Server) -> Any:
    answer = server.client.post("/v1/videos/quote", json=CLIP)
    assert answer.status_code == 200, answer.text
    return answer.json()["price"]


def digest(server: Server, name: str = "prices") -> str:
    return str(server.client.get(BOOKS).json()[name]["digest"])


def put(server: Server, text: str, edited: str) -> Any:
    return server.client.put(f"{BOOKS}/prices", json={"text": text, "edited": edited})


def test_an_edit_at_one_server_is_the_price_at_the_other(
    servers: list[Server], check_error: CheckError
) -> None:
    first, second = servers
    assert price(first) is price(second) is None
    before = digest(second)
    assert put(first, PRICES, before).status_code == 200
    assert price(second) == price(first) == 0.25
    assert check_error(put(second, DEARER, before), 409)["code"] == "book_conflict"
    assert price(second) == 0.25
    assert put(second, DEARER, digest(second)).status_code == 200
    assert price(first) == 0.5
    assert file(first, "prices.yaml").read_text() == DEARER
    # What a job holds is the price of that moment, at whichever server.
    first.context.tenants.change_project(first.project_id, billing=True)
    with first.context.store.database.write() as connection:
        credit.add_credit(connection, "pay", first.project_id, 10**6, "USD", Kind.PAYMENTS, 1.0)
    first.create()
    assert put(second, PRICES, digest(second)).status_code == 200
    first.create()
    assert first.client.get("/v1/credits").json()["pending"] == 750_000


def test_a_file_edited_by_hand_holds_at_both_and_a_wrong_one_refuses(servers: list[Server]) -> None:
    first, second = servers
    file(first, "prices.yaml").write_text(PRICES)
    assert price(first) == price(second) == 0.25
    file(second, "prices.yaml").write_text("prices: 3")
    first.context.tenants.change_project(first.project_id, billing=True)
    for path in ("/v1/videos/quote", "/v1/videos"):
        answer = second.client.post(path, json=CLIP)
        assert (answer.status_code, "price book" in answer.text) == (503, True)
    books = second.client.get(BOOKS).json()["prices"]
    assert (books["text"], books["fault"]) == ("prices: 3", "version is missing; add it")
    assert price(first) == 0.25
    assert file(second, "prices.yaml").read_text() == "prices: 3"
    assert put(second, DEARER, books["digest"]).status_code == 200
    assert price(first) == price(second) == 0.5


def test_the_other_files_hold_at_both(servers: list[Server]) -> None:
    first, second = servers
    file(first, "free.yaml").write_text("profiles: [draft]\n")
    file(second, "billing.yaml").write_text(BILLING)
    packs = [server.client.get("/v1/credits/packs").json()["data"] for server in (second, first)]
    assert [len(found) for found in packs] == [2, 2]
    for server in servers:
        assert server.client.post("/v1/videos", json=CLIP).json()["error"]["code"] == "not_free"
    file(second, "free.yaml").write_text("")  # a file without rules is a mistake, and nothing is free
    assert second.client.post("/v1/videos", json=CLIP).status_code == 503
    assert first.client.post("/v1/videos", json=CLIP).json()["error"]["code"] == "not_free"
