"""`hinode serve`, `hinode worker` and `hinode workers`: the HTTP API here, and who works for it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, join_names, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.fleet.tokens import WorkerTokens
    from hinode.jobs.tenants.tenants import Tenants

MAX_WORKERS = 256

workers = typer.Typer(help="Add, list and remove workers over HTTP.", no_args_is_help=True)


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
    status: Annotated[
        bool, typer.Option("--status", help="Probe this server for its status page, as HINODE_STATUS=1.")
    ] = False,
) -> None:
    """Serve the HTTP API and generate the requested videos. It prints a link for signing in."""
    from hinode import logs, tracing
    from hinode.api.serving import serve

    ray = executor is Executor.RAY
    if ray_address is not None and not ray:
        raise BadInput("--ray-address is for workers on Ray", "add --executor ray", field="ray-address")
    logs.start()
    settings = Settings.from_environment(os.environ)
    with tracing.exported("hinode-api", os.environ):
        serve.run(
            settings,
            host=host,
            port=port,
            workers=workers,
            open_link=open_link,
            ray=ray,
            ray_address=ray_address,
            status=status or settings.status,
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
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of a server to work for over HTTP, from any network that reaches it.",
            show_default="the database and the store of the settings",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="Token for that server. Other users of this machine may see it; prefer the variable.",
            show_default="HINODE_WORKER_TOKEN",
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="File with the token.", show_default=False)
    ] = None,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Run jobs of a server: one with the same database and store, or one at an address."""
    from hinode import engines, logs, tracing
    from hinode.jobs.worker import process
    from hinode.jobs.worker.remote.jobs import remote_jobs

    settings = Settings.from_environment(os.environ)
    for name in set(engine or ()) - set(engines.names()):
        engines.get(name, settings)  # raises: there is no such engine
    if server is None and (token or token_file):
        raise BadInput("a token is for a server", "name it with --server URL", field="server")
    secret = _read_token(token, token_file) or settings.worker_token
    logs.start()
    jobs = None if server is None else remote_jobs(settings, server, secret)
    with tracing.exported("hinode-worker", os.environ):
        status = process.main(settings, attached=attached, host=host, engines=engine or None, jobs=jobs)
    raise typer.Exit(status)


def _read_token(token: str | None, path: Path | None) -> str:
    if token and path:
        raise BadInput("there are two tokens", "give --token or --token-file", field="token")
    if path is None:
        return (token or "").strip()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        message = f"the token cannot be read from {quote(str(path), 200)}: {reason}"
        raise BadInput(message, "name the file that holds it", field="token-file") from error


@workers.command("add", cls=Command)
def add_worker(
    name: Annotated[str, typer.Option(help="Name for the machine.")],
    engines: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Engines that it may run, separated by commas.", show_default="every engine"
        ),
    ] = None,
    projects: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Projects whose jobs it may have, by name or id, separated by commas.",
            show_default="every project",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a token for a machine and print it. It cannot be printed again."""
    chosen = None if engines is None else _known_engines(_words(engines, "engines"))
    with _open() as (tokens, tenants):
        owners = None
        if projects is not None:
            owners = [tenants.project(project).id for project in _words(projects, "projects")]
        created = tokens.create(name, engines=chosen, projects=owners)
    if as_json:
        print(json.dumps({"id": created.id, "token": created.token}))
        return
    print(f"{created.id}; keep the token, it is not shown again:", file=sys.stderr)
    print(created.token)
    print("there: HINODE_WORKER_TOKEN=TOKEN hinode worker --server URL", file=sys.stderr)


@workers.command("list", cls=Command)
def list_workers(as_json: options.AsJson = False) -> None:
    """Print every live worker and every token, without its secret part."""
    with _open() as (tokens, tenants):
        fleet = tokens.fleet()
        names = {project.id: project.name for project in tenants.projects()}
    if as_json:
        print(json.dumps([{**dataclasses.asdict(entry), "state": entry.state} for entry in fleet]))
        return
    rows = []
    for entry in fleet:
        token = entry.token
        owners = None if token is None or token.projects is None else [names[id] for id in token.projects]
        rows.append(
            (
                "-" if token is None else token.id,
                "-" if token is None else token.name,
                entry.host or "-",
                entry.state,
                entry.job_id or "-",
                ",".join(entry.resident) or "-",
                "all" if token is None or token.engines is None else ",".join(token.engines),
                "all" if owners is None else ",".join(owners),
                moment(entry.seen_at),
            )
        )
    head = ("ID", "NAME", "HOST", "STATE", "VIDEO", "IN MEMORY", "ENGINES", "PROJECTS", "LAST SEEN")
    print_table(head, rows)


@workers.command("remove", cls=Command)
def remove_worker(worker: Annotated[str, typer.Argument(help="Name, or id wtoken_….")]) -> None:
    """Revoke a token. Its jobs are given to other workers at once."""
    with _open() as (tokens, _):
        token, count = tokens.remove(worker)
    print(f"removed {token.id}" + (f"; {count} jobs wait for another worker" if count else ""))


def _words(text: str, field: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise BadInput(f"the list of {field} is empty", "leave it out for all of them", field=field)
    return words


def _known_engines(names: list[str]) -> list[str]:
    from hinode import engines

    known = engines.names()
    for name in names:
        if name not in known:
            message = f"there is no engine {quote(name)}"
            raise BadInput(message, f"choose {join_names(tuple(known), 'or')}", field="engines")
    return names


@contextmanager
def _open() -> Iterator[tuple[WorkerTokens, Tenants]]:
    from hinode.jobs.fleet.tokens import WorkerTokens
    from hinode.jobs.tenants.tenants import Tenants

    with open_database() as database:
        yield WorkerTokens(database, time.time), Tenants(database, time.time)
