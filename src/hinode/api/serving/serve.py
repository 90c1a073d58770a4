"""`hinode serve`: the API, the workers and the periodic tasks of one machine."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from hinode import __version__
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.serving.connections import raise_descriptor_limit
from hinode.api.serving.server import BACKLOG, Server
from hinode.engines.remote import upstreams
from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.audit.anchoring import advance
from hinode.jobs.capacity.ray.executor import RayExecutor
from hinode.jobs.executors import LocalExecutor
from hinode.jobs.files.checkpoints import part_digests
from hinode.jobs.metering import DayTeller
from hinode.jobs.periodic import PeriodicTask, PeriodicTasks
from hinode.jobs.status.prober import Prober
from hinode.jobs.store import Store
from hinode.jobs.tenants import erasure
from hinode.jobs.timestamps import fetch_due
from hinode.jobs.webhooks.delivery import Deliverer
from hinode.records.database import Database, DatabaseError
from hinode.rights.people import CLOCK
from hinode.settings import Settings
from hinode.trust.provenance.sharing import share

if TYPE_CHECKING:
    from hinode.engines.remote.engine import RemoteEngine

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""For which a server that other machines reach answers after a signal: balancers send requests to other
servers before its port is closed."""
SAVE_SECONDS = 20.0
"""For workers to save their runs."""
CONNECTIONS = 24
"""To the database, for the threads of the API, the periodic tasks and the webhooks."""
SWEEP_OLDER_THAN = 3600.0
PROBE_SECONDS = 15.0
"""Between two checks of the health of each other server."""

LOOPBACK = ("127.", "::1")
ANYWHERE = ("0.0.0.0", "::")


class ListenError(HinodeError):
    """The server cannot listen on its address."""

    code = "listen"


