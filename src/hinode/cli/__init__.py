"""The `hinode` command: it reads the command line, calls the rest of the house, prints what came of it."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from hinode import __version__
from hinode.cli import directing, generate, jobs, models, serve, storyboard, tenants, training

# torch, NumPy, the media libraries, the database and the web server are imported by the commands that need
# them: help and mistakes in the command line are answered at once.

TERMINATED = 143

app = typer.Typer(
    help="Text to video on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(directing.animate)
app.command()(directing.extend)
app.command()(directing.loop)
app.command()(directing.blend)
app.command()(directing.remix)
app.command()(directing.edit)
app.command()(directing.retake)
app.command()(directing.recut)
app.command()(storyboard.storyboard)
app.command()(serve.serve)
app.command()(serve.worker)
app.add_typer(tenants.keys, name="keys")
app.add_typer(tenants.projects, name="projects")
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(models.models, name="models")
app.command()(training.train)
app.command()(training.distil)
app.command()(training.evaluate)


def main() -> None:
    """Run the command line; the entry point of the `hinode` script."""
    signal.signal(signal.SIGTERM, _terminated)  # as an exception, so that half-written files are removed
    app()


def _version(asked: bool) -> None:
    if asked:
        print(f"hinode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(TERMINATED)
