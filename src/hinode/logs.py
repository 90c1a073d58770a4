"""Log lines on standard error: one JSON object each, or plain text for a person at a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 (never changed in place)

# Attributes of every record; all others were passed as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "color_message"),
    "repeats_as",
}

REPEAT_SECONDS, MAX_REPEATS = 60.0, 1000
"""How long a repeated line is left out, and how many different lines are remembered."""


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Add fields such as request_id="req_…" or job_id="video_…" to every line that is logged inside.

    It holds for this thread or this asynchronous task, and for tasks that it starts.
    """
    token = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(token)


def start(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send the log lines of this process to `stream` (by default standard error), and nowhere else."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainLines() if stream.isatty() else JsonLines())
    handler.addFilter(Repeats())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("uvicorn", "httpx", "httpcore", "alembic", "PIL"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class Repeats(logging.Filter):
    """Lets a warning or an error through that says something new. One that is repeated, such as every second
    while a disk is away, is written once a minute, with the number of those in between as `repeated`.

    Another line counts as repeated if it has the `repeats_as` (passed as `extra`) of an earlier one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.clock = clock
        self._counts: dict[tuple[str, ...], tuple[float, int]] = {}  # when it was written, and repeated since

    def filter(self, record: logging.LogRecord) -> bool:
        key: tuple[str, ...] | None = getattr(record, "repeats_as", None)
        if key is None and record.levelno < logging.WARNING:
            return True
        if key is None:
            cause = record.exc_info[1] if record.exc_info else None
            key = (record.name, record.getMessage(), repr(_facts(record)), repr(cause))
        now = self.clock()
        written_at, count = self._counts.get(key, (now - REPEAT_SECONDS, 0))
        if now - written_at < REPEAT_SECONDS:
            self._counts[key] = written_at, count + 1
            return False
        if len(self._counts) >= MAX_REPEATS:
            self._counts.clear()
        self._counts[key] = now, 0
        if count:
            record.repeated = count
        return True


class JsonLines(logging.Formatter):
    """time (UTC), level, logger, message, the fields of `about`, and the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Escaped to ASCII: no terminal, no file and no line separator can spoil it.
        return json.dumps(line, default=str)


class PlainLines(logging.Formatter):
    """Time of day, level, message, and in brackets the fields of `about`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        line = f"{moment:%H:%M:%S} {record.levelname.lower():<7} {_printable(record.getMessage())}"
        line += f"  [{_printable(facts)}]" if facts else ""
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {**_about.get(), **extra}


def _printable(text: str) -> str:
    """The same text, with characters escaped that could move the cursor or forge a line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
