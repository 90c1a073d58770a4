"""The results as tables in Markdown and as charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hinode.media.chart import Axis, Line, lines

KINDS = {
    "submit": "submit a clip",
    "turn": "finish a clip and claim the next",
    "early_heartbeat": "heartbeat within the time slice",
    "late_heartbeat": "heartbeat after it",
    "save": "enter a saved state",
    "idle_claim": "look of an idle worker",
    "poll": "status request",
}


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Every table by its name."""
    return {name: table(results) for name, table in TABLES.items()}


def charts(results: dict[str, Any]) -> dict[str, str]:
    """Every chart by the name of its file."""
    return {"scale-day.svg": _day_chart(results), "scale-spot.svg": _spot_chart(results)}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    line = "| " + " | ".join(head) + " |"
    rule = "|" + "---|" * len(head)
    return "\n".join([line, rule, *("| " + " | ".join(row) + " |" for row in rows)])


def _assumptions(results: dict[str, Any]) -> str:
    return _table(
        ("assumption", "value", "unit", "source"),
        (
            (f"`{row['name']}`", _value(row["value"]), row["unit"], row["source"])
            for row in results["assumptions"]
        ),
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple):
            return "; ".join(f"{name} {share:.0%}, {offset:+g} h" for name, share, offset in value)
        return " / ".join(f"{part:g}" for part in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _costs(results: dict[str, Any]) -> str:
    costs = results["database"]["costs"]
    head = [f"{row['running']} running, {row['lanes']} lanes" for row in costs]
    rows = (
        [name, *(f"{row[kind]['server'] * 1e3:.2f} + {row[kind]['client'] * 1e3:.2f}" for row in costs)]
        for kind, name in KINDS.items()
    )
    return _table(["ms of processor time, server + client", *head], rows)


def _mix(results: dict[str, Any]) -> str:
    rows = (
        (
            f"{row['clients']:g}",
            f"{row['transactions_per_second']:,.0f}",
            f"{row['server_cores']:.2f}",
            f"{row['transactions_per_second'] / row['server_cores']:,.0f}",
        )
        for row in results["database"]["mixes"]
    )
    head = (
        "client processes",
        "transactions/s",
        "cores that the server used",
        "transactions/s of a server core",
    )
    return _table(head, rows)


def _uses(results: dict[str, Any]) -> str:
    database = results["database"]
    largest = [{"time": name, **row} for name, row in database["max_cell"].items()]
    cells = [*(row for row in database["uses"] if row not in largest), *largest]
    cells.sort(key=lambda row: (row["time"] != "peak", row["gpus"]))
    max_cell = {(name, row["gpus"]) for name, row in database["max_cell"].items()}
    rows = (
        (
            row["time"],
            f"{row['gpus']:,}" + (" (largest)" if (row["time"], row["gpus"]) in max_cell else ""),
            f"{row['transactions']:,.0f}",
            f"{row['cores']:.1f}",
            f"{row['lock']:.0%}",
        )
        for row in cells
    )
    return _table(("time", "GPUs of the cell", "transactions/s", "server cores", "lock on claims held"), rows)


def _formula(results: dict[str, Any]) -> str:
    rows = [
        (
            f"{row['gpus']} GPUs at {row['load']:.0%}, steady",
            f"{row['clips']:,}",
            f"{row['simulated']:.1f} / {row['formula']:.1f}",
            f"{row['previews']:.1f} / {row['previews_formula']:.1f}",
            f"{row['finals']:.1f} / {row['finals_formula']:.1f}",
            "",
        )
        for row in results["formula"]
    ]
    rows += [
        (
            f"500 GPUs, a day, {name}: hour of {row['peak_load']:.0%}",
            f"{row['clips']:,}",
            f"{row['wait']:.1f} / {row['formula']:.1f}",
            f"{row['previews']:.2f}",
            f"{row['finals']:.1f}",
            f"{row['late']:.1%} / {row['late_formula']:.1%} "
            f"(of {row['late_tenants']} of {row['tenants']:,} tenants)",
        )
        for name, row in results["cells"].items()
    ]
    head = ("cell", "clips", "mean wait, s", "of previews, s", "of finals, s", "beyond the target")
    return _table(head, rows)


def _day(results: dict[str, Any]) -> str:
    rows = (
        (
            row["region"],
            f"{row['cells']}",
            f"{row['clips']:,.0f}",
            f"{row['left']:,.0f}",
            f"{row['mean_load']:.0%}",
            f"{row['peak_load']:.0%}",
            f"{row['peak_cell_load']:.0%}",
            f"{row['mean_wait']:.0f}",
            f"{row['late_share']:.1%}",
            f"{row['pooled_late_share']:.1%}",
        )
        for row in results["day"]
    )
    head = (
        "region",
        "cells",
        "clips",
        "waiting at the end",
        "mean load",
        "highest hour",
        "of a cell",
        "mean wait, s",
        "beyond the target",
        "if the region were one pool",
    )
    return _table(head, rows)


def _loss(results: dict[str, Any]) -> str:
    rows = (
        (
            f"{row['gpus']:,}",
            row["region"],
            row["answer"],
            f"{row['moves']:,}",
            f"{row['pending']:,.0f}",
            f"{row['late']:,.0f}",
            f"{row['max_wait']:,.0f}",
            f"{row['minutes']}",
        )
        for row in results["loss"]["outcomes"]
    )
    head = (
        "GPUs in all",
        "region",
        "answer",
        "moved tenants",
        "clips in the lost cell",
        "more clips beyond the target",
        "longest wait elsewhere, s",
        "minutes until normal",
    )
    return _table(head, rows)


def _fleets(results: dict[str, Any]) -> str:
    loss = results["loss"]
    names = {
        "without": "a day without a loss",
        "with": "a cell of each region lost at its peak, tenants moved",
    }
    rows = [
        (name, f"{fleet['gpus']:,} ({fleet['factor']:.2f} x)" if fleet else "more than twice as many")
        for key, name in names.items()
        for fleet in [loss["fleets"][key]]
    ]
    lost = ", ".join(f"{row['clips']:,.0f} for {row['lag']:g} s" for row in loss["forgotten"])
    table = _table((f"at most {loss['allowed']:.1%} of the clips beyond the target", "GPUs"), rows)
    return f"{table}\n\nAccepted clips lost with the database, by lag of its replica: {lost}."


def _spot(results: dict[str, Any]) -> str:
    cases = results["spot"]["prices"]
    rows = (
        [
            f"{group[0]['share']:.0%}",
            *(f"{1000 * row['total']:.1f} ({row['late']:.2%})" for row in group),
        ]
        for group in zip(*cases.values(), strict=True)
    )
    cheapest = ", ".join(f"{name} {share:.0%}" for name, share in results["spot"]["cheapest"].items())
    table = _table(["spot", *(f"{name}: USD per 1,000 clips (late)" for name in cases)], rows)
    need = 1000 * results["spot"]["cost_of_work"]
    return (
        f"{table}\n\nCheapest share of spot: {cheapest}. On demand, GPUs paid only while they work would "
        f"cost {need:.1f} USD per 1,000 clips."
    )


def _day_chart(results: dict[str, Any]) -> str:
    curves = []
    for row in results["day"]:
        for key, dashed in (("load_by_hour", False), ("highest_cell_by_hour", True)):
            curves.append(Line(row["region"], [(n + 0.5, load) for n, load in enumerate(row[key])], dashed))
    up = Axis("load (dashed: highest cell)", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5], "{:.0%}".format)
    return lines(curves, Axis("hour, UTC", range(0, 25, 3)), up, limit=1.0)


def _spot_chart(results: dict[str, Any]) -> str:
    cases = results["spot"]["prices"]
    curves = [
        Line(name, [(row["share"], 1000 * row["total"]) for row in table]) for name, table in cases.items()
    ]
    across = Axis("share of spot GPUs", [n / 10 for n in range(10)], "{:.0%}".format)
    return lines(curves, across, Axis("USD per 1,000 clips", range(0, 91, 15)))


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "assumptions": _assumptions,
    "costs": _costs,
    "mix": _mix,
    "uses": _uses,
    "formula": _formula,
    "day": _day,
    "loss": _loss,
    "fleets": _fleets,
    "spot": _spot,
}
