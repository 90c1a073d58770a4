"""Options that several commands have in common, each said once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from hinode.cli.exits import exit_on_error

Fit = Annotated[
    str | None,
    typer.Option(
        help="How pictures of another size are brought to that of the clip: crop, pad or stretch; by default "
        "they have to have it.",
        show_default=False,
    ),
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        metavar="FILE@SECONDS",
        help="Picture that is shown at that moment; may be given again.",
        show_default=False,
    ),
]
Characters = Annotated[
    list[str] | None,
    typer.Option(
        "--character",
        metavar="NAME=FILE",
        help="Picture or MP4 of somebody whom the prompt calls @NAME; may be given again.",
        show_default=False,
    ),
]
PathOption = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="POINTS",
        help='Where the subject goes: "0,0.2,0.5; 2,0.8,0.5" (seconds, x, y from the top left, 0 to 1), or a '
        "JSON file of such triples.",
        show_default=False,
    ),
]
Move = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="MOVES",
        help='"pan left", "zoom in slowly", "pan right 1.5, zoom out", or seconds, pan and zoom: '
        '"0,0,1; 2,0.5,1.2".',
        show_default=False,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="draft, standard or best, for models that have them; by default the model's own.",
        show_default=False,
    ),
]
Expand = Annotated[
    bool, typer.Option(help="Let the model say in words what the prompt leaves open; shown with the result.")
]


@dataclass(frozen=True)
class Common:
    """What every command that makes a clip out of others can be told."""

    size: Annotated[
        str | None,
        typer.Option(help="Width x height in pixels; by default that of the source.", show_default=False),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second; by default those of the source.", show_default=False),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same clip; by default a new one.", show_default=False),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps; by default the model's own number.", show_default=False),
    ] = None
    profile: Profile = None
    engine: Annotated[str, typer.Option(help="Who draws.")] = "native"
    model: Annotated[
        str | None,
        typer.Option(help="Which of the engine's models; by default its best.", show_default=False),
    ] = None
    expand: Expand = True
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write (a folder for png); by default named after the prompt, in this folder.",
            show_default=False,
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, gif, webp or png; by default what the output ends in, or mp4.", show_default=False
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the clip.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the path.")] = False


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """A command for typer out of one that takes its last argument, `common`, as a `Common`: the fields of it
    become options, and every ending a plain one."""
    types = get_type_hints(Common, include_extras=True)
    own = get_type_hints(command, include_extras=True)
    shared = [
        inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name]
        )
        for one in fields(Common)
    ]
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own[one.name])
        for one in inspect.signature(command).parameters.values()
        if one.name != "common"
    ]

    @functools.wraps(command)
    def run(**words: Any) -> None:
        with exit_on_error():
            common = Common(**{one.name: words.pop(one.name) for one in fields(Common)})
            command(**words, common=common)

    every = [*parameters, *shared]
    del run.__wrapped__
    run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in every}
    return run
