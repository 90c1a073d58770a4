"""The classes behind every command: help in sections, and errors as one sentence on standard error."""

from __future__ import annotations

import os
import select
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from hinode import __version__
from hinode.cli.options import ClipOptions
from hinode.errors import HinodeError
from hinode.settings import Settings

INTERRUPTED = 130
BROKEN_PIPE = 141

# Typer groups help by `rich_help_panel` only when rich draws it, in boxes. Plain text is easier to search,
# to copy and to read aloud, so these classes write the panels as sections of plain text.


class Command(TyperCommand):
    """A command that fails with one sentence, and whose `--help` groups the options by panel."""

    def invoke(self, ctx: Any) -> Any:
        with exit_on_error():
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        parameters = [(parameter, parameter.get_help_record(ctx)) for parameter in self.get_params(ctx)]
        _write_sections(
            formatter,
            (
                (_panel(parameter, f"{parameter.param_type_name}s".capitalize()), record)
                for parameter, record in parameters
                if record is not None
            ),
        )


class ClipContext(typer.Context):
    """The context of a command for one clip: `clip` holds the values of the options of `ClipOptions`."""

    clip: ClipOptions


class ClipCommand(Command):
    """A command for one clip: the options of `ClipOptions` are added to its own."""

    context_class = ClipContext

    def __init__(self, *args: Any, params: list[Any], **settings: Any) -> None:
        super().__init__(*args, params=[*params, *_clip_parameters()], **settings)

    def invoke(self, ctx: Any) -> Any:
        ctx.clip = ClipOptions(**{field.name: ctx.params.pop(field.name) for field in fields(ClipOptions)})
        return super().invoke(ctx)


class CommandGroup(TyperGroup):
    """A group whose `--help` lists the commands by panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = formatter.width - 6 - max(map(len, self.commands))
        _write_sections(
            formatter,
            (
                (_panel(command, "Commands"), (name, command.get_short_help_str(width)))
                for name, command in self.commands.items()
            ),
        )


def _clip_parameters() -> list[Any]:
    """The options of `ClipOptions`: Typer reads its fields like the parameters of a function."""
    app = typer.Typer(add_completion=False)
    app.command()(ClipOptions)
    return list(get_command(app).params)


def _panel(item: object, default: str) -> str:
    return str(getattr(item, "rich_help_panel", None) or default)


def _write_sections(formatter: Any, entries: Iterable[tuple[str, tuple[str, str]]]) -> None:
    """Write (heading, (name, help)) pairs, with the headings in the order in which they first appear."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for heading, row in entries:
        sections.setdefault(heading, []).append(row)
    for heading, rows in sections.items():
        with formatter.section(heading):
            formatter.write_dl(rows)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn every exception of the block into one sentence and an exit status."""
    try:
        yield
        sys.stdout.flush()
    except typer.Exit:
        raise
    except HinodeError as error:
        _exit(str(error), error.exit_code)
    except KeyboardInterrupt:
        _exit("stopped", INTERRUPTED)
    except MemoryError:
        _exit("not enough memory; choose a smaller size or a shorter clip", 1)
    except Exception as error:
        _exit_if_unread(error)
        _exit(f"internal error ({type(error).__name__}); {_write_report(error)}", 1)


def _exit(message: str, status: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(status)


def _exit_if_unread(error: Exception) -> None:
    """Exit without a word if the reader of the output, such as `head`, has enough of it."""
    if not isinstance(error, BrokenPipeError):
        return
    output = select.poll()
    output.register(sys.stdout.fileno(), select.POLLOUT)
    if any(event & select.POLLERR for _, event in output.poll(0)):  # and it is no other pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        raise typer.Exit(BROKEN_PIPE)


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
