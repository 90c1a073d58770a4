"""How a command ends when it fails: in one sentence and an exit status."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from hinode import __version__
from hinode.errors import HinodeError
from hinode.settings import Settings

INTERRUPTED = 130


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Let every way in which a command can fail end in one sentence and an exit status."""
    try:
        yield
    except HinodeError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("stopped", INTERRUPTED)
    except MemoryError:
        _end("this machine has not enough memory for it; ask for a smaller size or a shorter clip", 1)
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise
        _end(f"something in Hinode broke ({type(error).__name__}); {_report(error)}", 1)


def _end(sentence: str, status: int) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    raise typer.Exit(status)


def _report(error: Exception) -> str:
    """Keep the traceback in a file, and say where; a person is never shown it unasked."""
    try:
        folder = Settings.from_environment(os.environ).logs
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        trace = "".join(traceback.format_exception(error))
        path.write_text(
            f"hinode {__version__}, Python {sys.version}\n{sys.argv}\n\n{trace}",
            encoding="utf-8",
            errors="backslashreplace",
        )
    except (OSError, HinodeError):
        return "and the details could not be written to its log folder"
    return f"the details are in {path}"
