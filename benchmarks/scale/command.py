"""The command: runs the study and prints its tables, or one JSON object, or writes them into the page."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale import report
from benchmarks.scale.assumptions import Assumptions, rows
from benchmarks.scale.database import NIGHT, PEAK, Measured, max_cell, measure, rates, use
from benchmarks.scale.day import HOURS, RegionCells, assign_tenants, simulate_day
from benchmarks.scale.exact import compare, draw, simulate, steady, summary
from benchmarks.scale.loss import MAX_LATE_SHARE, enlarge, lost_commits, simulate_loss, smallest_fleet
from benchmarks.scale.queueing import Array
from benchmarks.scale.spot import CASES, cheapest, cost_of_work, prices

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "scale.md"
END = "<!-- end of figures -->"
IMAGES = ROOT / "docs" / "images"
STEADY = ((20, 0.8), (20, 0.9), (100, 0.95))
"""GPUs and loads of the small cells that are simulated at a steady load."""
STEADY_HOURS = 48
EXACT_REGION = 1
"""The region with the fewest cells; of it, a usual cell and the one with the highest peak are simulated."""
SIZES = (250, 500, 1000, 2000, 20_000)


def study(assumptions: Assumptions, seconds: float, seed: int) -> dict[str, Any]:
    """All results as JSON values; `seconds` for each transaction in each state of the database."""
    work = assumptions.work
    regions = assign_tenants(assumptions, seed)
    return {
        "assumptions": [row._asdict() for row in rows(assumptions)],
        "database": _database(measure(seconds, work, assumptions.service), assumptions),
        **_exact(regions[EXACT_REGION], assumptions, seed),
        "day": [simulate_day(region, work, seed) for region in regions],
        "loss": _loss(regions, assumptions, seed),
        "spot": _spot(regions, assumptions),
    }


def _database(measured: Measured, assumptions: Assumptions) -> dict[str, Any]:
    work, service = assumptions.work, assumptions.service
    times = {"peak": PEAK, "night": NIGHT}
    return {
        "costs": [
            {**state._asdict(), **{kind: cost._asdict() for kind, cost in row.items()}}
            for state, row in measured.costs.items()
        ],
        "flush": measured.flush,
        "mixes": measured.mixes,
        "rates": {
            name: rates(work.cell_gpus, load.utilisation, work, service) for name, load in times.items()
        },
        "uses": [
            {"time": name, **use(gpus, load, measured, work, service)._asdict()}
            for name, load in times.items()
            for gpus in SIZES
        ],
        "max_cell": {name: max_cell(load, measured, work, service)._asdict() for name, load in times.items()},
    }


def _exact(region: RegionCells, assumptions: Assumptions, seed: int) -> dict[str, Any]:
    peaks = region.offered().max(axis=0)
    usual = int(np.argsort(peaks)[len(peaks) // 2])
    indices = {"usual cell": usual, "highest peak": int(peaks.argmax())}
    work = assumptions.work
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        cells = {
            name: pool.submit(_cell, region.rates[:, region.homes == cell], assumptions, seed)
            for name, cell in indices.items()
        }
        small = [pool.submit(steady, gpus, load, STEADY_HOURS, work, seed) for gpus, load in STEADY]
        return {
            "formula": [row.result() for row in small],
            "cells": {name: row.result() for name, row in cells.items()},
        }


def _cell(rates_of_cell: Array, assumptions: Assumptions, seed: int) -> dict[str, Any]:
    work = assumptions.work
    jobs = draw(rates_of_cell, work, seed)
    simulate(jobs, work.cell_gpus)
    hours = compare(jobs, work.cell_gpus, HOURS, work)
    return {
        **summary(hours),
        "tenants": len({job.project for job in jobs}),
        "late_tenants": len({job.project for job in jobs if job.extra > work.wait_target}),
        "hours": [asdict(hour) for hour in hours],
    }


def _loss(regions: list[RegionCells], assumptions: Assumptions, seed: int) -> dict[str, Any]:
    calm = smallest_fleet(regions, assumptions, seed)
    safe = smallest_fleet(regions, assumptions, seed, "move")
    factors = (1.0, *((safe.factor,) if safe else ()))
    return {
        "outcomes": [
            {
                "gpus": sum(part.cells * part.gpus for part in larger),
                "region": part.name,
                **row._asdict(),
            }
            for larger in (enlarge(regions, factor) for factor in factors)
            for part in larger
            for row in simulate_loss(part, assumptions, seed)
        ],
        "allowed": MAX_LATE_SHARE,
        "fleets": {"without": calm and calm._asdict(), "with": safe and safe._asdict()},
        "forgotten": [
            {"lag": lag, "clips": lost_commits(regions[0], assumptions.work, lag)}
            for lag in assumptions.loss.lag
        ],
    }


def _spot(regions: list[RegionCells], assumptions: Assumptions) -> dict[str, Any]:
    results = {name: prices(regions, assumptions, number) for number, name in enumerate(CASES)}
    return {
        "prices": {
            name: [{**row._asdict(), "total": row.total} for row in table] for name, table in results.items()
        },
        "cheapest": {name: cheapest(table).share for name, table in results.items()},
        "cost_of_work": cost_of_work(assumptions),
    }


def write(results: dict[str, Any]) -> None:
    """Put the tables between their marks in the page, and draw the charts."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in report.tables(results).items():
        begin = f"<!-- figures: {name} -->\n"
        before, rest = text.split(begin)
        text = f"{before}{begin}{table}\n{END}{rest.partition(END)[2]}"
    PAGE.write_text(text, encoding="utf-8")
    for name, picture in report.charts(results).items():
        (IMAGES / name).write_text(picture, encoding="utf-8")


def main(words: list[str], *, description: str) -> None:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=description)
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of each transaction in each state (default 0.5)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="write the tables and charts into the page")
    parser.add_argument("--from", dest="source", type=Path, help="a JSON file of --json, instead of a run")
    options = parser.parse_args(words)
    if options.source:
        results = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        results = study(Assumptions(), options.seconds, options.seed)
    if options.write:
        write(results)
    if options.json:
        print(json.dumps(results))
        return
    for name, table in report.tables(results).items():
        print(f"## {name}\n\n{table}\n")
