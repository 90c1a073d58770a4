"""`hinode train` and `hinode distil`: make a model, and make it quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hinode.errors import BadInput
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
            help="What to train: nano, mini, drawing-nano, drawing-mini, judge, planner or upscaler."
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
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="Steps of the upscaler, which has no length in minutes.",
            show_default="3000",
        ),
    ] = None,
    resume: Resume = True,
    threads: Threads = None,
    device: Device = None,
    shard: Annotated[
        bool, typer.Option("--shard", help="Under torchrun: each process keeps only its part of the weights.")
    ] = False,
) -> None:
    """Train a model; it can be stopped at any time, and the same command continues."""
    from hinode import training
    from hinode.engines.native import catalog

    settings = Settings.from_environment(os.environ)
    threads = threads or settings.threads
    if start is not None and recipe in ("judge", "planner", "upscaler"):
        raise BadInput(f"the {recipe} is trained from random weights", "leave --start out", field="start")
    if minutes is not None and recipe == "upscaler":
        raise BadInput("the upscaler is trained for a number of steps", "give --steps", field="minutes")
    if steps is not None and recipe != "upscaler":
        raise BadInput(f"{recipe} is trained for a time", "give --minutes", field="steps")
    if recipe == "judge":
        path = training.train_judge(out, minutes=minutes or 40.0, threads=threads or 1)
    elif recipe == "planner":
        path = training.train_planner(out, minutes=minutes or 60.0, threads=threads or 1, resume=resume)
    elif recipe == "upscaler":
        path = training.train_upscaler(
            out, settings=settings, steps=steps, threads=threads or 1, resume=resume
        )
    elif recipe in training.DRAWING_RECIPES:
        if start is not None or shard:
            name = "start" if start is not None else "shard"
            raise BadInput(f"{recipe} has no --{name}", "leave it out", field=name)
        path = training.train_drawing(
            recipe, out, minutes=minutes, resume=resume, threads=threads, device=device or settings.device
        )
    else:
        path = training.train(
            recipe,
            out,
            start=None if start is None else catalog.find(start, settings.models).path,
            minutes=minutes,
            resume=resume,
            threads=threads,
            device=device or settings.device,
            shard=shard,
        )
    print(path)


def distil(
    model: Annotated[str, typer.Argument(help="Installed model that is the teacher.")],
    out: Out,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Installed model that the student starts as, such as an earlier student.",
            show_default="the teacher",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(metavar="NUMBER", help="Length of the whole run.")] = 90.0,
    resume: Resume = True,
    threads: Threads = None,
    device: Device = None,
) -> None:
    """Train a student that generates as its teacher does, but in 2 or 4 steps and without guidance."""
    from hinode import training
    from hinode.engines.native import catalog

    settings = Settings.from_environment(os.environ)
    path = training.distil(
        catalog.find(model, settings.models).path,
        out,
        start=None if start is None else catalog.find(start, settings.models).path,
        minutes=minutes,
        resume=resume,
        threads=threads or settings.threads,
        device=device or settings.device,
    )
    print(path)
