from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli


@pytest.fixture(autouse=True)
def _home(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    path = shutil.copy(sqlite_template, tmp_path / "hinode.db")
    monkeypatch.setenv("HINODE_DATABASE_URL", f"sqlite:///{path}")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def test_credit_is_added_once_listed_refunded_and_audited() -> None:
    assert run("projects", "create", "--name", "studio").exit_code == 0
    for _ in range(2):
        added = run("credits", "add", "studio", "25", "--id", "invoice_7")
        assert added.exit_code == 0, added.output
        assert "available 25.00 USD" in added.stdout
    assert "free until `hinode projects set studio --billing`" in added.stdout
    assert run("credits", "add", "studio", "5", "--grant", "--days", "30").exit_code == 0
    lots = json.loads(run("credits", "list", "studio", "--json").stdout)
    assert [lot["available"] for lot in lots] == [5_000_000, 25_000_000]
    assert run("credits", "refund", "invoice_7", "10", "--id", "r1").exit_code == 0
    report = json.loads(run("credits", "audit", "--json").stdout)
    assert (report["sound"], report["postings"], report["sums"]) == (True, 3, {"USD": 0})


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("add", "studio", "-5"), "No such option"),
        (("add", "studio", "1e9"), "no amount"),
        (("add", "studio", "0"), "the amount is 0"),
        (("add", "nobody", "5"), "there is no project"),
        (("refund", "nothing", "5", "--id", "r"), "there is no credit"),
    ],
)
def test_wrong_input_posts_nothing(words: tuple[str, ...], reason: str) -> None:
    run("projects", "create", "--name", "studio")
    answer = run("credits", *words)
    assert answer.exit_code != 0
    assert reason in answer.output
    assert json.loads(run("credits", "audit", "--json").stdout)["postings"] == 0


def test_budgets_are_set_replaced_listed_and_removed() -> None:
    run("projects", "create", "--name", "studio")
    for hard in ("100", "50"):
        answer = run("budgets", "set", "project", "studio", "--soft", "40", "--hard", hard)
        assert answer.exit_code == 0, answer.output
    assert run("budgets", "set", "installation", "--period", "day", "--hard", "5").exit_code == 0
    entries = json.loads(run("budgets", "list", "--json").stdout)
    assert [(entry["scope"], entry["period"], entry["hard"]) for entry in entries] == [
        ("installation", "day", 5_000_000),
        ("project", "month", 50_000_000),
    ]
    assert run("budgets", "remove", entries[0]["id"]).exit_code == 0
    assert "SUBJECT" in run("budgets", "list").stdout
    for words, reason in (
        (("planet", "x", "--hard", "1"), "no scope"),
        (("project", "studio"), "no limit"),
        (("project", "studio", "--hard", "1e3"), "no amount"),
        (("project", "studio", "--hard", "1", "--period", "week"), "no period"),
    ):
        answer = run("budgets", "set", *words)
        assert answer.exit_code != 0
        assert reason in answer.output


def test_codes_and_invoices(tmp_path: Path) -> None:
    run("projects", "create", "--name", "studio")
    assert run("promos", "create", "5", "--code", "sunrise", "--uses", "2", "--days", "9").exit_code == 0
    assert "SUNRISE" in run("promos", "list").stdout
    assert run("promos", "end", "sunrise").stdout == "ended SUNRISE\n"
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home/billing.yaml").write_text(
        "seller: {name: Dawn, address: Dover}\ntax: {name: VAT, rate: 20}\n"
        "packs: [{id: small, name: Small, price: 10, credit: 10}]\n"
    )
    assert "small" in run("credits", "packs").stdout
    run("credits", "add", "studio", "24", "--id", "pay_7")
    assert "no address" in run("invoices", "create", "studio").output
    words = ("--name", "Kite", "--line", "Hill", "--line", "Dover", "--tax-rate", "0", "--tax-note", "Export")
    assert run("invoices", "address", "studio", *words).exit_code == 0
    [made] = json.loads(run("invoices", "create", "studio", "--json").stdout)
    assert (made["gross"], made["tax"], made["parties"]["tax_note"]) == (24_000_000, 0, "Export")
    assert "Kite" in run("invoices", "list").stdout
    target = tmp_path / "invoice.html"
    assert run("invoices", "show", made["id"], "--to", str(target)).exit_code == 0
    assert "24.00 USD" in target.read_text()
    assert "Balance after: 24.00 USD" in run("invoices", "statement", "studio").stdout
    for answer, reason in (
        (run("invoices", "show", made["id"], "--to", "invoice.doc"), "no format"),
        (run("invoices", "show", "x"), "no invoice"),
        (run("invoices", "create", "studio"), "nothing to bill"),
        (run("invoices", "create", "studio", "--month", "May"), "no month"),
        (run("promos", "create", "0"), "amount is 0"),
        (run("promos", "create", "1", "--code", "a b"), "no promo code"),
    ):
        assert answer.exit_code != 0
        assert reason in answer.output
