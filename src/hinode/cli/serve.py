"""`hinode serve` and `hinode worker`: the HTTP API on this machine, and more workers for it."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from hinode.settings import Settings

MAX_WORKERS = 256


class Executor(StrEnum):
    """Where the workers of a server run."""

    LOCAL = "local"
    RAY = "ray"


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8000,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_WORKERS,
            help="Worker processes; 0 to run none here. With ray the maximum, unless fleet.toml says more.",
        ),
    ] = 1,
    executor: Annotated[
        Executor,
        typer.Option(help="Where workers run: processes of this server, or actors of a Ray cluster."),
    ] = Executor.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Head of the Ray cluster to join.",
            show_default="one on this machine, which ends with the server",
        ),
    ] = None,
    open_link: Annotated[
        bool, typer.Option("--open", help="Open the link for signing in with the browser.")
    ] = False,
) -> None:
    """Serve the HTTP API and generate the requested videos. It prints a link for signing in."""
    from hinode import logs
    from hinode.api import serve
    from hinode.errors import BadInput

    ray = executor is Executor.RAY
    if ray_address is not None and not ray:
        raise BadInput("--ray-address is for workers on Ray", "add --executor ray", field="ray-address")
    logs.start()
    serve.run(
        Settings.from_environment(os.environ),
        host=host,
        port=port,
        workers=workers,
        open_link=open_link,
        ray=ray,
        ray_address=ray_address,
    )


def worker(
    engine: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Engine to run jobs for. Repeatable.", show_default="every engine"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of this machine. Failures of a job on one machine count once.",
            show_default="a name of its own for each worker",
        ),
    ] = None,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Run jobs of a server with the same database and store."""
    from hinode import engines, logs
    from hinode.jobs.worker import process

    settings = Settings.from_environment(os.environ)
    for name in set(engine or ()) - set(engines.names()):
        engines.get(name, settings)  # raises: there is no such engine
    logs.start()
    raise typer.Exit(process.main(settings, attached=attached, host=host, engines=engine or None))
