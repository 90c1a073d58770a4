"""`hinode train`: make a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hinode.errors import BadInput, join_names, quote
from hinode.settings import Settings

Out = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder for the model, the saved state and the log.")
]
Resume = Annotated[bool, typer.Option(help="Continue from the state saved in the folder.")]
Threads = Annotated[int | None, typer.Option(metavar="NUMBER", help="Processor threads.", show_default="all")]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu or cuda.", show_default="a GPU if there is one")
]


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="What to train: drawing-nano, drawing-mini, drawing-smoke, planner, reader or decoder."
        ),
    ],
    out: Out,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Installed model whose weights it starts with.", show_default="random ones"
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Length of the whole run, including the minutes of --start and of earlier runs.",
            show_default="that of the recipe",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Largest learning rate of a drawing recipe; a low one changes less of --start.",
            show_default="that of the recipe",
        ),
    ] = None,
    resume: Resume = True,
    threads: Threads = None,
    device: Device = None,
) -> None:
    """Train a model; it can be stopped at any time, and the same command continues."""
    from hinode import training
    from hinode.engines.native import catalog

    settings = Settings.from_environment(os.environ)
    threads = threads or settings.threads
    if start is not None and recipe not in training.DRAWING_RECIPES:
        raise BadInput(f"the {recipe} is trained from random weights", "leave --start out", field="start")
    if rate is not None and recipe not in training.DRAWING_RECIPES:
        raise BadInput(f"the {recipe} has a learning rate of its own", "leave --rate out", field="rate")
    if rate is not None and not 0 < rate < 1:
        raise BadInput(f"--rate is {rate:g}", "give more than 0 and less than 1", field="rate")
    if recipe == "planner":
        path = training.train_planner(out, minutes=minutes or 60.0, threads=threads or 1, resume=resume)
    elif recipe == "reader":
        path = training.train_reader(out, minutes=minutes or 60.0, threads=threads or 1, resume=resume)
    elif recipe == "decoder":
        path = training.train_decoder(out, minutes=minutes, threads=threads or 1, resume=resume)
    elif recipe in training.DRAWING_RECIPES:
        path = training.train_drawing(
            recipe,
            out,
            start=None if start is None else catalog.find(start, settings.models).path,
            minutes=minutes,
            rate=rate,
            resume=resume,
            threads=threads,
            device=device or settings.device,
        )
    else:
        names = ("planner", "reader", "decoder", *training.DRAWING_RECIPES)
        raise BadInput(
            f"there is no recipe {quote(recipe)}", f"choose {join_names(names, 'or')}", field="recipe"
        )
    print(path)
