"""`hinode generate`, and `render`: what every command for one clip ends with."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hinode.cli import options
from hinode.cli.clips.controls import read_plan, with_controls
from hinode.cli.clips.quote import print_quote, record_run
from hinode.cli.command import ClipContext
from hinode.cli.options import ClipOptions
from hinode.request import FIRST_FRAME, LAST_FRAME, Request

if TYPE_CHECKING:
    from hinode.engines.protocol import Progress
    from hinode.pipeline import Result, Watch
    from hinode.routing.pools import Pool

MAX_NAME_CHARACTERS = 60
MAX_LISTED_WORDS = 20


def generate(
    ctx: ClipContext,
    prompt: options.Prompt,
    seconds: options.Seconds = 2.0,
    sound: Annotated[
        bool | None,
        options.clip_option(
            "--sound/--no-sound",
            help="Whether the clip has sound; only mp4 can hold it.",
            show_default="chosen by the model",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        options.control_option(
            metavar="FILE", help="Picture that the clip begins with, cropped to its shape or as --fit says."
        ),
    ] = None,
    last_image: Annotated[
        Path | None,
        options.control_option(
            metavar="FILE", help="Picture that the clip ends with, cropped to its shape or as --fit says."
        ),
    ] = None,
    keyframe: options.Keyframes = None,
    fit: options.Fit = None,
    character: Annotated[
        list[str] | None,
        options.control_option(
            metavar="NAME=FILE",
            help="Picture or MP4 of a character that the prompt calls @NAME. Repeatable.",
        ),
    ] = None,
    path: options.SubjectPath = None,
    camera: options.Camera = None,
    plan: options.ScenePlan = None,
    dry_run: Annotated[
        bool,
        options.output_option("--dry-run", help="Print what the clip takes and costs, and make nothing."),
    ] = False,
) -> None:
    """Generate a clip from a text prompt.

    Prints the path of the file on standard output, and everything else on standard error.
    """
    request = dataclasses.replace(
        ctx.clip.request(prompt),
        seconds=seconds,
        sound=sound,
        plan=read_plan(plan),
    )
    frames = {FIRST_FRAME: image, LAST_FRAME: last_image}
    with with_controls(request, ctx.clip, keyframe, fit, path, camera, character, frames) as controlled:
        if dry_run:
            _quote(controlled, ctx.clip)
        else:
            render(controlled, ctx.clip)


def _quote(request: Request, clip: ClipOptions) -> None:
    """Print the quote of a request; of a pool, that of the member which would be tried first."""
    if clip.pool is not None:
        from hinode.routing import record

        member = record.current(_route(request, clip, clip.pool))
        request = dataclasses.replace(request, engine=member["engine"], model=member["model"])
    print_quote(request, clip.settings, prices=False, as_json=clip.as_json)


def render(request: Request, clip: ClipOptions) -> None:
    """Carry out a request, write the file and print its path."""
    from hinode import directing, pipeline
    from hinode.media.writing import formats
    from hinode.trust.screening.policy import load

    kind = formats.choose(clip.format, clip.output)
    path = clip.output or _unused_path(request, kind)
    capabilities = clip.engine_capabilities  # raises if the licence of the model excludes this operator
    with watch_progress(show=not (clip.as_json or clip.quiet)) as watch:
        routing: dict[str, Any] = {}
        if clip.pool is not None:
            request, result, routing = _generate_pooled(request, clip, clip.pool, path, kind, watch)
        else:
            engine = directing.get(request.engine, clip.settings, capabilities)
            policy = load(clip.settings.policy)
            result = pipeline.generate(request, engine, path, kind, watch, policy, marking=clip.marking)
    record_run(request, clip.settings, result)
    if clip.as_json:
        values = result.as_json() | ({"routing": routing} if routing else {})
        print(json.dumps(values, ensure_ascii=False))
    else:
        if not clip.quiet:
            print(_summary(result), file=sys.stderr)
        print(result.path)


def _generate_pooled(
    request: Request, clip: ClipOptions, pool: Pool, path: Path, kind: str, watch: Watch
) -> tuple[Request, Result, dict[str, Any]]:
    """Carry out a request with the members of a pool in their order: the next makes the clip if no server has
    accepted it. Returns the request of the member that did, and the record of the decision."""
    from hinode import directing, pipeline
    from hinode.errors import NotAccepted
    from hinode.routing import record
    from hinode.trust.screening.policy import load

    routing = _route(request, clip, pool)
    while True:
        member = record.current(routing)
        name = f"{member['engine']}/{member['model']}"
        if not clip.quiet:
            print(f"{name}: {member['reason']}", file=sys.stderr)
        request = dataclasses.replace(request, engine=member["engine"], model=member["model"])
        try:
            engine = directing.get(request.engine, clip.settings)
            policy = load(clip.settings.policy)
            result = pipeline.generate(request, engine, path, kind, watch, policy, marking=clip.marking)
            return request, result, routing
        except NotAccepted as error:
            # A command tries every member once.
            step = record.move(routing, error.message, time.time(), created_at=-math.inf, refused=error.final)
            if step is None:
                raise
            routing = step[0]
            if not clip.quiet:
                print(f"{name}: {error.message}", file=sys.stderr)


def _route(request: Request, clip: ClipOptions, pool: Pool) -> dict[str, Any]:
    """The record of the members of a pool in the order in which they are tried."""
    from hinode import directing
    from hinode.media.reading import references
    from hinode.money.quoting.quotes import Quotes
    from hinode.routing import record
    from hinode.routing.router import Expectation, route

    length = float(references.seconds(request.source)) if request.source else None
    quotes = Quotes(clip.settings)
    decision = route(
        pool,
        request,
        clip.settings,
        clock=time.time,
        check=lambda request, capabilities: directing.check(request, capabilities, length),
        expect=lambda request, _: Expectation(seconds=quotes.predict(request).eta.p50),
    )
    return record.begin(pool.name, decision)


@contextmanager
def watch_progress(*, show: bool) -> Iterator[Watch]:
    """A progress bar that starts again with each stage of the work; nothing unless a terminal shows it."""
    from hinode.progress import progress_bar

    with progress_bar(show=show) as bar:
        task = bar.add_task("start", total=None)
        stage = ""

        def watch(progress: Progress) -> None:
            nonlocal stage
            if progress.stage != stage:
                stage = progress.stage
                bar.reset(task, description=f"{stage:<7}", total=progress.total, completed=progress.done)
            else:
                bar.update(task, completed=progress.done)

        yield watch


def _summary(result: Result) -> str:
    """What was rendered, and how the model read the prompt."""
    from hinode.pipeline import format_size

    provenance = result.provenance
    size, native_size = format_size(result.size), format_size(provenance.native_size)
    seconds = sum(provenance.stage_seconds.values())
    lines = [
        f"{float(result.timeline.seconds):g} s at {size}, rendered at {native_size} by {provenance.model} "
        f"from seed {provenance.seed} in {seconds:.1f} s"
    ]
    if provenance.not_understood:
        from hinode.engines.native import catalog
        from hinode.world.book.priors import KINDS, PLACES

        words = provenance.not_understood[:MAX_LISTED_WORDS]
        more = len(provenance.not_understood) - len(words)
        lines.append(f"not understood: {', '.join(words)}" + (f" and {more} more words" if more else ""))
        if provenance.engine == catalog.ENGINE:
            lines.append(f"known are the subjects {', '.join(KINDS)}; and the places {', '.join(PLACES)}")
    lines.append(f"read as: {provenance.read_as}")
    lines += describe_sound(result.sound, result.format)
    return "\n".join(lines)


def describe_sound(sound: str | None, format: str) -> list[str]:
    """What to say about the sound of a file of a format, in a line or none; `sound` is that of a result."""
    from hinode.media.sound import LEFT_OUT

    if sound == LEFT_OUT:
        return [f"without sound: {format} files hold none, mp4 files do"]
    return [] if sound is None else [f"sound: {sound}"]


def _unused_path(request: Request, kind: str) -> Path:
    """A path in this folder, named after the prompt and the seed, at which nothing exists."""
    slug = re.sub(r"[^\w]+", "-", request.prompt.lower()).strip("-_")[:MAX_NAME_CHARACTERS].strip("-_")
    name = f"{slug or 'clip'}-{request.seed}"
    suffix = "" if kind == "png" else f".{kind}"
    path, count = Path(name + suffix), 1
    while path.exists():
        count += 1
        path = Path(f"{name}-{count}{suffix}")
    return path
