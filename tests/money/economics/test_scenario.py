"""The simulator of demand: its rules, chance against expectation, intervals and levers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.money.economics import charts, scenario
from hinode.money.economics.demand import Rules, clip_cost, expect, modes, retention, simulate, weekly_users
from hinode.money.economics.levers import outcome
from hinode.money.economics.scenario import Scenario
from hinode.money.economics.shortfalls import needs
from hinode.money.economics.study import outputs, study
from hinode.money.economics.uncertainty import sample, spreads

SORA = "sora-autumn-2025"
PAGE = Path(scenario.__file__).parent / "scenarios" / f"{SORA}.yaml"


@pytest.fixture(scope="module")
def sora() -> Scenario:
    return scenario.load(SORA)


def test_every_input_of_every_scenario_has_a_source_a_date_and_no_published_figure() -> None:
    for name in scenario.names():
        loaded = scenario.load(name)
        quantities = [*loaded.quantities.values(), *dict(loaded.levers).values()]
        assert all(entry.source and entry.date for entry in (*quantities, *loaded.downloads))
        published = {figure.value or figure.at_most for figure in loaded.published}
        assert not published & {entry.value for entry in quantities}


def test_users_are_those_of_each_cohort_who_are_kept(sora: Scenario) -> None:
    curve = retention(modes(sora), len(sora.days))[0]
    assert curve[[0, 1, 7, 30]] == pytest.approx([1.0, 0.10, 0.02, 0.01])
    assert (np.diff(curve) < 0).all()
    course = expect(sora, modes(sora))
    by_hand = [
        sum(sora.installs[day - age] * curve[age] for age in range(day + 1)) for day in (0, 1, 40, 208)
    ]
    assert course.users[0][[0, 1, 40, 208]] == pytest.approx(by_hand)
    assert sora.installs.sum() == pytest.approx(12_750_000)
    assert course.spend[0][:30].sum() == 0  # before packs were sold
    assert course.cost == pytest.approx(1.3 * course.demand)


def test_chance_and_expectation_agree(sora: Scenario) -> None:
    expected, drawn = expect(sora, modes(sora)), simulate(sora, 5)
    assert drawn.users.sum() == pytest.approx(expected.users.sum(), rel=0.005)
    assert drawn.spend.sum() == pytest.approx(expected.spend.sum(), rel=0.02)
    assert (simulate(sora, 5).users == drawn.users).all()
    assert (simulate(sora, 6).users != drawn.users).any()


def test_weekly_users_lie_between_daily_ones_and_their_sum(sora: Scenario) -> None:
    faithful, chance = weekly_users(sora, modes(sora))
    daily = expect(sora, modes(sora)).users
    week = np.array([daily[0, max(0, day - 6) : day + 1].sum() for day in range(len(sora.days))])
    assert (daily <= faithful + 1e-6).all()
    assert (faithful <= chance + 1e-6).all()
    assert (chance[0] <= week + 1e-6).all()


def test_rules_do_what_they_say(sora: Scenario) -> None:
    values = modes(sora)
    base, limit = expect(sora, values), expect(sora, values, Rules(loss_limit=5000.0))
    assert (limit.free_clips * 1.3 <= 5000.0 + 1e-6).all()
    assert (limit.paid_clips == base.paid_clips).all()
    prepaid = expect(sora, values, Rules(prepaid=True))
    assert prepaid.free_clips.sum() == 0
    assert prepaid.spend.sum() == base.spend.sum()
    assert clip_cost(values, Rules(distilled=True))[0] == pytest.approx(1.3 / 15)
    assert clip_cost(values, Rules(draft_first=True))[0] == pytest.approx(1.3 * 0.63)


@pytest.mark.parametrize("levers", [(), ("distilled",), ("prepaid",), ("distilled", "loss_limit")])
def test_at_break_even_nothing_is_lost(sora: Scenario, levers: tuple[str, ...]) -> None:
    result = outcome(sora, levers, sample(sora, samples=64))
    rules = Rules(
        distilled="distilled" in levers,
        prepaid="prepaid" in levers,
        loss_limit=5000.0 if "loss_limit" in levers else None,
    )
    assert 0 <= result.pays_in <= 1
    course = expect(sora, modes(sora), rules)
    clips, paid = float((course.paid_clips + course.free_clips).sum()), float(course.paid_clips.sum())
    assert result.break_even_cost * clips == pytest.approx(result.spend)
    assert result.break_even_price * paid == pytest.approx(result.cost)
    if result.break_even_conversion:
        share = np.array([result.break_even_conversion])
        loss = expect(sora, {**modes(sora), "paying_share": share}, rules).loss.sum()
        assert abs(loss) < 0.02 * result.cost


def test_shares_of_a_sum_are_those_of_its_parts(sora: Scenario) -> None:
    def results(values: Any) -> Any:
        return np.stack(
            [values["usd_per_clip"] + 0 * values["retention_day_1"], values["clips_per_user"]], axis=1
        )

    first, second = spreads(sora, results, samples=512)
    assert (first.shares[0].name, second.shares[0].name) == ("usd_per_clip", "clips_per_user")
    assert first.shares[0].first == pytest.approx(1.0, abs=0.1)
    assert first.shares[1].total == pytest.approx(0.0, abs=1e-9)
    assert first.at_modes == 1.3
    low, high = sora.inputs.usd_per_clip.range
    drawn = sample(sora, samples=512)["usd_per_clip"]
    assert low <= drawn.min() < drawn.max() <= high
    assert drawn.mean() == pytest.approx((low + high + 1.3) / 3, rel=0.01)  # of a triangle


def test_a_study_compares_with_what_was_published(sora: Scenario) -> None:
    result = study(sora, samples=64)
    checks = {check.output: check for check in result.checks}
    assert checks["daily_users_peak"].within is False
    assert checks["daily_users_later"].within is True
    spend = {name: check.within for name, check in checks.items() if name.startswith("spend_")}
    assert len(spend) == 4
    assert all(spend.values())
    assert all(check.low <= check.high and check.p5 <= check.p95 for check in result.checks)
    assert len(result.levers) == 16
    assert result.levers[0].pays_in == 0
    assert result.by_chance == pytest.approx(result.loss.at_modes, rel=0.01)
    assert result.as_json()["checks"][0]["published"] == 1_000_000
    months = sum(month.cost for month in result.months)
    assert months == pytest.approx(result.loss.at_modes * result.days + sum(m.spend for m in result.months))


def test_a_need_is_where_its_check_is_met_and_not_before(sora: Scenario) -> None:
    published = next(figure for figure in sora.published if figure.output == "daily_users_peak")

    def peak(values: Any) -> Any:
        return outputs(sora, values)["daily_users_peak"]

    targets = {need.input: need for need in needs(sora, published, peak)}
    assert set(targets) == {
        "downloads_factor",
        "retention_day_1",
        "retention_day_7",
        "retention_day_30",
    }  # nobody is there because of a price
    assert targets["retention_day_1"].target is None  # even if everybody came back on the next day
    factor = targets["downloads_factor"].target
    assert factor is not None
    assert not targets["downloads_factor"].in_range
    for times, met in ((1.0, True), (0.98, False)):
        users = peak({**modes(sora), "downloads_factor": np.array([factor * times])})[0][0]
        assert bool(users >= 750_000) is met


def test_spend_until_a_day_is_the_sum_of_its_days(sora: Scenario) -> None:
    results = outputs(sora, modes(sora))
    spend = expect(sora, modes(sora)).spend[0]
    assert results["spend_until_2025_10_30"][0][0] == pytest.approx(spend[30])
    assert results["spend_until_2026_04_26"][0][0] == pytest.approx(results["spend_total"][0][0])


def test_charts_are_svg(sora: Scenario) -> None:
    root = ElementTree.fromstring(charts.chart(sora))
    assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == 3


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("end: 2026-04-26", "end: 2025-09-30", "give an end"),
        ("    to: 2025-10-04", "    to: 2026-10-04", "not between start and end"),
        ("    low: 0.9\n", "    low: 1.05\n", "between low and high"),
        ("value: 0.02\n    low: 0.015", "value: 0.2\n    low: 0.015\n", "between low and high|fall from"),
        ("output: spend_2025_12", "output: spend_ever", "no output spend_ever"),
        ("    source: Forbes, a quarter", "    sauce: Forbes, a quarter", "sauce"),
        ("title: Sora, autumn 2025", "title: A\ntitle: B", "twice"),
    ],
)
def test_wrong_scenarios_are_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = PAGE.read_text("utf-8")
    assert old in text
    path = tmp_path / "other.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput, match=sentence):
        study(scenario.load(str(path)), samples=8)


def test_an_unknown_scenario_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"there is no scenario 'sora'; choose {SORA}"):
        scenario.load("sora")
    with pytest.raises(BadInput, match="cannot be read"):
        scenario.load(str(tmp_path / "none.yaml"))
