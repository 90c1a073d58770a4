"""The classes behind every command: help in sections, and errors as one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from hinode.cli.exits import exit_on_error
from hinode.cli.options import ClipOptions

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
