"""The credit of a project over HTTP, and what a request without enough of it is answered."""

from __future__ import annotations

import time

import pytest

from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from tests.api.conftest import Server

PRICES = """
version: 2026-11-01
prices:
  - name: testcard/testcard
    provider: us
    usd_per_second: {"360": 0.25}
    source: own price list
    mark: own
    date: 2026-11-01
"""


@pytest.fixture
def server(server: Server) -> Server:
    """A project that pays for its clips."""
    (server.context.settings.home / "prices.yaml").write_text(PRICES)
    server.context.tenants.change_project(server.project_id, billing=True)
    with server.context.store.database.write() as connection:
        credit.add_credit(
            connection, f"pay_{server.project_id}", server.project_id, 600_000, "USD", Kind.PAYMENTS, 1.0
        )
    return server


def test_a_clip_is_paid_for_from_the_credit(server: Server) -> None:
    before = server.client.get("/v1/credits").json()
    assert (before["billing"], before["available"], before["pending"]) == (True, 600_000, 0)
    server.create()
    waiting = server.client.get("/v1/credits").json()
    assert (waiting["available"], waiting["pending"]) == (350_000, 250_000)
    server.run_jobs()
    after = server.client.get("/v1/credits").json()
    assert (after["available"], after["pending"]) == (350_000, 0)
    assert [lot["available"] for lot in after["data"]] == [350_000]


def test_a_request_without_credit_is_answered_402(server: Server) -> None:
    answer = server.client.post("/v1/videos", json={"prompt": "a red kite", "size": "64x36", "seconds": "4"})
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert error["code"] == "insufficient_credit"
    assert "lacks 0.40 USD of 1.00 USD" in error["message"]
    assert server.client.get("/v1/videos").json()["data"] == []


def test_a_size_without_a_price_is_refused(server: Server) -> None:
    answer = server.client.post(
        "/v1/videos", json={"prompt": "a red kite", "size": "1280x720", "seconds": "1"}
    )
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "missing_price"


def test_credit_that_expired_is_not_listed(server: Server) -> None:
    with server.context.store.database.write() as connection:
        credit.add_credit(
            connection,
            f"old_{server.project_id}",
            server.project_id,
            10,
            "USD",
            Kind.GRANTS,
            1.0,
            expires_at=time.time() - 60,
        )
    assert server.client.get("/v1/credits").json()["available"] == 600_000
