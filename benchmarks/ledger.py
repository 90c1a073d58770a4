"""The ledger: hold and capture pairs a second, and random operations by processes that are killed.

`--pairs` measures: four processes set credit aside and capture it, each step its own durable commit, on
SQLite and on PostgreSQL, one project for each process. Beside it stands how many transactions of one row the
same database commits a second.

`--operations N` tests: processes post credit, holds, captures, voids, expiries, refunds and disputes drawn at
random, and are killed at random moments. Another process takes over and repeats the last operation, as a
client does that got no answer. At the end the audit counts all books again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from benchmarks.postgres import DURABLE, PostgreSQL
from hinode.errors import BadInput
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind
from hinode.money.ledger.audit import Audit, audit
from hinode.money.ledger.transfers import LedgerError
from hinode.records.database import Database
from hinode.records.tables import organisations

PAIRS_BAR, AUDIT_BAR = 500.0, 60.0
GATHER_SECONDS = 120.0
DOLLAR = 1_000_000
PROJECTS = 12
LIFE_SECONDS = 4.0
"""The mean life of a process before it is killed."""
REFUSALS = (LedgerError, holds.InsufficientCredit, BadInput)

WEIGHTS = {
    "credit": 8,
    "grant": 6,
    "hold": 40,
    "capture": 24,
    "void": 6,
    "expire": 3,
    "refund": 5,
    "take_back": 3,
    "dispute": 2,
    "expire_lots": 3,
}
"""How often each operation is drawn."""


def operate(connection: Connection, name: str, seed: int, index: int) -> None:
    """One operation, the same for the same arguments; it may name holds and credits that are not there.

    Args:
        name: of `WEIGHTS`.
        seed: of the sequence; its ids begin with it.
        index: in the sequence; it is the clock too.

    Raises:
        LedgerError, InsufficientCredit, BadInput: the ledger refuses it.
    """
    draw = random.Random(f"{seed}/{index}/{name}")
    now, project = float(index), f"proj_{draw.randrange(PROJECTS)}"
    amount = draw.choice((1, draw.randrange(1, DOLLAR), draw.randrange(1, 5 * DOLLAR)))
    before = f"{seed}-{draw.randrange(max(0, index - 60), index + 1)}"
    match name:
        case "credit" | "grant":
            source = Kind.PAYMENTS if name == "credit" else Kind.GRANTS
            expiry = draw.choice((None, now + draw.randrange(1, 500)))
            identity = f"{seed}-{index}"
            credit.add_credit(
                connection, identity, project, 4 * amount, "USD", source, now, expires_at=expiry
            )
        case "hold":
            holds.place(connection, f"{seed}-{index}", project, amount, "USD", now)
        case "capture":
            holds.capture(connection, before, amount, now)
        case "void":
            holds.void(connection, before, now)
        case "expire":
            holds.expire(connection, before, now)
        case "refund":
            holds.refund(connection, before, f"{index}", amount, now)
        case "take_back" | "dispute":
            credit.take_back(connection, before, f"{index}", amount, now, disputed=name == "dispute")
        case _:
            credit.expire_lots(connection, now)


def draw_name(seed: int, index: int) -> str:
    """The operation at a place of a sequence."""
    return random.Random(f"{seed}/{index}").choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


def run_operations(url: str, seed: int, count: int, position: Any, accepted: Any, refused: Any) -> None:
    """Operations of a sequence from `position` on, which stands at the first that may not be done."""
    with closing(Database(url)) as database:
        while position.value < count:
            index = position.value
            try:
                with database.write() as connection:
                    operate(connection, draw_name(seed, index), seed, index)
                accepted.value += 1
            except REFUSALS:
                refused.value += 1
            position.value = index + 1


@dataclass
class Torture:
    """What a run with random operations came to; `failures` are of processes that ended by an error."""

    operations: int
    accepted: int
    refused: int
    kills: int
    failures: int
    seconds: float
    audit_seconds: float
    report: Audit
    database: str = ""
    kinds: Counter[str] = field(default_factory=Counter)


def torture(url: str, operations: int, processes: int, seed: int, life: float = LIFE_SECONDS) -> Torture:
    """Run random operations with processes that are killed, and audit the books.

    Args:
        operations: over all processes.
        life: mean seconds until a process is killed.
    """
    # Forked from a server that has the modules: a process that imports them first would be killed before it
    # posts anything.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    share = -(-operations // processes)
    # Without locks: a process that is killed inside one would leave it locked. Each counter has one writer.
    counters = [[context.Value("q", 0, lock=False) for _ in range(3)] for _ in range(processes)]
    draw, kills, failures, begin = random.Random(seed), 0, 0, time.perf_counter()

    def start(number: int) -> Any:
        arguments = (url, seed * 1000 + number, share, *counters[number])
        process = context.Process(target=run_operations, args=arguments, daemon=True)
        process.start()
        return process

    running = {number: start(number) for number in range(processes)}
    while running:
        time.sleep(draw.expovariate(len(running) / life))
        number = draw.choice(list(running))
        process = running[number]
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
        failures += process.exitcode not in (0, -signal.SIGKILL)
        if counters[number][0].value >= share:
            running.pop(number)
        else:
            running[number] = start(number)
    seconds = time.perf_counter() - begin
    with closing(Database(url)) as database, database.read() as connection:
        begin = time.perf_counter()
        report = audit(connection)
        audit_seconds = time.perf_counter() - begin
        rows = connection.exec_driver_sql("SELECT kind, count(*) FROM ledger_transfers GROUP BY kind")
        kinds = Counter({str(kind): int(count) for kind, count in rows})
    total, accepted, refused = (sum(each[n].value for each in counters) for n in range(3))
    return Torture(total, accepted, refused, kills, failures, seconds, audit_seconds, report, kinds=kinds)


def pairs(url: str, number: int, seconds: float, start: Barrier, results: Any) -> None:
    """Hold and capture, and then commit one row, for so many seconds each; put the two rates."""
    with closing(Database(url, connections=1)) as database:
        project, count, rates = f"proj_{number}", 0, []

        def pair() -> None:
            hold = f"{number}-{count}"
            with database.write() as connection:
                holds.place(connection, hold, project, DOLLAR, "USD", time.time())
            with database.write() as connection:
                holds.capture(connection, hold, DOLLAR // 2, time.time())

        def row() -> None:
            with database.write() as connection:
                values = {"id": f"org_{number}_{count}", "name": "", "created_at": 0.0}
                connection.execute(sa.insert(organisations), values)

        actions: tuple[Callable[[], None], ...] = (pair, row)
        for action in actions:
            start.wait(GATHER_SECONDS)
            count, begin = 0, time.perf_counter()
            while time.perf_counter() < begin + seconds:
                action()
                count += 1
            rates.append(count / (time.perf_counter() - begin))
        results.put(rates)


def measure_pairs(url: str, processes: int, seconds: float) -> tuple[float, float]:
    """Pairs a second, and commits of one row a second, over all processes."""
    context = multiprocessing.get_context("spawn")
    with closing(Database(url)) as database:
        database.upgrade()
        for number in range(processes):
            with database.write() as connection:
                credit.add_credit(
                    connection, f"c{number}", f"proj_{number}", 10**14, "USD", Kind.PAYMENTS, time.time()
                )
    start, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=pairs, args=(url, number, seconds, start, results), daemon=True)
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    rates = [results.get(timeout=2 * seconds + GATHER_SECONDS) for _ in workers]
    for worker in workers:
        worker.join()
    return sum(rate[0] for rate in rates), sum(rate[1] for rate in rates)


def main(words: list[str]) -> None:
    """Measure or test, and print; the exit status is 0 if the bars were met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks ledger", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--operations", type=int, help="random operations with kills, instead of pairs")
    parser.add_argument("--seed", type=int, default=1, help="of the random operations (default 1)")
    parser.add_argument("--processes", type=int, default=4, help="default 4")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="one of both only")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each database")
    options = parser.parse_args(words)
    missed = False
    for name in [options.database] if options.database else ["sqlite", "postgresql"]:
        durable = PostgreSQL(DURABLE) if name == "postgresql" else nullcontext()
        with tempfile.TemporaryDirectory() as folder, durable as server:
            url = server.create() if server else f"sqlite:///{Path(folder) / 'hinode.db'}"
            if options.operations:
                missed |= _print_torture(url, name, options)
            else:
                missed |= _print_pairs(url, name, options)
    sys.exit(missed)


