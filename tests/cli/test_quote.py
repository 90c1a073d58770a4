"""`hinode quote`, and the runs that `generate` records for it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hinode.money.books.operator import OperatorBooks
from hinode.records.database import Database
from hinode.settings import Settings
from hinode.trust.audit.texts import digest
from tests.cli.conftest import Run


def test_without_a_database_the_time_is_estimated(run: Run, settings: Settings) -> None:
    result = run("quote", "a red kite", "--size", "64x36", "--seconds", "1", "--json")
    assert result.exit_code == 0, result.output
    quote = json.loads(result.stdout)
    assert (quote["basis"], quote["model"], quote["profile"]) == ("estimated", "native/toy", "standard")
    assert {other["profile"] for other in quote["alternatives"]} == {"draft", "best"}
    assert not (settings.home / "hinode.db").exists()


def test_runs_of_the_command_are_measured(
    run: Run, settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("a database") / "hinode.db"
    monkeypatch.setenv("HINODE_DATABASE_URL", f"sqlite:///{path}")
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    clip = ("--engine", "testcard", "--size", "64x36", "--seconds", "0.5")
    for seed in range(3):
        assert run("generate", "a card", *clip, "--seed", seed, "-o", "card.mp4").exit_code == 0
    result = run("quote", "a card", *clip)
    assert result.exit_code == 0, result.output
    assert "measured: " in result.stdout
    assert "testcard/testcard" in result.stdout


def test_what_no_model_can_do_is_refused(run: Run) -> None:
    result = run("quote", "a kite", "--profile", "fast")
    assert result.exit_code == 2
    assert "no profile 'fast'" in result.stderr


def test_list_prices_stand_beside_the_own_one(
    run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))
    words = ("quote", "a card", "--engine", "testcard", "--size", "1280x720", "--seconds", "10", "--prices")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "there is no price for 'testcard/testcard'" in result.stdout
    entry = "name: testcard/testcard, provider: us, mark: own, source: ours, date: 2026-01"
    (tmp_path / "prices.yaml").write_text(
        f'version: 2026-01\nprices:\n  - {{{entry}, usd_per_second: {{"720": 0.02}}}}\n'
    )
    quote = json.loads(run(*words, "--json").stdout)
    assert quote["price"] == pytest.approx(0.2)
    prices = {offer["name"]: offer["usd"] for offer in quote["offers"]}
    assert prices["sora-2"] == pytest.approx(1.0)
    assert any("the price of testcard/testcard is of 2026-01" in note for note in quote["price_notes"])


def test_the_price_is_that_of_the_servers_of_a_database(run: Run, settings: Settings, tmp_path: Path) -> None:
    database = Database(settings.database_url)
    database.upgrade()
    server = OperatorBooks(database, tmp_path / "home of a server", time.time)
    entry = "name: testcard/testcard, provider: us, mark: own, source: ours, date: 2026-01"
    text = f'version: 2026-01\nprices:\n  - {{{entry}, usd_per_second: {{"720": 0.02}}}}\n'
    server.prices.replace(text, digest(""), "key_1")
    server.sales.replace("packs: [{id: small, name: Small, price: 10, credit: 10}]\n", digest(""), "key_1")
    entry = "hardware: h200, usd_per_hour: 7.5, source: ours, date: 2026-01"
    server.costs.replace(f"version: 2026-01\nhardware:\n  - {{{entry}}}\n", digest(""), "key_1")
    words = ("quote", "a card", "--engine", "testcard", "--size", "64x36", "--seconds", "10", "--json")
    assert json.loads(run(*words).stdout)["price"] == pytest.approx(0.2)
    assert (settings.home / "prices.yaml").read_text() == text
    assert "small" in run("credits", "packs").stdout
    plan = run("capacity", "--arrivals", 1, "--target", 60, "--hardware", "h200=60", "--json")
    assert json.loads(plan.stdout)["cheapest"]["usd_per_hour"] == 7.5
    (settings.home / "prices.yaml").write_text(text.replace("0.02", "0.03"))
    assert json.loads(run(*words).stdout)["price"] == pytest.approx(0.3)
    assert server.prices.current().prices[0].usd_per_second == {"720": 0.03}
    database.close()


def test_a_dry_run_prints_the_quote_and_makes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))
    monkeypatch.setenv("HINODE_WATTS", "3600")
    entry = "hardware: this, hosts: ['*'], usd_per_hour: 3.6, source: ours, date: 2026-01"
    (tmp_path / "costs.yaml").write_text(f"version: 2026-01\nhardware:\n  - {{{entry}}}\n")
    clip = ("--engine", "testcard", "--size", "64x36", "--seconds", "1", "-o", tmp_path / "card.mp4")
    result = run("generate", "a card", *clip, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    quote = json.loads(result.stdout)
    seconds = sum(stage["seconds"] for stage in quote["breakdown"])
    assert (quote["id"], quote["price"], quote["currency"]) == (None, None, "USD")
    assert quote["cost"] == pytest.approx(seconds / 1000, abs=1e-4)
    assert (quote["energy_wh"], quote["energy_method"]) == (pytest.approx(seconds, abs=0.05), "estimated")
    assert not (tmp_path / "card.mp4").exists()
    assert "estimated" in run("generate", "a card", *clip, "--dry-run").stdout
