"""How a failed command ends: with one sentence on standard error and an exit status."""

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
    """Turn every exception of the block into one sentence and an exit status."""
    try:
        yield
    except typer.Exit:
        raise
    except HinodeError as error:
        _exit(str(error), error.exit_code)
    except KeyboardInterrupt:
        _exit("stopped", INTERRUPTED)
    except MemoryError:
        _exit("not enough memory; choose a smaller size or a shorter clip", 1)
    except Exception as error:
        _exit(f"internal error ({type(error).__name__}); {_write_report(error)}", 1)


def _exit(message: str, status: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(status)


def _write_report(error: Exception) -> str:
    """Write the traceback to a file of the log folder, and return where it is."""
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
        return "the details could not be written to the log folder"
    return f"the details are in {path}"
