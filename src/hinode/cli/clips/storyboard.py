"""`hinode storyboard`: a film from a file of shots."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.clips.generate import MAX_LISTED_WORDS, describe_sound, watch_progress
from hinode.errors import BadInput, join_names, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.directing.films.renderer import Film


def storyboard(
    file: Annotated[Path | None, typer.Argument(help="Storyboard, a YAML or JSON file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Shot to render again, and no other. Repeatable."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of storyboards and exit.")
    ] = False,
    output: Annotated[
        Path | None,
        options.output_option(
            "--output",
            "-o",
            metavar="PATH",
            help="File to write, or folder for png.",
            show_default="named after the storyboard; replaces only films by Hinode",
        ),
    ] = None,
    format: options.Format = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a film from a file of shots. Only changed shots are rendered again."""
    from hinode import directing, engines
    from hinode.directing.films import parser, renderer, storyboard
    from hinode.media.writing import formats
    from hinode.trust.provenance.marking import Marking

    if schema:
        print(json.dumps(storyboard.Storyboard.model_json_schema(), ensure_ascii=False, indent=2))
        return
    if file is None:
        raise BadInput("there is no storyboard", "name its file", field="file")
    settings = Settings.from_environment(os.environ)
    board = parser.read(file)
    capabilities = engines.capabilities(board.engine, settings, board.model)
    kind = formats.choose(format, output)
    path = output or file.with_suffix("" if kind == "png" else f".{kind}")
    if output is None:
        _check_replaceable(path)
    _check_replaceable(path.with_suffix(".otio"))
    with watch_progress(show=not (as_json or quiet)) as watch:
        film = renderer.render_film(
            board,
            file.absolute().parent,
            file.with_name(f"{file.name}.shots"),
            path,
            kind,
            directing.get(board.engine, settings, capabilities),
            settings,
            only=only or (),
            watch=watch,
            marking=Marking(settings),
        )
    if as_json:
        print(json.dumps(film.as_json(), ensure_ascii=False))
    else:
        if not quiet:
            print(_summary(film, kind), file=sys.stderr)
        print(film.path)


def _check_replaceable(path: Path) -> None:
    """Raise BadInput about a file that the user did not name and Hinode did not write."""
    from hinode.directing import material

    if path.is_file() and not material.is_made_by_hinode(path):
        message = f"{quote(str(path), 200)} exists and was not made by Hinode"
        raise BadInput(message, "name another output", field="output")


def _summary(film: Film, kind: str) -> str:
    """What was rendered, and which shots were taken from the cache."""
    lines = [f"{film.seconds:g} s in {len(film.shots)} parts; timeline: {film.timeline}"]
    for shot in film.shots:
        origin = f"rendered in {shot.stage_seconds:.1f} s" if shot.id in film.anew else "unchanged"
        lines.append(f"{shot.id}: {origin}, seed {shot.seed}: {shot.prompt}")
        if shot.not_understood:
            lines.append(f"  not understood: {', '.join(shot.not_understood[:MAX_LISTED_WORDS])}")
    lines += describe_sound(film.sound, kind)
    if film.outdated:
        names = join_names(film.outdated)
        lines.append(f"not rendered again, although the storyboard changed: {names}; run without --only")
    return "\n".join(lines)
