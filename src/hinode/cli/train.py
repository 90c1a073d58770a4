"""`hinode train`, `hinode distil` and `hinode evaluate`: make a model, make it quick, measure it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hinode.cli.exits import exit_on_error
from hinode.errors import BadInput, join_names
from hinode.request import parse_size
from hinode.settings import Settings

DIRECTING, PHYSICS, UPSCALING = "directing", "physics", "upscaling"
SUITES = (DIRECTING, PHYSICS, UPSCALING)
"""The suites that there are."""

Resume = Annotated[bool, typer.Option(help="Go on from the state that is in the folder.")]
Threads = Annotated[int | None, typer.Option(help="Processor threads; by default all.", show_default=False)]
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.", show_default=False)
]


def train(
    recipe: Annotated[
        str, typer.Argument(help="What to train: nano, mini, judge or upscaler.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the model, the state and the log.", show_default=False)
    ],
    start: Annotated[
        str | None,
        typer.Option(
            help="Installed model whose weights it begins with, such as nano; by default with none.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Length of the whole run, what --start had included; by default the recipe's. The upscaler "
            "takes a number of steps.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the upscaler; by default 3,000.", show_default=False)
    ] = None,
    resume: Resume = True,
    threads: Threads = None,
    device: Device = None,
    shard: Annotated[
        bool,
        typer.Option("--shard", help="Under torchrun: each process keeps only its part of the weights."),
    ] = False,
) -> None:
    """Train a model, or go on training it; stop whenever you like."""
    with exit_on_error():
        from hinode.engines.native import catalog
        from hinode.training import train as run
        from hinode.training import train_judge, train_upscaler

        settings = Settings.from_environment(os.environ)
        if start is not None and recipe in ("judge", "upscaler"):
            raise BadInput(f"the {recipe} begins with no model", "leave --start out", field="start")
        if recipe == "judge":
            print(train_judge(out, minutes=minutes or 40.0, threads=threads or settings.threads or 1))
            return
        if recipe == "upscaler":
            if minutes is not None:
                raise BadInput(
                    "the upscaler is trained for a number of steps", "say --steps", field="minutes"
                )
            amount = {} if steps is None else {"steps": steps}
            processors = threads or settings.threads or 1
            print(train_upscaler(out, settings=settings, threads=processors, resume=resume, **amount))
            return
        if steps is not None:
            raise BadInput(f"{recipe} is trained for a time", "say --minutes", field="steps")
        path = run(
            recipe,
            out,
            start=None if start is None else catalog.find(start, settings.models).path,
            minutes=minutes,
            resume=resume,
            threads=threads or settings.threads,
            device=device or settings.device,
            shard=shard,
        )
        print(path)


def distil(
    model: Annotated[str, typer.Argument(help="The teacher: an installed model.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder for the student, the state and the log.", show_default=False)
    ],
    start: Annotated[
        str | None,
        typer.Option(
            help="Model that the student begins as, such as its earlier self; by default the teacher.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Length of the whole run.")] = 90.0,
    resume: Resume = True,
    threads: Threads = None,
    device: Device = None,
) -> None:
    """Teach a student to draw as a model does, but in 2 or 4 steps and without guidance."""
    with exit_on_error():
        from hinode.engines.native import catalog
        from hinode.training import distil as run

        settings = Settings.from_environment(os.environ)
        path = run(
            catalog.find(model, settings.models).path,
            out,
            start=None if start is None else catalog.find(start, settings.models).path,
            minutes=minutes,
            resume=resume,
            threads=threads or settings.threads,
            device=device or settings.device,
        )
        print(path)


def evaluate(
    prompts: Annotated[
        Path | None,
        typer.Option(
            help='File of lines {"prompt": "...", "expect": {"subject": "balloon", "color": "red", ...}}; '
            "with --suite, the folder of its cases.",
            show_default=False,
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="A whole suite instead of prompts: directing, physics or upscaling.", show_default=False
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Bars of the suite, such as extension,loop; by default all.", show_default=False),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what the suite measures case by case; the same line goes on where it was.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Which model; by default the best. It draws prompts itself, directing as for everybody: "
            "with its student.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps; by default the model's own number.", show_default=False),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Draw in the native shape nearest to it; by default square.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first lines of a file; by default all.", show_default=False)
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors", help="Add the scores of ground truth, shuffled captions and the like.")
    ] = False,
    save_clips: Annotated[
        Path | None, typer.Option(help="Keep the clips in this file, for runs/card.py.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw given prompts and print how often the judge finds in them what was asked for."""
    with exit_on_error():
        if suite is not None:
            _evaluate_suite(suite, prompts, only, keep, model, steps, limit, as_json=as_json)
            return
        if prompts is None:
            raise BadInput("there is nothing to draw", "name a file of prompts or a suite", field="prompts")
        from hinode.evaluation.evaluate import evaluate_file

        settings = Settings.from_environment(os.environ)
        scores = evaluate_file(
            prompts,
            model=model,
            settings=settings,
            limit=limit,
            size=None if size is None else parse_size(size),
            steps=steps,
            with_floors=floors,
            save_clips=save_clips,
        )
        if as_json:
            print(json.dumps(scores))
        else:
            for title, table in {scores["model"]: scores, **scores.get("floors", {})}.items():
                _tell_scores(title, table)
            print(f"{scores['n']} prompts; in brackets, 95 % intervals")


def _evaluate_suite(
    suite: str,
    folder: Path | None,
    only: str | None,
    keep: Path | None,
    model: str | None,
    steps: int | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """Play a suite and print its table."""
    if suite not in SUITES:
        raise BadInput(f"there is no suite {suite!r}", f"name {join_names(SUITES, 'or')}", field="suite")
    if suite == UPSCALING:
        from hinode.evaluation import upscaler

        settings = Settings.from_environment(os.environ)
        measured = upscaler.evaluate_upscaling(model=model, settings=settings, limit=limit)
        print(json.dumps(measured) if as_json else upscaler.table(measured))
        return
    from hinode.evaluation.directing import Row, evaluate_directing, table
    from hinode.evaluation.physics import evaluate_physics

    settings = Settings.from_environment(os.environ)
    bars = tuple(only.split(",")) if only else ()
    if suite == PHYSICS:
        found = evaluate_physics(
            model=model, settings=settings, only=bars, limit=limit, steps=steps, keep=keep
        )
    else:
        found = evaluate_directing(
            folder or Path("benchmarks", "prompts", DIRECTING),
            model=model,
            settings=settings,
            only=bars,
            limit=limit,
            steps=steps,
            keep=keep,
        )
    if as_json:
        print(json.dumps(found))
        return
    print(table([Row(**row) for row in found["rows"]]))
    by = found.get("drawn_by", found["model"])
    drawn = "" if by == found["model"] else f"drawn by {by}, "
    print(f"model {found['model']}, {drawn}{found['steps']} steps")
    for name, seconds in found.get("seconds", {}).items():
        print(f"{name}: {seconds:g} s a case")


def _tell_scores(title: str, scores: dict[str, Any]) -> None:
    """Print one table of an evaluation."""
    print(title.replace("_", " "))
    for name, score in {"whole prompt": scores["whole_prompt"], **scores["attributes"]}.items():
        print(f"  {name:<13}{score['accuracy']:7.1%}  ({score['low']:.1%} to {score['high']:.1%})")
