"""`hinode storyboard`: a film from a file of shots."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli.exits import exit_on_error
from hinode.cli.generate import progress
from hinode.errors import BadInput, join_names, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.directing.films.renderer import Film


def storyboard(
    file: Annotated[
        Path | None, typer.Argument(help="The storyboard: YAML or JSON.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Draw this shot anew and leave all others as they are; may be given again.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write; by default the storyboard's name with .mp4, where the film made from it "
            "before is replaced.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, gif, webp or png; by default what the output ends in, or mp4.", show_default=False
        ),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of storyboards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the film.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the path.")] = False,
) -> None:
    """Make a film from a file of shots; only shots that have changed are drawn again."""
    with exit_on_error():
        from hinode import directing
        from hinode.directing.films import renderer as film
        from hinode.directing.films import storyboard
        from hinode.media import formats

        if schema:
            print(json.dumps(storyboard.Storyboard.model_json_schema(), ensure_ascii=False, indent=2))
            return
        if file is None:
            raise BadInput("there is no storyboard", "name its file", field="file")
        settings = Settings.from_environment(os.environ)
        board = storyboard.read(file)
        directing.capabilities(board.engine, settings, board.model)  # the licence may exclude who asks
        kind = formats.choose(format, output)
        path = output or file.with_suffix("" if kind == "png" else f".{kind}")
        if output is None:
            _check_own(path)
        _check_own(path.with_suffix(".otio"))
        with progress(shown=not (as_json or quiet)) as watch:
            made = film.make(
                board,
                file.absolute().parent,
                file.with_name(f"{file.name}.shots"),
                path,
                kind,
                directing.get(board.engine, settings),
                settings,
                only=only or (),
                watch=watch,
            )
        if as_json:
            print(json.dumps(made.as_json(), ensure_ascii=False))
        else:
            if not quiet:
                _tell(made)
            print(made.path)


def _check_own(path: Path) -> None:
    """See that a file that would be replaced unasked was made here.

    Raises:
        BadInput: it was not.
    """
    from hinode.directing import material

    if path.is_file() and not material.made_here(path):
        raise BadInput(
            f"{quote(str(path), 200)} is there and was not made by Hinode",
            "name another output",
            field="output",
        )


def _tell(film: Film) -> None:
    """Say on standard error what was made."""
    lines = [f"{film.seconds:g} s in {len(film.shots)} parts; timeline: {film.timeline}"]
    for drawn in film.shots:
        how = f"drawn in {drawn.stage_seconds:.1f} s" if drawn.id in film.anew else "as it was"
        lines.append(f"{drawn.id}: {how}, seed {drawn.seed}: {drawn.prompt}")
        if drawn.not_understood:
            lines.append(f"  not understood: {', '.join(drawn.not_understood[:20])}")
    if film.outdated:
        names = join_names(film.outdated)
        lines.append(f"as they were, though the storyboard has changed for them: {names}; run without --only")
    print("\n".join(lines), file=sys.stderr)
