"""A backup of everything that a server needs, made while it runs, and the way back.

The database is copied first and the store second. Files of the store never change, and one that the database
names stays until a later state of the database does not name it any more.
"""

from __future__ import annotations

import filecmp
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from hinode import __version__
from hinode.errors import BadInput, quote
from hinode.jobs.backup.archive import BLOCK, DATABASE, HOME, OBJECTS, BackupError, Reader, Writer
from hinode.jobs.files.cached import DamagedFile
from hinode.jobs.files.checkpoints import part_digests
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.stores import open_store
from hinode.jobs.store import Store
from hinode.output import check_writable, replace_file
from hinode.records import copies
from hinode.records.database import Database, parse
from hinode.settings import Settings

CACHES = frozenset({"logs", "embeddings", "self-tests", "upstreams", "store", "store-cache", "ray"})
"""Folders of the home that a backup leaves out: others make them again, or the backup has them elsewhere."""
MODELS = "models"


@dataclass(frozen=True)
class Summary:
    """What is in a backup.

    Attributes:
        home: names of the files of the home.
        objects: number of files of the store.
        bytes: size of the backup.
        left_out: names of files of models that were left out.
        missing: digests that the database names, and of which the store has no sound file.
    """

    home: tuple[str, ...]
    objects: int
    bytes: int
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def create(
    settings: Settings, path: Path, *, models: bool = False, clock: Callable[[], float] = time.time
) -> Summary:
    """Write a backup of a server that may run meanwhile.

    Args:
        settings: of the server.
        path: the file, outside of the home.
        models: whether the weights in the home are part of it.
        clock: gives seconds since 1970.

    Raises:
        BadInput: the file cannot be written.
        DatabaseError: the database cannot be copied.
        StoreError: the store cannot be read.
        OutputError: the disk of the file is full.
    """
    if path.resolve().is_relative_to(settings.home.resolve()):
        message = f"{quote(str(path), 200)} is in HINODE_HOME, of which it is to be a backup"
        raise BadInput(message, "name a file elsewhere", field="file")
    check_writable(path)
    objects, now = open_store(settings, clock), clock()
    head = {
        "hinode": __version__,
        "created_at": int(now),
        "database": copies.backend(settings.database_url),
        "revision": copies.revision(settings.database_url),
    }
    with (
        TemporaryDirectory(prefix=".hinode-", dir=path.parent) as folder,
        closing(Database(settings.database_url)) as database,
        replace_file(path, durable=True) as part,
    ):
        store, copy = Store(database, clock), Path(folder) / "database"
        if store.has_files():
            objects.check_mounted()
        before = store.digests() | _states(store, objects)
        copies.copy(settings.database_url, copy)
        with part.open("wb") as file:
            part.chmod(0o600)  # it holds what the database does
            writer = Writer(file, head, now)
            writer.database(copy)
            copy.unlink()
            home, left_out = [], []
            for name, source in _home_files(settings):
                if models or not _is_weight(name):
                    writer.home(name, source)
                    home.append(name)
                else:
                    left_out.append(name)
            count, missing = _write_objects(writer, store, objects, before)
            writer.close()
    return Summary(tuple(home), count, path.stat().st_size, tuple(left_out), tuple(missing))


def restore(settings: Settings, path: Path) -> Summary:
    """Put a backup into an empty database, a store and a home. Nothing there is replaced, and the database is
    restored last, so that a backup that turns out to be damaged leaves no server behind that lacks files.

    Raises:
        BackupError: the file is no backup, is damaged, or is of another kind of database.
        BadInput: a file of the home is there already, with another content.
        DatabaseError: there is a database already, or it cannot be restored.
        StoreError: the store cannot be written.
        OutputError: the home cannot be written.
    """
    with closing(Reader(path)) as reader:
        kind, ours = reader.head.get("database"), copies.backend(settings.database_url)
        if kind != ours:
            message = f"the backup has {copies.FORMATS.get(str(kind), kind)}, and the database is {ours}"
            raise BackupError(message, "set HINODE_DATABASE_URL to one of that kind")
        copies.check_revision(str(reader.head.get("revision")))
        copies.check_empty(settings.database_url)
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".hinode-", dir=settings.home) as folder:
            summary = _extract(reader, settings, Path(folder) / "database")
            copies.restore(Path(folder) / "database", settings.database_url)
    return summary


