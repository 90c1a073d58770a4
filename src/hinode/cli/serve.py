"""`hinode serve` and `hinode worker`: Sora's API on this machine, and more hands for it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hinode.cli.exits import exit_on_error
from hinode.settings import Settings

MAX_WORKERS = 256


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[
        int, typer.Option(min=0, max=MAX_WORKERS, help="Worker processes; 0 leaves the work to others.")
    ] = 1,
) -> None:
    """Serve Sora's API, and make the videos that it is asked for."""
    with exit_on_error():
        from hinode import logs
        from hinode.api import serve

        logs.start()
        serve.run(Settings.from_environment(os.environ), host=host, port=port, workers=workers)


def worker(
    engine: Annotated[
        list[str] | None,
        typer.Option(help="Work for this engine only; may be repeated. By default for every one."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Name of this machine: workers of one name count as one when it comes to failures. "
            "By default the system's name for it and the number of the process, which is another for each.",
            show_default=False,
        ),
    ] = None,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Work on the jobs of a server that uses the same database and store, until stopped."""
    with exit_on_error():
        from hinode import engines, logs
        from hinode.jobs.worker import worker

        settings = Settings.from_environment(os.environ)
        for name in set(engine or ()) - set(engines.ENGINES):
            engines.get(name, settings)  # says that there is none
        logs.start()
        raise typer.Exit(worker.main(settings, attached=attached, host=host, engines=engine or None))
