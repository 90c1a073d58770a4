"""`hinode generate`: a clip from words, here and now."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli.controls import with_controls
from hinode.cli.exits import exit_on_error
from hinode.cli.options import Characters, Expand, Fit, Keyframes, Move, PathOption, Profile
from hinode.errors import BadInput
from hinode.request import FIRST_FRAME, LAST_FRAME, Reference, Request, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.engines.protocol import Progress as Step
    from hinode.pipeline import Result, Watch

RANDOM_SEEDS = 2**31

SLUG_CHARACTERS = 60
MAX_NAME_WORDS = 20


def generate(
    prompt: Annotated[str, typer.Argument(help="What to show, in words.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write (a folder for png). By default named after the prompt, in this folder; only "
            "a file that you name here is ever replaced.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "640x360",
    seconds: Annotated[float, typer.Option(help="Length of the clip.")] = 2.0,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second; by default the rate the model draws at.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same clip; by default a new one.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps; by default the model's own number.", show_default=False),
    ] = None,
    profile: Profile = None,
    engine: Annotated[str, typer.Option(help="Who draws.")] = "native",
    model: Annotated[
        str | None,
        typer.Option(help="Which of the engine's models; by default its best.", show_default=False),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="Picture that the clip opens with, for models that can; cut to the clip's shape.",
            show_default=False,
        ),
    ] = None,
    last_image: Annotated[
        Path | None,
        typer.Option(
            help="Picture that the clip ends with, for models that can; cut to the clip's shape.",
            show_default=False,
        ),
    ] = None,
    sound: Annotated[
        bool | None,
        typer.Option(
            "--sound/--no-sound",
            help="With sound, or without; by default as the model does. Only mp4 keeps it.",
            show_default=False,
        ),
    ] = None,
    keyframe: Keyframes = None,
    fit: Fit = None,
    character: Characters = None,
    path: PathOption = None,
    camera: Move = None,
    expand: Expand = True,
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, gif, webp, or png for a folder of frames; by default what the output ends in, or mp4.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the clip.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the path.")] = False,
) -> None:
    """Make a video from words and print the path of its file."""
    with exit_on_error():
        width, height = parse_size(size)
        request = Request(
            prompt=prompt,
            width=width,
            height=height,
            seconds=seconds,
            fps=fps,
            seed=secrets.randbelow(RANDOM_SEEDS) if seed is None else seed,
            engine=engine,
            model=model,
            steps=steps,
            profile=profile,
            references=tuple(
                _picture(path, role)
                for role, path in ((FIRST_FRAME, image), (LAST_FRAME, last_image))
                if path is not None
            ),
            sound=sound,
            expand=expand,
        )
        settings = Settings.from_environment(os.environ)
        with with_controls(request, settings, keyframe or (), fit, path, camera, character or ()) as asked:
            make(asked, settings, output=output, format=format, as_json=as_json, quiet=quiet)


def make(
    request: Request,
    settings: Settings,
    *,
    output: Path | None,
    format: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Carry out a request and print what came of it; see `generate` for what is given."""
    from hinode import directing, pipeline
    from hinode.media import formats

    # The licence of the model may exclude who asks.
    directing.capabilities(request.engine, settings, request.model)
    kind = formats.choose(format, output)
    path = output or _free_name(request, kind)
    with progress(shown=not (as_json or quiet)) as watch:
        result = pipeline.generate(request, directing.get(request.engine, settings), path, kind, watch)
    if as_json:
        print(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        if not quiet:
            _tell(result)
        print(result.path)


def _picture(path: Path, role: str) -> Reference:
    """The picture at `path` as the first or last frame of a clip."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(
            f"the picture {path} cannot be read: {error.strerror}", "name a JPEG, PNG or WebP", field=role
        ) from error
    media_type, _ = mimetypes.guess_type(path.name)
    return Reference(role, digest, media_type or "image/png", path=str(path.absolute()))


def _tell(result: Result) -> None:
    """Say on standard error what was made, and what was made of the prompt."""
    from hinode.pipeline import LEFT_OUT

    size = "x".join(map(str, result.size))
    native = "x".join(map(str, result.native_size))
    lines = [
        f"{result.seconds:g} s at {size}, drawn at {native} by {result.model} from seed {result.seed} "
        f"in {sum(result.stage_seconds.values()):.1f} s",
        f"read as: {result.read_as}",
    ]
    if result.sound == LEFT_OUT:
        lines.append(f"without its sound, which a {result.format} cannot hold; an mp4 can")
    elif result.sound is not None:
        lines.append(f"sound: {result.sound}")
    if result.not_understood:
        words = result.not_understood[:MAX_NAME_WORDS]
        more = len(result.not_understood) - len(words)
        lines.insert(1, f"not understood: {', '.join(words)}" + (f" and {more} more words" if more else ""))
    print("\n".join(lines), file=sys.stderr)


def _free_name(request: Request, kind: str) -> Path:
    """A path in this folder, named after the prompt and the seed, where nothing is yet."""
    slug = re.sub(r"[^\w]+", "-", request.prompt.lower()).strip("-_")[:SLUG_CHARACTERS].strip("-_")
    name = f"{slug or 'clip'}-{request.seed}"
    suffix = "" if kind == "png" else f".{kind}"
    path, count = Path(name + suffix), 1
    while path.exists():
        count += 1
        path = Path(f"{name}-{count}{suffix}")
    return path


@contextmanager
def progress(*, shown: bool) -> Iterator[Watch]:
    """A bar on standard error with the name of the stage and the time left; none if nobody is looking."""
    if not shown or not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<7}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)
        stage = ""

        def watch(progress: Step) -> None:
            nonlocal stage
            if progress.stage != stage:
                stage = progress.stage
                bar.reset(task, description=stage, total=progress.total, completed=progress.done)
            else:
                bar.update(task, completed=progress.done)

        yield watch