def _print_pairs(url: str, name: str, options: argparse.Namespace) -> bool:
    rate, flushes = measure_pairs(url, options.processes, options.seconds)
    if options.json:
        print(json.dumps({"database": name, "pairs": rate, "rows": flushes, "bar": PAIRS_BAR}))
    else:
        print(
            f"{name:10}  {rate:7,.0f} pairs of hold and capture a second (bar {PAIRS_BAR:g}), "
            f"{flushes:,.0f} commits of one row; {options.processes} processes"
        )
    return rate < PAIRS_BAR


def _print_torture(url: str, name: str, options: argparse.Namespace) -> bool:
    with closing(Database(url)) as database:
        database.upgrade()
    result = torture(url, options.operations, options.processes, options.seed)
    report = result.report
    if options.json:
        print(json.dumps({"database": name, **result.__dict__, "report": report.__dict__}, default=str))
    else:
        print(
            f"{name:10}  {result.operations:,} operations ({result.accepted:,} posted, {result.refused:,} "
            f"refused), {result.kills:,} kills, {result.failures} failures, {result.seconds:,.0f} s"
        )
        print(
            f"            {report.postings:,} postings audited in {result.audit_seconds:.1f} s: sums "
            f"{report.sums}, {len(report.findings)} findings"
        )
        for finding in report.findings:
            print(f"            {finding.rule}: {finding.id}")
    return bool(result.failures) or not report.sound or result.audit_seconds > AUDIT_BAR


if __name__ == "__main__":
    main(sys.argv[1:])
