from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from hinode import cli


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, words)


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every command of a group and of the groups in it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield *path, name


COMMAND: Any = typer.main.get_command(cli.app)
COMMANDS = list(commands(COMMAND))


def test_help_lists_the_commands_in_sections() -> None:
    output = run("--help").stdout
    assert run().output == output
    sections = ("Generate:", "Change videos:", "Serve:", "Train:", "Models:")
    assert [line for line in output.splitlines() if line in sections] == list(sections)
    for section, command in (("Generate:", "generate"), ("Change videos:", "remix"), ("Serve:", "keys")):
        assert f"  {command}  " in output.partition(section)[2].partition("\n\n")[0]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_has_a_help_text(words: tuple[str, ...]) -> None:
    group = COMMAND
    for word in words:
        group = group.commands[word]
    assert group.help
    assert [parameter.name for parameter in group.params if not parameter.help and not parameter.hidden] == []
    assert run(*words, "--help").exit_code == 0


def test_help_shows_options_in_sections_with_their_defaults() -> None:
    output = " ".join(run("generate", "--help").stdout.split())
    assert "Clip: --seconds SECONDS Length of the clip. [default: 2.0]" in output
    assert "--seed NUMBER The same seed renders the same clip. [default: (a new seed)]" in output
    assert (
        "Model: --engine NAME Engine that generates the clip: native, diffusers, remote or testcard. "
        "[default: native]" in output
    )
    assert "-o, --output PATH" in output.split("Output:")[1]
    assert "[default: (those of the source, or 640x360)]" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("generate", "a kite", "--sed", "4"), "--seed"),
        (("generat", "a kite"), "Did you mean 'generate'?"),
        (("generate", "a kite", "--seconds", "long"), "--seconds"),
        (("generate",), "prompt"),
        (("dance",), "No such command 'dance'"),
    ],
)
def test_a_mistake_in_the_command_line_is_a_usage_error(words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
