"""`hinode evaluate`: measure a model on prompts or with a suite."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hinode.cli import options
from hinode.errors import BadInput, join_names
from hinode.request import parse_size
from hinode.settings import Settings

BOOK, DIRECTING, FIDELITY, PHYSICS, PLAN = "book", "directing", "fidelity", "physics", "plan"
UPSCALING, UNDERSTANDING = "upscaling", "understanding"
SUITES = (BOOK, DIRECTING, FIDELITY, PHYSICS, PLAN, UPSCALING, UNDERSTANDING)


def evaluate(
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help='File of lines {"prompt": "...", "expect": {"subject": "balloon", "color": "red", ...}}; '
            "with --suite directing, the folder of its cases.",
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Suite to run on its own cases: book, directing, fidelity, physics, plan, upscaling or "
            "understanding.",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Metrics of the suite, such as extension,loop.", show_default="all"
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the results of each case, from which the same command continues a stopped run.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        options.model_option(
            metavar="NAME",
            help="Model to measure. On prompts it generates by itself; in the directing suite its student "
            "does, as for users.",
            show_default="the best one",
        ),
    ] = None,
    steps: options.Steps = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Generate in the native shape nearest to this size.",
            show_default="the model's first shape",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Use only the first prompts or cases.", show_default="all"),
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors", help="Add the scores of ground truth, shuffled captions and the like.")
    ] = False,
    damages: Annotated[
        bool,
        typer.Option(
            "--damages",
            help="With --suite book: how often each measure puts true clips above known damages of them.",
        ),
    ] = False,
    save_clips: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the clips of the prompts, for runs/card.py.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Generate clips and print how often the judge finds in them what the prompts say."""
    settings = Settings.from_environment(os.environ)
    common: dict[str, Any] = {"model": model, "settings": settings, "limit": limit}
    if suite is not None:
        metrics = tuple(only.split(",")) if only else ()
        if suite == BOOK:
            result, text = _run_book(damages, limit, keep)
        else:
            more = {"only": metrics, "steps": steps, "keep": keep}
            result, text = _run_suite(suite, prompts, common, more)
    elif prompts is None:
        raise BadInput("there is nothing to evaluate", "give a file of prompts or a suite", field="prompts")
    else:
        from hinode.evaluation.evaluate import evaluate_file

        common |= {"size": None if size is None else parse_size(size), "steps": steps}
        result = evaluate_file(prompts, **common, with_floors=floors, save_clips=save_clips)
        text = _scores_text(result)
    print(json.dumps(result) if as_json else text)


def _run_book(damages: bool, limit: int | None, keep: Path | None) -> tuple[dict[str, Any], str]:
    """The trial of the measures of the picture book, and the same as text."""
    if not damages:
        message = "no weights draw clips from plans of the picture book yet"
        raise BadInput(message, "add --damages to try its measures on true clips", field="damages")
    from hinode.evaluation.book.trials import try_damages
    from hinode.evaluation.results import Row, table

    result = try_damages(limit=limit, keep=keep)
    return result, table([Row.of(row) for row in result["rows"]]) + f"\n{result['clips']} true clips"


def _run_suite(
    suite: str, folder: Path | None, common: dict[str, Any], more: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """The result of a suite, and the same as text. `more`: what the upscaling suite does not take."""
    if suite == UPSCALING:
        from hinode.evaluation import upscaler

        result = upscaler.evaluate_upscaling(**common)
        return result, upscaler.table(result)
    if suite == UNDERSTANDING:
        from hinode.evaluation import understanding

        result = understanding.evaluate_understanding(folder or understanding.CASES, limit=common["limit"])
        return result, understanding.text(result)
    if suite == PLAN:
        from hinode.evaluation import plans

        result = plans.evaluate_plans(folder or plans.CASES, limit=common["limit"], steps=more["steps"])
        return result, plans.text(result)
    if suite == PHYSICS:
        from hinode.evaluation.physics import evaluate_physics

        result = evaluate_physics(**common, **more)
    elif suite == FIDELITY:
        from hinode.evaluation import fidelity

        result = fidelity.evaluate_fidelity(folder or fidelity.CASES, **common)
    elif suite == DIRECTING:
        from hinode.evaluation.directing import evaluate_directing

        result = evaluate_directing(folder or Path("benchmarks", "prompts", DIRECTING), **common, **more)
    else:
        raise BadInput(f"there is no suite {suite!r}", f"choose {join_names(SUITES, 'or')}", field="suite")
    from hinode.evaluation.results import Row, table

    model, generator = result["model"], result.get("drawn_by", result["model"])
    student = "" if generator == model else f"generated by {generator}, "
    lines = [table([Row.of(row) for row in result["rows"]])]
    lines.append(f"model {model}, {student}{result['steps']} steps")
    lines += [f"{name}: {seconds:g} s a case" for name, seconds in result.get("seconds", {}).items()]
    return result, "\n".join(lines)


def _scores_text(result: dict[str, Any]) -> str:
    """The scores of a prompt file, and its floors, as text."""
    lines = []
    floors = dict(result.get("floors", {}))
    flicker = floors.pop("flicker", {"n": 0})
    for title, scores in {result["model"]: result, **floors}.items():
        lines.append(title.replace("_", " "))
        for name, score in {"whole prompt": scores["whole_prompt"], **scores["attributes"]}.items():
            interval = f"({score['low']:.1%} to {score['high']:.1%})"
            lines.append(f"  {name:<13}{score['accuracy']:7.1%}  {interval}")
    if flicker["n"]:
        lines.append("flicker beside true clips: {ratio:.2f} ({low:.2f} to {high:.2f})".format(**flicker))
    lines.append(f"{result['n']} prompts; in brackets, 95 % intervals")
    return "\n".join(lines)
