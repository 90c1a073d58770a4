"""Fixtures of several packages: a home with a tiny model, a clip that needs no model, databases."""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import metadata as distributions
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import sqlalchemy as sa
import typer.main
import typer.testing

from benchmarks.postgres import PostgreSQL
from benchmarks.stores import KEYS, Moto
from hinode.clip import Clip, Frames, Provenance
from hinode.media.reading import probe
from hinode.records.database import Database
from hinode.records.tables import metadata, schema_revisions
from hinode.settings import Settings
from tests.post_office import Conversation, PostOffice

# One thread for each process, read by torch when it is imported: threads that wait for one another on a busy
# machine take several times the processor time of the work itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")

BACKENDS = ("sqlite", "postgresql")

# How long something takes says nothing about whether it is right: the machine may be busy.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is imported and collected: it lives until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_sessionfinish() -> None:
    """Print threads that outlive their test, and end the run in spite of them."""
    # A worker of xdist waits for the others, and the first process ends it.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)


@pytest.fixture(scope="session", autouse=True)
def _prepare_the_command_once() -> Iterator[None]:
    """Typer takes a tenth of a second to prepare the commands, whenever a test runs one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="module")
def probe_in_this_process() -> Iterator[None]:
    """A process for each probe costs half a second; tests/media and test_escapes start some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "_look_apart", probe.look)
        yield


@pytest.fixture(scope="session")
def toy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HINODE_HOME whose only model is called "toy"."""
    from tests.tiny_book import save_tiny_book

    home = tmp_path_factory.mktemp("home")
    shapes = ((17, 8, 32, 32), (17, 8, 64, 32), (17, 8, 32, 64), (25, 12, 32, 32))
    save_tiny_book(home / "models" / "toy.safetensors", shapes=shapes)
    return home


@pytest.fixture
def settings(toy_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with the toy model only, whatever the package ships."""
    from hinode.engines.native import catalog

    empty = tmp_path / "nothing-shipped"
    empty.mkdir()
    monkeypatch.setattr(catalog, "shipped", lambda: empty)
    return Settings(home=toy_home, threads=1, device="cpu")


@pytest.fixture
def install_entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Call it with NAME="module:object" to register engines as other distributions do; nothing else is."""
    from hinode import engines

    entry_points = distributions.entry_points

    def install(**targets: str) -> None:
        points = [distributions.EntryPoint(name, target, engines.GROUP) for name, target in targets.items()]
        monkeypatch.setattr(
            distributions,
            "entry_points",
            lambda group: points if group == engines.GROUP else entry_points(group=group),
        )
        engines._entry_points.cache_clear()

    yield install
    engines._entry_points.cache_clear()


@pytest.fixture(scope="session")
def frames() -> Frames:
    """Sixteen frames, 64x36: a bright square crossing a sky that darkens from top to bottom."""
    sky = np.linspace((250, 190, 120), (40, 60, 140), 36).astype(np.uint8)
    video = np.broadcast_to(sky[None, :, None], (16, 36, 64, 3)).copy()
    for index, picture in enumerate(video):
        picture[12:20, 3 * index : 3 * index + 8] = (220, 30, 40)
    return video


@pytest.fixture
def clip(frames: Frames) -> Clip:
    """The same frames at 8 per second."""
    return Clip(frames.copy(), 8.0, Provenance("native", "toy", seed=5, steps=3, native_size=(64, 36)))


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests in which SQL, locks or time matter: they run on both databases."""
    config.addinivalue_line("markers", "both_databases: runs on PostgreSQL too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the databases of a test: SQLite, and with the mark `both_databases` PostgreSQL too."""
    if "backend" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_databases") is not None
        metafunc.parametrize("backend", BACKENDS if both else BACKENDS[:1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A real PostgreSQL of this test run, from a wheel in `[dev]`; it ends with the run, even if killed."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def office() -> Iterator[PostOffice]:
    """A mail server, which holds the mails that it took."""
    with PostOffice(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def running_moto() -> Iterator[Moto]:
    """A server of S3 of this test run."""
    with Moto() as server:
        yield server


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the tests in the environment, and no other variable of AWS."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def moto(running_moto: Moto, s3_keys: None) -> Moto:
    """That server, with its keys in the environment. Each test takes a prefix of its own in its bucket."""
    return running_moto


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row."""
    path = tmp_path_factory.mktemp("template") / "hinode.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgreSQL) -> Iterator[Database]:
    """The PostgreSQL database that the tests of this process share."""
    database = Database(postgres.create())
    database.upgrade()
    yield database
    database.close()


@pytest.fixture
def postgres_url(migrated_postgres: Database) -> Iterator[str]:
    """The URL of a PostgreSQL database with every table and no row."""
    yield migrated_postgres.url.render_as_string(hide_password=False)
    tables = ", ".join(table.name for table in metadata.sorted_tables if table is not schema_revisions)
    with migrated_postgres.write() as connection:
        # A connection that a test left open would keep its locks.
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no triggers: audit_log
        connection.exec_driver_sql(f"TRUNCATE {tables}")


@pytest.fixture
def empty_database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'hinode.db'}"
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with every table and no row."""
    if backend == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "hinode.db")
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database at `database_url`, open."""
    opened = Database(database_url)
    if opened.sqlite:  # a test does not have to survive a power cut
        sa.event.listen(opened.engine, "connect", _do_not_flush)
    yield opened
    opened.close()


def _do_not_flush(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """Within it the kernel refuses files longer than so many bytes, much as it does on a full disk."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
