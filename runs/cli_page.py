"""Write docs/reference/cli.md from the help of every command.

python -m runs.cli_page
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main

from hinode import cli
from hinode.cli.command import ClipCommand
from hinode.cli.options import ClipOptions

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
HEAD = """# Command line

`python -m runs.cli_page` writes this page from the help of the commands, and a test fails when the page is
out of date. `hinode COMMAND --help` prints the same.

Paths and results go to standard output, everything else to standard error. The exit status is 0 for success,
2 for a mistake in the request, and 1 for a fault, such as a full disk or a damaged file; each is one
sentence. Files are written under another name and renamed, so that a file is complete or not there.

[Settings](settings.md) come from the environment.
"""
CLIP = """
## Options of one clip

The commands marked with * have these options too.

"""
NOTES = re.compile(r"  \[([^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]$")

Row = tuple[str, str, str]


def page() -> str:
    """The text of the page."""
    root: Any = typer.main.get_command(cli.app)
    sections: dict[str, list[str]] = {}
    for name, command in root.commands.items():
        sections.setdefault(command.rich_help_panel, []).extend(describe(f"hinode {name}", command))
    clip = next(command for command in root.commands.values() if isinstance(command, ClipCommand))
    shared = [row for parameter, row in rows(clip) if parameter.name in ClipOptions.__dataclass_fields__]
    parts = [HEAD, CLIP, table(shared), "\n"]
    for panel, texts in sections.items():
        parts += [f"\n## {panel}\n", *texts]
    return "".join(parts)


def describe(name: str, command: Any) -> Iterator[str]:
    """The section of a command, or of every command of a group."""
    if hasattr(command, "commands"):
        yield f"\n### `{name}`\n\n{paragraph(command.help)}\n"
        for child in command.commands:
            yield from describe(f"{name} {child}", command.commands[child])
        return
    is_clip = isinstance(command, ClipCommand)
    own = [
        row
        for parameter, row in rows(command)
        if not (is_clip and parameter.name in ClipOptions.__dataclass_fields__)
    ]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    # A table for --json alone would say nothing that the usage line does not.
    only_json = [names for names, _, _ in own] == ["`--json`"]
    options = "[--json]" if only_json else "[OPTIONS]" if own or is_clip else ""
    usage = " ".join([name, *map(metavar, arguments), options]).rstrip()
    yield f"\n### `{name}`{' *' if is_clip else ''}\n\n{paragraph(command.help)}\n\n    {usage}\n"
    if own and not only_json:
        yield "\n" + table(own) + "\n"


def rows(command: Any) -> Iterator[tuple[Any, Row]]:
    """The parameters of a command with what the page says of each: name, meaning, default."""
    context = command.context_class(command)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        meaning, default = record[1], ""
        if notes := NOTES.search(meaning):
            meaning = meaning[: notes.start()]
            default = notes[1].removeprefix("default: ").removesuffix("; required")
            default = re.sub(r"^\((.*?)\)(?=;|$)", r"\1", default)
            default = re.sub(r"(\S+)<=x<=(\S+)", r"\1 to \2", default)
        names = f"`{metavar(parameter)}`" if parameter.param_type_name == "argument" else f"`{record[0]}`"
        yield parameter, (names, meaning, default)


def metavar(argument: Any) -> str:
    """An argument as the usage line shows it."""
    name = (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def table(lines: Sequence[Row]) -> str:
    """Rows as Markdown."""
    cells = [tuple(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join(
        f"| {' | '.join(line)} |" for line in [("option", "meaning", "default"), *cells]
    ).replace("| option | meaning | default |", "| option | meaning | default |\n|---|---|---|", 1)


def paragraph(text: str | None) -> str:
    """A docstring on lines as long as it likes."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
