"""`hinode economics`: whether it pays, from the recorded books or in a scenario."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.table import print_table
from hinode.errors import BadInput

if TYPE_CHECKING:
    from hinode.money.economics.report import Report
    from hinode.money.economics.study import Check, Study

DAY = 86_400.0
DEFAULT_DAYS = 30


def economics(
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Simulate a scenario, such as sora-autumn-2025, or a YAML file.",
            show_default="the recorded books are read",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="First day of the books, UTC.", show_default="30 days before --until"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Day after the last one of the books, UTC.", show_default="now"),
    ] = None,
    revenue: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON file with the payments of the period, in place of the ledger.",
            show_default="the ledger is read",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Seed of the simulation.")] = 0,
    chart: Annotated[
        Path | None, options.output_option(metavar="FILE", help="Write charts to this SVG file.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what clips cost and bring in, from the books of this server or in a scenario.

    What hardware costs stands in costs.yaml, as it holds on the servers of the database; a missing price is
    an error.
    """
    if chart is not None:
        from hinode.output import check_writable

        check_writable(chart)
    if scenario is not None:
        for name, value in (("since", since), ("until", until), ("revenue", revenue)):
            if value is not None:
                raise BadInput(f"{name} is there beside a scenario", "leave one of them out", field=name)
        _simulate(scenario, seed, chart, as_json)
        return
    end = time.time() if until is None else options.read_day("until", until)
    start = end - DEFAULT_DAYS * DAY if since is None else options.read_day("since", since)
    if start >= end:
        raise BadInput("since is not before until", "give an earlier day", field="since")
    _books(start, end, revenue, chart, as_json)


def _simulate(name: str, seed: int, chart: Path | None, as_json: bool) -> None:
    from hinode.money.economics import charts
    from hinode.money.economics import scenario as scenarios
    from hinode.money.economics import study as studies

    scenario = scenarios.load(name)
    study = studies.study(scenario, seed=seed)
    if chart is not None:
        _write(chart, charts.chart(scenario, seed=seed))
    if as_json:
        print(json.dumps(study.as_json()))
    else:
        _print_study(study)


def _books(since: float, until: float, payments: Path | None, chart: Path | None, as_json: bool) -> None:
    from hinode.cli.books import open_books
    from hinode.cli.tenants import open_database
    from hinode.money.economics import charts, records, report, revenue

    with open_books() as texts:
        own = texts.costs.current()
    with open_database() as database, database.read() as connection:
        books = records.read(connection, since, until)
        income = revenue.read(connection, since, until)
    if payments is not None:
        income = revenue.Revenue(records.read_payments(payments))
    result = report.report(books, own, income)
    if chart is not None:
        _write(chart, charts.books_chart(result.days))
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        _print_report(result)


def _write(path: Path, text: str) -> None:
    from hinode.output import replace_file

    with replace_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _print_study(study: Study) -> None:
    print(f"{study.title}: {study.days} days\n")
    rows = [
        (
            check.output,
            _range(check.low, check.high),
            _range(check.p5, check.p95),
            f"{'at most ' if check.at_most else ''}{check.published:,.0f}",
            *_verdict(check),
        )
        for check in study.checks
    ]
    print_table(("RESULT", "USUAL INPUTS", "5 TO 95 %", "PUBLISHED", "DIFFERENCE", "WITHIN 25 %"), rows)
    print()
    if study.needs:
        _print_needs(study)
    months = [
        (
            month.month,
            f"{month.users:,.0f}",
            f"{month.clips:,.0f}",
            f"{month.cost:,.0f}",
            f"{month.spend:,.0f}",
        )
        for month in study.months
    ]
    print_table(("MONTH", "USERS A DAY", "CLIPS A DAY", "COST, USD", "SPEND, USD"), months)
    print()
    losses = [
        (name, *(f"{value:,.0f}" for value in (spread.at_modes, spread.p5, spread.p50, spread.p95)))
        for name, spread in (("mean", study.loss), ("of the worst day", study.peak_loss))
    ]
    losses.append(("mean, drawn by chance", f"{study.by_chance:,.0f}", "", "", ""))
    losses += [
        (f"published: {loss.source}", f"{loss.usd_per_day:,.0f}", "", "", "")
        for loss in study.published_losses
    ]
    print_table(("LOSS OF A DAY, USD", "USUAL INPUTS", "5 %", "50 %", "95 %"), losses)
    print()
    shares = [(share.name, f"{share.first:.0%}", f"{share.total:.0%}") for share in study.loss.shares]
    print_table(("INPUT", "SHARE OF THE VARIANCE", "WITH INTERACTIONS"), shares)
    print()
    levers = [
        (
            outcome.name,
            "yes" if outcome.pays else "no",
            f"{outcome.pays_in:.0%}",
            f"{outcome.loss_per_day:,.0f}",
            f"{outcome.served:.0%}",
            f"{outcome.cost_per_clip:.3f}",
            f"{outcome.break_even_cost:.3f}",
            f"{outcome.break_even_price:.2f}",
            _conversion(outcome.break_even_conversion),
        )
        for outcome in study.levers
    ]
    head = (
        "LEVERS",
        "PAYS",
        "PAYS IN",
        "LOSS A DAY",
        "SERVED",
        "COST",
        "EVEN COST",
        "EVEN PRICE",
        "EVEN CONVERSION",
    )
    print_table(head, levers)
    print("pays in: share of the samples of inputs and levers; the rest is for the usual values")
    print("amounts in USD; cost and even cost of a clip that is made, even price of a clip that is paid for")


