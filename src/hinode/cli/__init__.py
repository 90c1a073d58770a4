"""The `hinode` command: it parses the command line, calls the packages below, and prints the result."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from hinode import __version__
from hinode.cli import evaluate, jobs, models, tenants, train, users
from hinode.cli.clips import directing, generate, plan, quote, storyboard
from hinode.cli.command import ClipCommand, Command, CommandGroup
from hinode.cli.money import budgets, capacity, credits, economics, invoices, promos, usage
from hinode.cli.service import backup, doctor, serve, status, upstreams
from hinode.cli.trust import audit, authority, banks, detect, rights, screening, sign, verify
from hinode.settings import thread_variables

# torch, NumPy, the media libraries, the database and the web server are imported inside the commands that
# need them, so that help and usage errors are printed at once.

TERMINATED = 143

# By the sections of `hinode --help`.
CLIP_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Generate": (generate.generate, directing.animate, directing.loop),
    "Change videos": (
        directing.extend,
        directing.blend,
        directing.remix,
        directing.edit,
        directing.retake,
        directing.recut,
    ),
}
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Generate": (storyboard.storyboard, plan.plan, plan.describe, quote.quote),
    "Serve": (
        serve.serve,
        serve.worker,
        status.probe,
        upstreams.upstreams,
        users.link,
        doctor.doctor,
        backup.backup,
        backup.restore,
    ),
    "Train": (train.train, evaluate.evaluate),
    "Trust": (verify.verify, detect.detect),
    "Money": (capacity.capacity, economics.economics),
}
GROUPS = {
    "Serve": {
        "jobs": jobs.jobs,
        "keys": tenants.keys,
        "projects": tenants.projects,
        "status": status.status,
        "users": users.users,
        "workers": serve.workers,
    },
    "Models": {"models": models.models},
    "Trust": {
        "audit": audit.audit,
        "banks": banks.banks,
        "consents": rights.consents,
        "policy": screening.policy,
        "review": screening.review,
        "takedowns": rights.takedowns,
        "trust": authority.trust,
        "uploads": rights.uploads,
    },
    "Money": {
        "budgets": budgets.budgets,
        "credits": credits.credits,
        "invoices": invoices.invoices,
        "promos": promos.promos,
        "usage": usage.usage,
    },
}

app = typer.Typer(
    cls=CommandGroup,
    help="Text to video on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for kind, commands in ((ClipCommand, CLIP_COMMANDS), (Command, COMMANDS)):
    for panel, functions in commands.items():
        for function in functions:
            app.command(cls=kind, rich_help_panel=panel)(function)
for panel, groups in GROUPS.items():
    for name, group in groups.items():
        app.add_typer(group, name=name, rich_help_panel=panel)

authority.trust.command("sign", cls=Command)(sign.sign)


def main() -> None:
    """Run the command line; the entry point of the `hinode` script."""
    os.environ.update(thread_variables(os.environ))  # before torch is imported, which reads them once
    signal.signal(signal.SIGTERM, _exit_on_signal)
    app()


def _print_version(requested: bool) -> None:
    if requested:
        print(f"hinode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def _exit_on_signal(number: int, frame: object) -> NoReturn:
    """Leave by an exception, so that half-written files are removed on the way."""
    sys.exit(TERMINATED)