def run(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    open_link: bool = False,
    ray: bool = False,
    ray_address: str | None = None,
    status: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, and then shut down without loss.

    The server drains first: it answers requests, says on /readyz that it stops, and ends streams of events.
    Then it closes the port and answers requests in progress. Meanwhile runs in progress are saved and their
    jobs returned to the queue. After a second signal the server does not wait for requests.

    Args:
        settings: of this process.
        host: name or address to listen on.
        port: 0 for a free one.
        workers: worker processes; with 0 the jobs wait for `hinode worker` on other machines.
        open_link: whether to open the link for signing in with the browser.
        ray: whether the workers run on a Ray cluster.
        ray_address: HOST:PORT of its head; None for one on this machine that ends with the server.
        status: whether to probe this server for its status page.

    Raises:
        BadInput: there is no address `host`, an alias stands for a model that is not there, or there can be
            no workers on Ray.
        ListenError: the port is in use, or this process may not use it.
        DatabaseError: the database cannot be reached, or is of a newer version.
        StoreError: the store cannot be used.
    """
    raise_descriptor_limit()
    with listening(host, port) as listener, _opened(settings) as database:
        context = Context(settings, database)
        context.catalogue.check_aliases()
        if context.store.has_files():
            context.objects.check_mounted()
        context.objects.try_out()
        deliverer = Deliverer(database, context.outbound, context.clock)
        executor = (
            RayExecutor(settings, workers, ray_address) if ray else LocalExecutor(workers, context.store.lost)
        )
        tasks = PeriodicTasks(_periodic_tasks(context, deliverer))
        port = listener.getsockname()[1]
        prober = Prober(settings, database, settings.status_url or _own_url(host, port)) if status else None

        def begin() -> None:
            link = _announce(context, host, port)
            if open_link and not open_in_browser(link):
                log.warning("there is no browser here; open the printed link with yours")
            executor.fill()
            tasks.start()
            if prober is not None:
                prober.start()

        def end() -> None:
            context.stopping.set()
            if prober is not None:
                prober.stop()
            executor.drain(SAVE_SECONDS)

        server = Server(create_app(context, host_names(host)), begin, end, _drain_seconds(settings, host))
        try:
            server.run(sockets=[listener])
        finally:
            executor.stop()
            tasks.stop()
            deliverer.close()
            context.tenants.record_uses(all=True)
            context.sessions.record_uses(all=True)
    log.info("stopped")


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on `host` and `port`; clients wait until the server has started.

    Raises:
        BadInput: there is no address `host`.
        ListenError: the port is in use, or this process may not use it.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        message = f"there is no address {quote(host)}"
        raise BadInput(message, "give 127.0.0.1 for this machine only", field="host") from error
    family, kind, protocol, _, address = addresses[0]
    with socket.socket(family, kind, protocol) as listener:
        if os.name == "posix":  # on Windows it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise _listen_error(host, port, error) from error
        yield listener


def _listen_error(host: str, port: int, error: OSError) -> ListenError:
    match error.errno:
        case errno.EADDRINUSE:
            remedy = f"stop that, or choose another: --port {port + 1}"
            return ListenError(f"port {port} is taken by another program", remedy)
        case errno.EACCES | errno.EPERM:
            return ListenError(f"this user may not listen on port {port}", "choose one from 1024 up")
        case errno.EADDRNOTAVAIL:
            return ListenError(f"{quote(host)} is not an address of this machine", "leave --host out")
    return ListenError(f"the server cannot listen on {host} port {port}: {error.strerror}", "choose another")


def _drain_seconds(settings: Settings, host: str) -> float:
    if settings.drain_seconds is not None:
        return settings.drain_seconds
    return 0.0 if _is_loopback(host) else DRAIN_SECONDS


def _is_loopback(host: str) -> bool:
    return host.startswith(LOOPBACK) or host == "localhost"


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    with closing(Database(settings.database_url, connections=CONNECTIONS)) as database:
        try:
            # Other users of the machine may not read prompts.
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            database.upgrade()
            share(database, settings)
        except OSError as error:
            message = f"{error.filename or settings.home} cannot be created: {error.strerror}"
            raise DatabaseError(message, "choose another folder with HINODE_HOME") from error
        yield database


def _periodic_tasks(context: Context, deliverer: Deliverer) -> list[PeriodicTask]:
    clock, database, trust = context.clock, context.store.database, context.settings.trust
    time_authority = context.settings.time_authority
    return [
        PeriodicTask("requeueing jobs of silent workers", 1.0, _reaper(context.store, clock)),
        PeriodicTask("delivering webhooks", 0.5, lambda: deliverer.run_due(clock())),
        PeriodicTask("advancing batches", 1.0, lambda: context.batches.advance(clock())),
        PeriodicTask("recording uses of keys", 5.0, context.tenants.record_uses),
        PeriodicTask("recording uses of sessions", 5.0, context.sessions.record_uses),
        PeriodicTask("recording daily meters", 5.0, context.meters.flush),
        PeriodicTask("telling daily meters", 600.0, DayTeller(database, clock).tell),
        PeriodicTask("booking credit that expired", 600.0, context.credit.book_expired),
        PeriodicTask("failing jobs that no live worker can run", 30.0, context.store.give_up),
        PeriodicTask("checking the health of upstreams", PROBE_SECONDS, _prober(context.settings)),
        PeriodicTask("entering older videos in the library", 300.0, context.library.fill),
        PeriodicTask("removing deleted storyboards", 300.0, context.storyboards.remove_deleted),
        PeriodicTask("carrying out ended consents", 30.0, context.consents.enforce_ended),
        PeriodicTask("entering fingerprints of videos", 5.0, context.copies.enter_new),
        PeriodicTask("advancing notices of takedown", 60.0, lambda: advance_takedowns(context)),
        PeriodicTask("finishing deletions of projects", 300.0, lambda: finish_deletions(context)),
        PeriodicTask("signing the head of the audit log", 5.0, lambda: advance(database, trust)),
        PeriodicTask(
            "asking for missing timestamps", 60.0, lambda: fetch_due(database, time_authority, clock())
        ),
        PeriodicTask("removing unreferenced files", 300.0, lambda: sweep(context)),
    ]


def _prober(settings: Settings) -> Callable[[], object]:
    """Checks the health of the other servers, if there are any."""
    engine: RemoteEngine | None = None

    def probe() -> None:
        nonlocal engine
        if engine is None and (settings.home / upstreams.FILE).exists():
            from hinode.engines.remote.engine import RemoteEngine  # with the media libraries

            engine = RemoteEngine(settings)
        if engine is not None:
            engine.probe()

    return probe


def _reaper(store: Store, clock: Callable[[], float]) -> Callable[[], object]:
    """Takes jobs from silent workers; in the first seconds not from those over HTTP, which could not renew a
    lease while no server was there."""
    spared_until: float | None = None

    def reap() -> None:
        nonlocal spared_until
        if spared_until is None:  # the first call, when the server answers
            spared_until = clock() + store.lease_seconds
        store.reap(over_http=clock() > spared_until)

    return reap


def advance_takedowns(context: Context) -> None:
    """Carry out what is due of the notices of takedown, and remind the operator."""
    settings = context.settings
    context.takedowns.advance(context.mailer, settings.takedown_mail or settings.status_mail)


def finish_deletions(context: Context) -> None:
    """Go on with deletions that were interrupted, or that left evidence whose appeals have ended."""
    database = context.store.database
    for project_id in erasure.unfinished(database):
        erasure.erase(database, context.objects, context.consents, project_id, CLOCK, context.clock)


def sweep(context: Context) -> None:
    """Remove the files of expired jobs, and unreferenced files, from the store."""
    while context.store.expire():
        pass
    store, objects = context.store, context.objects
    if not objects.sweep_due():
        return
    needed = store.digests() | part_digests(objects, store.checkpoints())
    count = objects.sweep(needed, SWEEP_OLDER_THAN)
    if count:
        log.info("removed unreferenced files", extra={"files": count})


def host_names(host: str) -> list[str]:
    """The names of a server that listens on `host`, besides those that `Hosts` knows by itself."""
    return [socket.gethostname()] if host in ANYWHERE else [host]


def open_in_browser(link: str) -> bool:
    """Open a link with the browser of a person at this terminal; False if there is no desktop."""
    desktop = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return sys.stdout.isatty() and desktop and webbrowser.open(link)


def _own_url(host: str, port: int) -> str:
    """The address of the server for programs on this machine."""
    name = f"[{host}]" if ":" in host else host
    # The name of this machine may be one that nobody else can look up, as in a container.
    return f"http://{'localhost' if host in ANYWHERE else name}:{port}"


def _announce(context: Context, host: str, port: int) -> str:
    """Print the address of the server, a link to sign in, which is returned, and on the first start a key."""
    base = _own_url(host, port)
    lines = [f"Hinode {__version__} serves Sora's API at {base}/v1 (pages about it: {base}/docs)", ""]
    key = context.tenants.first_start()
    context.sessions.announce(base)
    link = f"{base}/#token={context.sessions.create_link(context.tenants.project(None).id)}"
    lines += [f"Sign in, once within an hour: {link}", "Another such link: hinode link", ""]
    if key is not None:
        lines += [
            f"    export OPENAI_BASE_URL={base}/v1",
            f"    export OPENAI_API_KEY={key}",
            "",
            "The key is shown this once. More of them: hinode keys create --name NAME",
        ]
    elif all(key.revoked_at is not None for key in context.tenants.all_keys()):
        lines += ["There is no active API key; make one: hinode keys create --name NAME"]
    if not _is_loopback(host):
        lines += ["Other machines can reach it without encryption: put a proxy with TLS in front of it."]
    lines += ["Stop it with Ctrl-C; jobs in progress then continue at the next start."]
    with suppress(OSError):  # standard output may be closed
        print("\n".join(lines), flush=True)
    database = context.store.database.url.render_as_string(hide_password=True)
    log.info("serving", extra={"url": f"{base}/v1", "database": database, "version": __version__})
    return link
