"""`hinode serve`: the API, its workers and the house's chores on one machine, from start to a clean end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn

from hinode import __version__
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.executors import LocalExecutor, Spec
from hinode.jobs.files.checkpoints import part_digests
from hinode.jobs.periodic import PeriodicTask, PeriodicTasks
from hinode.jobs.webhooks.delivery import Deliverer
from hinode.records.database import Database, DatabaseError
from hinode.settings import Settings

log = logging.getLogger(__name__)

BACKLOG = 2048
OPEN_SECONDS = 5
"""How long requests under way may take to end once the server is to stop."""
DRAIN_SECONDS = 20.0
"""How long workers may take to save their runs."""
KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that it is they who close it."""

CONNECTIONS = 24
"""For the threads of the API, of the chores and of the webhooks."""

GIVE_UP_EVERY = 30.0
REAP_EVERY = 1.0
DELIVER_EVERY = 0.5
ADVANCE_EVERY = 1.0
USES_EVERY = 5.0
SWEEP_EVERY = 300.0
SWEEP_OLDER_THAN = 3600.0

LOOPBACK = ("127.", "::1")
ANYWHERE = ("0.0.0.0", "::")


class ListenError(HinodeError):
    """The address that the server should listen on cannot be had."""

    code = "listen"


def run(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or SIGINT, and then end without losing anything.

    The port is closed first; requests under way are answered; runs under way are saved and given back, for
    the next start or for another machine. A second signal does not wait for the requests.

    Args:
        settings: of this process.
        host: name or address to listen on.
        port: 1 to 65535, or 0 for a free one.
        workers: worker processes on this machine; 0 leaves the work to `hinode worker` elsewhere.

    Raises:
        BadInput: there is no address `host`.
        ListenError: the port is taken, or may not be used.
        DatabaseError: the database cannot be reached, or is of a newer version.
    """
    with listening(host, port) as listener, _opened(settings) as database:
        context = Context.of(settings, database)
        deliverer = Deliverer(database, context.outbound, context.clock)
        executor = LocalExecutor(workers, context.store.lost)
        chores = PeriodicTasks(_chores(context, deliverer))

        def begin() -> None:
            _announce(context, host, listener.getsockname()[1])
            for _ in range(workers):
                executor.launch(Spec())
            chores.start()

        def end() -> None:
            context.stopping.set()
            executor.drain(DRAIN_SECONDS)

        server = _Server(create_app(context), begin, end)
        try:
            with _signals(server):
                server.run(sockets=[listener])
        finally:
            executor.stop()
            chores.stop()
            deliverer.close()
            context.tenants.record_uses(all=True)
    log.info("stopped")


class _Server(uvicorn.Server):
    """uvicorn's server; signals are ours, and the workers end while it closes connections."""

    def __init__(self, app: object, begin: Callable[[], None], end: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=OPEN_SECONDS,
            )
        )
        self._begin = begin
        self._end = end
        self._side = ThreadPoolExecutor(1, thread_name_prefix="serve")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await asyncio.get_running_loop().run_in_executor(self._side, self._begin)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ended = asyncio.get_running_loop().run_in_executor(self._side, self._end)
        try:
            await super().shutdown(sockets)
        finally:
            await ended


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on `host` and `port`; clients that come before the server is up wait.

    Raises:
        BadInput: there is no address `host`.
        ListenError: the port is taken, or may not be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise BadInput(
            f"there is no address {quote(host)}", "give 127.0.0.1 for this machine only", field="host"
        ) from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as listener:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise _refused(host, port, error) from error
        yield listener


def _refused(host: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(
            f"port {port} is taken by another program", f"stop that, or choose another: --port {port + 1}"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ListenError(f"port {port} may not be used by you", "choose one from 1024 up")
    if error.errno == errno.EADDRNOTAVAIL:
        return ListenError(f"{quote(host)} is not an address of this machine", "leave --host out")
    return ListenError(f"{host} port {port} cannot be listened on: {error.strerror}", "choose another")


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the server in good order, also while it is still starting."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.force_exit = server.should_exit  # asked twice
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """The database, up to date."""
    database = Database(settings.database_url, connections=CONNECTIONS)
    try:
        try:
            # What people ask for is nobody else's business on this machine.
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            database.upgrade()
        except OSError as error:
            raise DatabaseError(
                f"{error.filename or settings.home} cannot be made: {error.strerror}",
                "choose another folder with HINODE_HOME",
            ) from error
        yield database
    finally:
        database.close()


def _chores(context: Context, deliverer: Deliverer) -> list[PeriodicTask]:
    """What the house does by itself as long as the server runs."""
    clock = context.clock
    return [
        PeriodicTask("taking back the jobs of silent workers", REAP_EVERY, context.store.reap),
        PeriodicTask("delivering webhooks", DELIVER_EVERY, lambda: deliverer.run_due(clock())),
        PeriodicTask("moving batches on", ADVANCE_EVERY, lambda: context.batches.advance(clock())),
        PeriodicTask("noting uses of keys", USES_EVERY, context.tenants.record_uses),
        PeriodicTask("giving up what no worker is left to try", GIVE_UP_EVERY, context.store.give_up),
        PeriodicTask("removing files that nothing needs", SWEEP_EVERY, lambda: sweep(context)),
    ]


def sweep(context: Context) -> None:
    """Forget the files of jobs whose time is over, and remove from the store what nothing refers to."""
    while context.store.expire():
        pass
    store, objects = context.store, context.objects
    needed = store.digests() | part_digests(objects, store.checkpoints())
    gone = objects.sweep(needed, SWEEP_OLDER_THAN)
    if gone:
        log.info("removed files that nothing needs", extra={"files": gone})


def _announce(context: Context, host: str, port: int) -> None:
    """Tell a person on standard output where the server is, and on the first start its key."""
    base = f"http://{_name(host)}:{port}"
    lines = [f"Hinode {__version__} serves Sora's API at {base}/v1 (pages about it: {base}/docs)", ""]
    key = context.tenants.first_start()
    if key is not None:
        lines += [
            f"    export OPENAI_BASE_URL={base}/v1",
            f"    export OPENAI_API_KEY={key}",
            "",
            "The key is shown this once. More of them: hinode keys create --name NAME",
        ]
    elif all(known.revoked_at is not None for known in context.tenants.all_keys()):
        lines += ["There is no key to use it with; make one: hinode keys create --name NAME"]
    if not host.startswith(LOOPBACK) and host != "localhost":
        lines += [
            "It can be reached from other machines, unencrypted: put a proxy that speaks TLS before it."
        ]
    lines += ["Stop it with Ctrl-C; what is under way then goes on at the next start."]
    with suppress(OSError):  # nobody has to listen
        print("\n".join(lines), flush=True)
    where = context.store.database.url.render_as_string(hide_password=True)
    log.info("serving", extra={"url": f"{base}/v1", "database": where, "version": __version__})


def _name(host: str) -> str:
    """What to write in a URL for the address `host`."""
    if host in ANYWHERE:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