def _print_needs(study: Study) -> None:
    """What each input, alone, would have to be for the checks that are missed."""
    rows = [
        (
            need.output,
            need.input,
            f"{need.value:g}",
            "none" if need.target is None else f"{need.target:.3g}",
            "" if need.target is None else f"{need.target / need.value:.2f}",
            "yes" if need.in_range else "no",
        )
        for need in study.needs
    ]
    print_table(("NOT WITHIN 25 %", "INPUT ALONE", "USUAL", "WOULD DO", "TIMES IT", "IN ITS RANGE"), rows)
    print()


def _range(low: float, high: float) -> str:
    first, last = f"{low:,.0f}", f"{high:,.0f}"
    return first if first == last else f"{first} to {last}"


def _verdict(check: Check) -> tuple[str, str]:
    low, high = (f"{value:+.0%}" for value in check.differences)
    names = {True: "yes", False: "no", None: "in part"}
    return (low if low == high else f"{low} to {high}"), names[check.within]


def _conversion(share: float | None) -> str:
    if share is None:
        return "none"
    return "any" if share == 0 else f"{share:.2%}"


def _print_report(report: Report) -> None:
    def usd(value: float | None) -> str:
        return "-" if value is None else f"{value:,.4f}"

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    rows = [("all", *map(usd, (report.cost, report.total.revenue, report.margin)))]
    for name, clips in (("each delivered clip", report.delivered), ("each accepted clip", report.accepted)):
        rows.append((name, *map(usd, report.per(clips) or (None,) * 3)))
    rows.append(("idle time", usd(report.idle_cost), "", ""))
    print_table(("USD", "COST", "REVENUE", "MARGIN"), rows)
    counts = (report.clips, report.delivered, report.accepted, report.cancelled)
    print("\nclips: {:,}; delivered: {:,}; accepted: {:,}; cancelled: {:,}".format(*counts))
    stages = ", ".join(f"{name} {usd(value)}" for name, value in report.stages.items())
    print(f"cost of clips by stage: {stages or '-'}")
    print(f"granted credit that clips have cost, which is no revenue: {usd(report.granted)} USD")
    print(f"utilisation: {percent(report.utilisation)}; re-rolls: {percent(report.reroll_rate)}")
    print(f"break-even price of a second: {usd(report.break_even_price)} USD")
    print(f"paying: {percent(report.conversion)}; break-even at {percent(report.break_even_conversion)}\n")
    for kind in ("tenant", "model", "hardware"):
        group = [
            (name, f"{margin.clips:,}", *map(usd, (margin.cost, margin.revenue, margin.usd)))
            for name, margin in report.by[kind].items()
        ]
        print_table((kind.upper(), "CLIPS", "COST", "REVENUE", "MARGIN"), group)
        print()
    worst = [(name, *map(usd, (margin.cost, margin.revenue, margin.usd))) for name, margin in report.worst()]
    print_table(("LOWEST MARGIN", "COST", "REVENUE", "MARGIN"), worst)
    print()
    weeks = [
        (
            cohort.week,
            *map(str, (cohort.accounts, cohort.activations, cohort.acceptances, cohort.payers)),
            *(f"{active}/{complete}" for active, complete in cohort.returns.values()),
            usd(cohort.revenue),
        )
        for cohort in report.cohorts
    ]
    print_table(
        ("WEEK", "ACCOUNTS", "ACTIVATED", "KEPT", "PAID", "DAY 1", "DAY 7", "DAY 30", "REVENUE"), weeks
    )
    for entry in report.stale:
        print(f"warning: {entry}")
