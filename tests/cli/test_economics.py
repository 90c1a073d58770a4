"""`hinode capacity` and `hinode economics`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hinode.money.books import costs
from hinode.settings import Settings
from tests.cli.conftest import Run

PAGES = Path(__file__).resolve().parents[2] / "docs"
SORA = ("economics", "--scenario", "sora-autumn-2025")


def outputs(page: Path) -> dict[str, str]:
    """What the commands of a page print, by the command, without the options that say where to."""
    text = page.read_text("utf-8")
    return dict(re.findall(r"(?ms)^```console\n\$ hinode ([^\n]+)\n(.*?)^```", text))


def test_the_smallest_fleet_is_found(run: Run) -> None:
    words = ("capacity", "--arrivals", "100", "--seconds", "90", "--target", "60")
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    best = plan["cheapest"]
    assert best["wait"]["p95"] <= 60
    assert best["usd_per_hour"] is None
    rows = {row["machines"]["machine"]: row["wait"]["p95"] for row in plan["by_class"]["machine"]}
    assert rows[best["machines"]["machine"] - 1] > 60
    assert "the fewest: " in run(*words).stdout


def test_a_mix_is_priced_by_the_own_book_before_the_market(
    run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("capacity", "--arrivals", "100", "--target", "60", "--hardware", "h100=60", "--json")
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))
    market = json.loads(run(*words).stdout)["cheapest"]
    entry = "  - {hardware: h100, usd_per_hour: 1, source: invoice, date: 2026-01}\n"
    (tmp_path / costs.FILE).write_text(f"version: 2026-01\nhardware:\n{entry}")
    own = json.loads(run(*words).stdout)["cheapest"]
    assert own["machines"] == market["machines"]
    assert own["usd_per_hour"] == own["machines"]["h100"] < market["usd_per_hour"]
    both = json.loads(run(*words, "--spot", "h100=0.4", "--max-spot-share", "0.5").stdout)["cheapest"]
    assert set(both["machines"]) == {"h100", "h100-spot"}
    assert both["usd_per_hour"] < own["usd_per_hour"]
    assert json.loads(run(*words, "--maximum", "h100=1").stdout)["cheapest"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--hardware", "tpu=60"), "there is no price for 'an hour of tpu'"),
        (("--hardware", "h100"), "write NAME=NUMBER"),
        (("--hardware", "h100=fast"), "give a number"),
        (("--hardware", "h100=60@-1"), "give 0 to"),
        (("--seconds", "0"), "give 0.001 to"),
        (("--hardware", "h100=60", "--seconds", "60"), "leave seconds out"),
        (("--seconds", "60", "--spot", "h100=1"), "there is no class 'h100'"),
        (("--seconds", "60", "--maximum", "h100=1"), "there is no class 'h100'"),
        ((), "give seconds or hardware"),
    ],
)
def test_wrong_options_are_refused(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run("capacity", "--arrivals", "100", "--target", "60", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_empty_books_are_read_and_drawn(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))
    result = run("economics", "--since", "2026-11-01", "--until", "2026-11-30", "--chart", "books.svg")
    assert result.exit_code == 0, result.output
    assert "clips: 0; delivered: 0" in result.stdout
    assert ElementTree.fromstring(Path("books.svg").read_text()).tag.endswith("svg")
    values = json.loads(run("economics", "--json").stdout)
    assert (values["clips"], values["margin"]) == (0, 0)
    for words in (("--since", "soon"), ("--since", "2099-01"), ("--scenario", "x", "--since", "2026-01")):
        assert run("economics", *words).exit_code == 2


@pytest.mark.slow
def test_the_page_on_economics_has_what_the_command_prints(run: Run) -> None:
    (printed,) = outputs(PAGES / "explanation" / "economics.md").values()
    result = run(*SORA, "--chart", "sora.svg")
    assert result.exit_code == 0, result.output
    assert result.stdout == printed
    chart = PAGES / "images" / "economics-sora.svg"
    assert Path("sora.svg").read_text("utf-8") == chart.read_text("utf-8")


@pytest.mark.slow
def test_the_page_on_capacity_has_what_the_command_prints(run: Run) -> None:
    for command, printed in outputs(PAGES / "howto" / "plan-capacity.md").items():
        result = run(*command.replace("\\\n", " ").split())
        assert result.exit_code == 0, result.output
        assert result.stdout == printed
