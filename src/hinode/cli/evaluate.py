"""`hinode evaluate`: measure a model with a suite."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hinode.cli import options
from hinode.errors import BadInput, join_names
from hinode.settings import Settings

BOOK, DECODING, DESCRIBE, DIRECTING = "book", "decoding", "describe", "directing"
PLAN, UNDERSTANDING = "plan", "understanding"
DAMAGES = "book --damages"
SECONDS = 2.0
OPTIONS: dict[str, tuple[str, ...]] = {
    BOOK: ("prompts", "model", "steps", "seconds", "save_clips", "limit"),
    DAMAGES: ("limit", "keep"),
    DECODING: ("limit",),
    DESCRIBE: ("limit",),
    DIRECTING: ("prompts", "model", "steps", "only", "keep", "limit"),
    PLAN: ("prompts", "steps", "limit"),
    UNDERSTANDING: ("prompts", "limit"),
}
"""The options that each suite has."""
SUITES = (BOOK, DECODING, DESCRIBE, DIRECTING, PLAN, UNDERSTANDING)


def evaluate(
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help='File of lines {"prompt": "..."}; with --suite directing, the folder of its cases.',
            show_default="those of the suite",
        ),
    ] = None,
    suite: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"Suite to run on its own cases: {join_names(SUITES, 'or')}."),
    ] = BOOK,
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
            help="Model to measure.",
            show_default="the best one",
        ),
    ] = None,
    steps: options.Steps = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Use only the first prompts or cases.", show_default="all"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="With --suite book: length of each clip.", show_default="2.0"),
    ] = None,
    damages: Annotated[
        bool,
        typer.Option(
            "--damages",
            help="With --suite book: how often each measure puts true clips above known damages of them.",
        ),
    ] = False,
    save_clips: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for the clips of the prompts, for the model card."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Generate clips and print how near they come to the truth of their plans."""
    if suite not in SUITES:
        raise BadInput(f"there is no suite {suite!r}", f"choose {join_names(SUITES, 'or')}", field="suite")
    if damages and suite != BOOK:
        raise BadInput(f"--damages is no option of the suite {suite}", "leave it out", field="damages")
    values = {"prompts": prompts, "model": model, "steps": steps, "seconds": seconds, "only": only,
              "keep": keep, "limit": limit, "save_clips": save_clips}  # fmt: skip
    run = DAMAGES if damages else suite
    for name, value in values.items():
        if value is not None and name not in OPTIONS[run]:
            flag = f"--{name.replace('_', '-')}"
            raise BadInput(f"{flag} is no option of the suite {run}", "leave it out", field=name)
    settings = Settings.from_environment(os.environ)
    common: dict[str, Any] = {"model": model, "settings": settings, "limit": limit}
    if damages:
        result, text = _run_damages(limit, keep)
    elif suite == BOOK:
        more = {"steps": steps, "save_clips": save_clips, "seconds": SECONDS if seconds is None else seconds}
        result, text = _run_book(prompts, {**common, **more})
    else:
        metrics = tuple(only.split(",")) if only else ()
        result, text = _run_suite(suite, prompts, common, {"only": metrics, "steps": steps, "keep": keep})
    print(json.dumps(result) if as_json else text)


def _run_book(prompts: Path | None, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The measures of clips that a model of the picture book draws, and the same as text."""
    from hinode.evaluation.book.generation import evaluate_generation
    from hinode.evaluation.plans import CASES
    from hinode.evaluation.results import Row, table

    result = evaluate_generation(prompts or CASES, **options)
    facts = f"model {result['model']}, {result['steps']} steps, {result['clips']} clips"
    return result, table([Row.of(row) for row in result["rows"]]) + f"\n{facts}"


def _run_damages(limit: int | None, keep: Path | None) -> tuple[dict[str, Any], str]:
    """The trial of the measures of the picture book, and the same as text."""
    from hinode.evaluation.book.trials import try_damages
    from hinode.evaluation.results import Row, table

    result = try_damages(limit=limit, keep=keep)
    return result, table([Row.of(row) for row in result["rows"]]) + f"\n{result['clips']} true clips"


def _run_suite(
    suite: str, folder: Path | None, common: dict[str, Any], more: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """The result of a suite, and the same as text. `more`: options of some suites."""
    if suite == DECODING:
        from hinode.evaluation import decoder

        result = decoder.evaluate_decoder(limit=common["limit"])
        return result, decoder.table(result)
    if suite == UNDERSTANDING:
        from hinode.evaluation import understanding

        result = understanding.evaluate_understanding(folder or understanding.CASES, limit=common["limit"])
        return result, understanding.text(result)
    if suite == DESCRIBE:
        from hinode.evaluation import descriptions

        result = descriptions.evaluate_descriptions(limit=common["limit"])
        return result, descriptions.text(result)
    if suite == PLAN:
        from hinode.evaluation import plans

        result = plans.evaluate_plans(folder or plans.CASES, limit=common["limit"], steps=more["steps"])
        return result, plans.text(result)
    from hinode.evaluation.directing import evaluate_directing
    from hinode.evaluation.results import Row, table

    result = evaluate_directing(folder or Path("benchmarks", "prompts", DIRECTING), **common, **more)
    lines = [table([Row.of(row) for row in result["rows"]])]
    lines.append(f"model {result['model']}, {result['steps']} steps")
    lines += [f"{name}: {seconds:g} s a case" for name, seconds in result.get("seconds", {}).items()]
    return result, "\n".join(lines)
