"""`hinode plan` and `hinode describe`: where everything will be in a clip, and what a video shows."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.errors import join_names
from hinode.request import Size, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.engines.native.plans.planning import PlannedClip
    from hinode.world.book.plan import SubjectPlan


def plan(
    prompt: options.Prompt,
    seconds: options.Seconds = 2.0,
    size: Annotated[
        str | None,
        options.clip_option(metavar="WxH", help="Width and height in pixels.", show_default="640x360"),
    ] = None,
    seed: Annotated[
        int | None,
        options.clip_option(
            metavar="NUMBER", help="The same seed gives the same plan.", show_default="a new seed"
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        options.clip_option(
            metavar="FILE",
            help="Also draw the plan, with its sound: an .mp4, .gif or .webp file.",
            show_default="none",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Plan a clip from a text prompt: place, time, weather, camera, and the path of every subject.

    The plan is of the picture-book world. No model draws anything, so it takes milliseconds; --preview draws
    it by the rules of that world in a second or two.
    """
    from hinode.engines.native.plans.planning import plan_prompt, write_preview
    from hinode.trust.provenance.marking import Marking

    shape = options.DEFAULT_SIZE if size is None else parse_size(size)
    number = secrets.randbelow(options.RANDOM_SEEDS) if seed is None else seed
    planned = plan_prompt(prompt, seconds=seconds, size=shape, seed=number)
    if preview is not None:
        write_preview(planned, shape, preview, marking=Marking(Settings.from_environment(os.environ)))
    print(json.dumps(planned.as_json(), ensure_ascii=False) if as_json else _text(planned, shape))


def describe(
    file: Annotated[
        Path,
        typer.Argument(
            help="Video or picture to describe, such as an MP4, MOV, MKV, WebM, GIF, JPEG or PNG."
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Say what a video or a picture of the picture-book world shows.

    It names place, time, weather, the move of the camera, and kind, colour and motion of up to three
    subjects. Of anything else it says that it is nothing of this world. --json prints the whole plan too,
    with how sure each fact is. Of a video the first minute counts.
    """
    from hinode.directing import material
    from hinode.engines.native.plans.perception import describe_file

    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        description = describe_file(material.load_any(file, Path(folder)))
    print(json.dumps(description.as_json()) if as_json else description.text)


def _text(planned: PlannedClip, size: Size) -> str:
    """The plan in lines, the account of the words last."""
    scene = planned.plan
    lines = [
        f"{scene.seconds:g} s of {size[0]}x{size[1]}, seed {planned.seed}, planner {planned.planner}",
        f"place {scene.place}, time {scene.time}, weather {scene.weather}, camera {scene.camera.move}",
        *map(_subject_line, scene.subjects),
    ]
    lines += [f"{event.time:.2f} s: {event.kind}" for event in scene.events]
    notes = {
        "understood": planned.understood,
        "drawn otherwise": [f"{words} as {drawn}" for words, drawn in planned.substituted],
        "not understood": planned.not_understood,
        "left out": planned.excluded,
        "chosen by the seed": planned.chosen,
    }
    lines += [f"{title}: {join_names(tuple(words))}" for title, words in notes.items() if words]
    return "\n".join(lines)


def _subject_line(subject: SubjectPlan) -> str:
    begin, end = (f"{subject.x[k]:.2f}, {subject.y[k]:.2f}" for k in (0, -1))
    path = f"at {begin}" if begin == end else f"from {begin} to {end}"
    return f"{subject.color} {subject.kind} ({subject.rest}) {path}, size {subject.size[0]:.2f}"
