"""Clients in several processes that do the same at once, and processes that are killed in a transaction."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.synchronize import Barrier
from typing import Any

import sqlalchemy as sa

from hinode.errors import HinodeError
from hinode.money import budgets, promotions
from hinode.money.budgets import Scope
from hinode.money.invoices.period import month
from hinode.money.invoices.records import Invoices
from hinode.money.ledger import holds
from hinode.money.sales import Sales, Seller, Tax
from hinode.records.database import Database

DOLLAR = 1_000_000
PROCESSES, CLIENTS = 4, 64
GATHER_SECONDS = 120.0
CODE = "SUNRISE"
NOVEMBER = month("2026-11")
NOW = NOVEMBER.begins_at + 86_400
SALES = Sales(seller=Seller(name="Dawn", address="Light Street 1"), tax=Tax(name="VAT", rate=19))

Action = Callable[[Database, int], None]
"""What a client does, by its number; it raises a HinodeError where it is refused."""


def redeem(database: Database, number: int) -> None:
    """Redeem the code; two clients belong to each project."""
    with database.write() as connection:
        promotions.redeem(connection, CODE, f"proj_{number // 2}", NOW)


def charge(database: Database, number: int) -> None:
    """Charge a dollar to the budgets of the project and of the installation; every fourth job costs nothing
    in the end."""
    with database.write() as connection:
        budgets.charge(connection, f"video_{number}", {Scope.PROJECT: "proj_1"}, DOLLAR, NOW)
    if number % 4 == 0:
        with database.write() as connection:
            budgets.settle(connection, f"video_{number}", 0, 0)


def hold(database: Database, number: int) -> None:
    """Set a dollar aside of the credit of the project."""
    with database.write() as connection:
        holds.place(connection, f"video_{number}", "proj_1", DOLLAR, "USD", NOW)


def race(url: str, action: Action) -> list[str]:
    """Let 64 clients of four processes do an action at once.

    Returns: for each client "" if it succeeded, else the code of the error, sorted.
    """
    context = _context()
    start, results = context.Barrier(PROCESSES), context.Queue()
    share = CLIENTS // PROCESSES
    processes = [
        context.Process(target=_clients, args=(url, action, place * share, share, start, results))
        for place in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=GATHER_SECONDS) for _ in processes]
    for process in processes:
        process.join()
    return sorted(outcome for part in outcomes for outcome in part)


def _clients(url: str, action: Action, first: int, count: int, start: Barrier, results: Any) -> None:
    with closing(Database(url, connections=count)) as database, ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: _connect(database), range(count)))
        start.wait(GATHER_SECONDS)
        results.put(
            list(pool.map(lambda number: _try(database, action, number), range(first, first + count)))
        )


def _connect(database: Database) -> None:
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")


def _try(database: Database, action: Action, number: int) -> str:
    try:
        action(database, number)
    except HinodeError as error:
        return error.code
    return ""


def bill(url: str, projects: list[str], killed_at: int | None) -> None:
    """Bill projects one after another.

    Args:
        killed_at: the process kills itself while it writes that invoice, counted from 0: its number is taken
            and its lines are not there yet.
    """
    count = 0

    def kill(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        nonlocal count
        if statement.startswith("INSERT INTO invoice_lines"):
            if count == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    with closing(Database(url)) as database:
        sa.event.listen(database.engine, "before_cursor_execute", kill)
        invoices = Invoices(database, lambda: NOW + 100)
        for project_id in projects:
            invoices.create(project_id, NOVEMBER, SALES)


def bill_at_once(url: str, parts: list[tuple[list[str], int | None]]) -> list[int | None]:
    """Bill parts of the projects, each by a process of its own; returns the exit statuses."""
    processes = [_context().Process(target=bill, args=(url, *part)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join(GATHER_SECONDS)
    return [process.exitcode for process in processes]


def _context() -> Any:
    """Processes that have the modules already, and nothing of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
