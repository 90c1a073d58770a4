"""What the server costs and brings in, for its operator only; and the limit of loss at every door."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from hinode.api.context import Context
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.trust.audit import log
from hinode.trust.audit.log import Filter
from tests.api.conftest import CheckError, Server
from tests.api.routes.test_credits import PRICES

COSTS = """
version: 2026-11-01
hardware:
  - {hardware: own, usd_per_hour: 3.6, hosts: ["*"], source: invoice, date: 2026-11-01}
providers: []
"""


@pytest.fixture
def server(application: tuple[Context, TestClient]) -> Server:
    """A server with books, whose client is the operator's."""
    context, client = application
    (context.settings.home / "prices.yaml").write_text(PRICES)
    (context.settings.home / "costs.yaml").write_text(COSTS)
    operator = context.tenants.project(None)
    context.consents.confirm(operator.id, "test")
    key = context.tenants.create_key("operator", project=operator.id, scopes=ALL_SCOPES)
    client.headers["authorization"] = f"Bearer {key.key}"
    return Server(client, context, operator.id, key.key, key.id)


ROUTES = (
    ("GET", "economics"),
    ("GET", "economics/books"),
    ("GET", "economics/limits"),
    ("PUT", "economics/limits"),
    ("POST", "economics/what-if"),
    ("POST", "economics/books/costs/check"),
    ("PUT", "economics/books/prices"),
    ("GET", "budgets"),
    ("PUT", "budgets"),
    ("DELETE", f"budgets/budget_{32 * '0'}"),
    ("GET", "capacity"),
)


def test_only_the_operator_sees_the_economics(server: Server, check_error: CheckError) -> None:
    headers = server.other_project()
    for method, path in ROUTES:
        answer = server.client.request(method, f"/v1/{path}", json={}, headers=headers)
        assert check_error(answer, 403)["code"] == "insufficient_role"


def test_the_report_has_the_revenue_of_the_ledger(server: Server, check_error: CheckError) -> None:
    server.context.tenants.change_project(server.project_id, billing=True)
    with server.context.store.database.write() as connection:
        credit.add_credit(connection, "pay", server.project_id, 10**6, "USD", Kind.PAYMENTS, 1.0)
    check_error(server.client.get("/v1/capacity"), 400, "arrivals")
    check_error(server.client.get("/v1/capacity?arrivals=100"), 400, "seconds")
    video = server.render()
    report = server.client.get("/v1/economics").json()
    assert (report["clips"], report["delivered"], report["revenue"]) == (1, 1, 0.25)
    assert report["margin"] == pytest.approx(0.25 - report["cost"])
    assert report["by"]["hardware"]["own"]["clips"] == 1
    assert report["worst"][0]["id"] == video["id"]
    assert sum(day["revenue"] for day in report["days"]) == 0.25
    plan = server.client.get("/v1/capacity").json()
    assert (plan["measured"], list(plan["by_class"])) == (True, ["own"])
    assert plan["arrivals"] == pytest.approx(1 / 168)
    check_error(server.client.get("/v1/economics?since=tomorrow"), 400, "since")
    (server.context.settings.home / "costs.yaml").unlink()
    answer = server.client.get("/v1/economics")
    assert answer.status_code == 200
    lack = answer.json()
    assert (lack["object"], lack["file"]) == ("economics.missing_prices", "costs.yaml")
    assert len(lack["missing"]) == 1
    assert lack["missing"][0].startswith("an hour of the host ")
    plan = server.client.get("/v1/capacity").json()
    assert plan["missing"] == lack["missing"]
    wrong = server.client.get("/v1/capacity?arrivals=5&hardware=abacus=60").json()
    assert wrong["missing"] == ["an hour of abacus"]


def test_books_capacity_and_what_if(server: Server, check_error: CheckError) -> None:
    books = server.client.get("/v1/economics/books").json()
    assert books["prices"]["entries"][0]["name"] == "testcard/testcard"
    assert "the price of testcard/testcard is of 2026-11-01" in books["prices"]["stale"][0]
    assert books["costs"]["entries"][0]["hardware"] == "own"
    plan = server.client.get("/v1/capacity?arrivals=100&hardware=a=90@1.5,b=30@4&target=60").json()
    assert plan["cheapest"]["usd_per_hour"] > 0
    assert set(plan["by_class"]) == {"a", "b"}
    check_error(server.client.get("/v1/capacity?arrivals=100&hardware=a"), 400, "hardware")
    question = {"values": {"usd_per_clip": 0.1}, "levers": ["prepaid"], "seed": 3}
    first, second = (server.client.post("/v1/economics/what-if", json=question).json() for _ in range(2))
    assert first == second
    assert first["outcome"]["pays"] is True
    assert next(entry["value"] for entry in first["inputs"] if entry["name"] == "usd_per_clip") == 0.1
    for wrong in ({"nothing": 1}, {"retention_day_30": 0.9}):
        check_error(server.client.post("/v1/economics/what-if", json={"values": wrong}), 400, "values")
    check_error(server.client.post("/v1/economics/what-if", json={"scenario": "x"}), 400, "scenario")