def _home_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """The files of the home that belong to a backup, by their relative names."""
    home = settings.home
    url = parse(settings.database_url)
    database = Path(url.database or "").resolve() if url.get_backend_name() == "sqlite" else None
    store = settings.store.resolve()
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        name = file.relative_to(home)
        resolved = file.resolve()
        beside_database = database is not None and resolved.parent == database.parent
        if (
            name.parts[0] in CACHES
            or any(part.startswith(".") for part in name.parts)  # unfinished, or a lock
            or resolved.is_relative_to(store)
            or (beside_database and resolved.name.startswith(database.name))  # type: ignore[union-attr]
        ):
            continue
        yield name.as_posix(), file


def _is_weight(name: str) -> bool:
    return name.startswith(f"{MODELS}/") and not name.endswith(".toml")


def _write_objects(writer: Writer, store: Store, objects: Objects, before: set[str]) -> tuple[int, list[str]]:
    """Write the files that the database named `before` it was copied, and those that it names now, and return
    how many there are, and those that are missing.

    The saved states come first: one is removed soon after a job has saved the next.
    """
    states = _states(store, objects)
    written: set[str] = set()
    missing: set[str] = set()
    for digests in (states, before | store.digests()):
        for digest in sorted(digests - written - missing):
            (written if _write_object(writer, objects, digest) else missing).add(digest)
    # What the database does not name any more went in order.
    return len(written), sorted(missing & store.digests())


def _write_object(writer: Writer, objects: Objects, digest: str) -> bool:
    """Write a file of the store; returns whether it is there and sound."""
    try:
        with objects.held(digest) as path:
            return writer.object(digest, path)
    except (FileNotFoundError, DamagedFile):
        return False


def _states(store: Store, objects: Objects) -> set[str]:
    """The saved states of runs, and their parts."""
    states = store.checkpoints()
    return states | part_digests(objects, states)


def _extract(reader: Reader, settings: Settings, database: Path) -> Summary:
    objects = open_store(settings)
    home: list[str] = []
    damaged: list[str] = []
    count = total = 0
    for name, stream in reader.entries():
        if name == DATABASE:
            with database.open("xb") as file:
                shutil.copyfileobj(stream, file, BLOCK)
        elif name.startswith(OBJECTS):
            digest, size = objects.put(stream)
            if name == f"{OBJECTS}{digest[:2]}/{digest}":
                count, total = count + 1, total + size
            else:
                damaged.append(name.rpartition("/")[2])
        elif name.startswith(HOME):
            home.append(name.removeprefix(HOME))
            _write_home(settings.home, home[-1], stream)
        else:
            raise BackupError(f"the backup has an entry {quote(name)}, which is none", "use another one")
    if not database.exists():
        raise BackupError("the backup has no database", "use another one")
    if changed := set(damaged) ^ set(reader.damaged):
        raise BackupError(f"the backup is damaged: {min(changed)} has another content", "use another one")
    return Summary(tuple(home), count, total, missing=tuple(reader.damaged))


def _write_home(home: Path, name: str, content: BinaryIO) -> None:
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise BackupError(f"the backup names a file outside of the home, {quote(name)}", "use another one")
    target = home.joinpath(*parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(target, durable=True) as part:
        with part.open("xb") as file:
            shutil.copyfileobj(content, file, BLOCK)
        part.chmod(0o600)
        if target.exists() and not filecmp.cmp(part, target, shallow=False):
            message = f"{target} is there already, with another content"
            raise BadInput(message, "move it away, or restore into another HINODE_HOME", field="file")