def test_the_limit_of_loss_is_set_and_removed(server: Server, check_error: CheckError) -> None:
    (server.context.settings.home / "free.yaml").write_text("profiles: [draft]\n")
    body = {"period": "day", "hard": "12.50"}
    limits = server.client.put("/v1/economics/limits", json=body).json()
    assert [(entry["scope"], entry["hard"]) for entry in limits["data"]] == [("free", 12_500_000)]
    assert limits["free_use"] == {
        "profiles": ["draft"],
        "clips_a_day": None,
        "idle_only": False,
        "visible_mark": True,
    }
    check_error(server.client.put("/v1/economics/limits", json={"hard": "-1"}), 400, "hard")
    assert server.client.put("/v1/economics/limits", json={"period": "day"}).json()["data"] == []


def test_a_book_is_tried_and_then_replaced(server: Server, check_error: CheckError) -> None:
    server.render()
    path = server.context.settings.home / "costs.yaml"
    books = server.client.get("/v1/economics/books").json()
    assert books["costs"]["text"] == COSTS
    dearer = COSTS.replace("3.6", "7.2")
    trial = server.client.post("/v1/economics/books/costs/check", json={"text": dearer}).json()
    assert trial["fault"] is None
    assert [(change["name"], change["after"]) for change in trial["changes"]] == [
        ("own, own", "7.2 an hour, hosts *")
    ]
    assert trial["usd_after"] == pytest.approx(2 * trial["usd_before"], rel=0.05)
    assert path.read_text() == COSTS  # nothing was written
    nobody = COSTS.replace('"*"', "gpu-1")
    trial = server.client.post("/v1/economics/books/costs/check", json={"text": nobody}).json()
    assert trial["missing"][0].startswith("an hour of the host ")
    assert trial["usd_after"] is None
    faulty = COSTS.replace("3.6", "-1")
    fault = server.client.post("/v1/economics/books/costs/check", json={"text": faulty}).json()["fault"]
    assert (fault["line"], fault["message"]) == (4, "hardware.1.usd_per_hour is -1; give 0 or more")
    body = {"text": faulty, "edited": books["costs"]["digest"]}
    check_error(server.client.put("/v1/economics/books/costs", json=body), 400, "hardware.1.usd_per_hour")
    body = {"text": dearer, "edited": books["costs"]["digest"]}
    saved = server.client.put("/v1/economics/books/costs", json=body).json()
    assert saved["costs"]["entries"][0]["usd_per_hour"] == 7.2
    assert path.read_text() == dearer
    answer = server.client.put("/v1/economics/books/costs", json=body)
    assert check_error(answer, 409)["code"] == "book_conflict"
    with server.context.store.database.read() as connection:
        entries, _ = log.page(connection, Filter(kind="book.changed"), after=None, limit=10)
    mine = [entry for entry, _ in entries if entry.actor == server.key_id]
    assert [entry.subject.split()[0] for entry in mine] == ["costs.yaml"]
    assert all(entry.subject.startswith(f"{entry.actor} ") for entry, _ in entries if entry not in mine)


def test_a_price_book_is_tried_and_a_broken_one_is_said(server: Server) -> None:
    path = server.context.settings.home / "prices.yaml"
    text = PRICES.replace("0.25", "0.5")
    trial = server.client.post("/v1/economics/books/prices/check", json={"text": text}).json()
    assert [change["name"] for change in trial["changes"]] == ["testcard/testcard"]
    assert trial["missing"] == []
    path.write_text("prices: 3")
    books = server.client.get("/v1/economics/books").json()
    assert books["prices"]["entries"] == []
    assert books["prices"]["fault"] == "version is missing; add it"
    body = {"text": text, "edited": books["prices"]["digest"]}
    assert server.client.put("/v1/economics/books/prices", json=body).json()["prices"]["fault"] == ""


def test_budgets_of_every_scope_are_set_and_removed(server: Server, check_error: CheckError) -> None:
    for scope, subject in (
        ("project", server.context.tenants.project(None).name),
        ("key", server.key_id),
        ("model", "testcard/testcard"),
        ("installation", ""),
    ):
        body = {"scope": scope, "subject": subject, "period": "month", "soft": "5", "hard": "10"}
        answer = server.client.put("/v1/budgets", json=body)
        assert answer.status_code == 200, answer.text
    budgets = {entry["scope"]: entry for entry in server.client.get("/v1/budgets").json()["data"]}
    assert set(budgets) == {"project", "key", "model", "installation"}
    assert budgets["key"]["subject"] == server.key_id
    assert (budgets["key"]["name"], budgets["key"]["hard"]) == ("operator", 10_000_000)
    mine = server.client.get("/v1/credits").json()["budgets"]  # what concerns the project itself
    assert [(entry["scope"], entry["name"]) for entry in mine] == [
        ("key", "operator"),
        ("project", server.context.tenants.project(None).name),
    ]
    for field, wrong in (
        ("subject", {"scope": "key", "subject": "nobody", "hard": "1"}),
        ("subject", {"scope": "model", "subject": "nothing", "hard": "1"}),
        ("subject", {"scope": "user", "hard": "1"}),
        ("subject", {"scope": "free", "subject": "x", "hard": "1"}),
        ("hard", {"scope": "installation"}),
        ("soft", {"scope": "installation", "soft": "2", "hard": "1"}),
        ("hard", {"scope": "installation", "hard": "-2"}),
    ):
        check_error(server.client.put("/v1/budgets", json=wrong), 400, field)
    assert len(server.client.get("/v1/budgets").json()["data"]) == 4
    for entry in budgets.values():
        assert server.client.delete(f"/v1/budgets/{entry['id']}").json()["deleted"] is True
    check_error(server.client.delete(f"/v1/budgets/{budgets['key']['id']}"), 400, "budget")
    assert server.client.get("/v1/budgets").json()["data"] == []
