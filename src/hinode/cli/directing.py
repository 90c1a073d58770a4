"""The commands that make clips out of others: `hinode extend`, `loop`, `blend`, `remix`, `edit`, `retake`,
`recut` and `animate`."""

from __future__ import annotations

import dataclasses
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import generate
from hinode.cli.controls import with_controls
from hinode.cli.options import Common, Fit, Keyframes, Move, PathOption, with_common
from hinode.errors import BadInput
from hinode.request import FIRST_FRAME, KEYFRAME, Capabilities, Request, Size, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.directing.material import Video

LOOP_SIZE = (640, 360)

Source = Annotated[Path, typer.Argument(help="The video, an MP4.", show_default=False)]
Prompt = Annotated[str, typer.Argument(help="What to show, in words.", show_default=False)]
Words = Annotated[
    str | None,
    typer.Argument(
        help="What to show, in words; by default what the video was made from, or what it shows.",
        show_default=False,
    ),
]
Strength = Annotated[
    str | None,
    typer.Option(
        help="How far to go from the source: 0 to 1, or subtle, mild or strong.", show_default=False
    ),
]


@with_common
def extend(
    video: Source,
    prompt: Words = None,
    *,
    seconds: Annotated[float, typer.Option(help="How much to add.", show_default=False)],
    backward: Annotated[bool, typer.Option("--backward", help="Add it before the video.")] = False,
    common: Common,
) -> None:
    """Go on from a video, or with --backward lead to it; the video is kept as it is."""
    from hinode.directing import material, operations

    source = material.video(video)
    base = _base(common, prompt, source, end=not backward)
    _make(operations.extended(base, source, seconds, backward=backward), common)


@with_common
def loop(
    prompt: Words = None,
    *,
    video: Annotated[
        Path | None, typer.Option(help="Video that the loop opens with, an MP4.", show_default=False)
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of the loop; by default 4, or that of the video and one more to find back.",
            show_default=False,
        ),
    ] = None,
    common: Common,
) -> None:
    """Make a clip that can be played over and over without a seam."""
    from hinode.directing import material, operations

    if video is None:
        if prompt is None:
            raise BadInput("there is nothing to make a loop of", "give a prompt or --video", field="prompt")
        base = dataclasses.replace(
            _plain(common, prompt, LOOP_SIZE), seconds=4.0 if seconds is None else seconds
        )
        _make(operations.looped(base, None, None), common)
        return
    source = material.video(video)
    _make(operations.looped(_base(common, prompt, source), source, seconds), common)


@with_common
def blend(
    first: Annotated[Path, typer.Argument(help="The video that comes first, an MP4.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The video that comes after it.", show_default=False)],
    prompt: Words = None,
    *,
    seconds: Annotated[float, typer.Option(help="Length of the transition.")] = 1.0,
    curve: Annotated[
        str | None,
        typer.Option(
            help="How the second one takes over: linear, smooth, early, late, or points of time and share: "
            '"0,0; 0.5,0.8; 1,1".',
            show_default=False,
        ),
    ] = None,
    leave: Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="SECONDS",
            help="Where in the first video the transition begins; by default it ends with it.",
            show_default=False,
        ),
    ] = None,
    enter: Annotated[
        float | None,
        typer.Option(
            "--to",
            metavar="SECONDS",
            help="Where in the second one it is over; by default it begins with it.",
            show_default=False,
        ),
    ] = None,
    strength: Strength = None,
    common: Common,
) -> None:
    """Connect two videos through a transition that is drawn; the rest of both is kept as it is."""
    from hinode.directing import material, operations

    influence = operations.curve(curve)
    far = operations.strength(strength)
    one, other = material.video(first, field="first video"), material.video(second, field="second video")
    base = _base(common, prompt, other, end=False, size=one.size)
    far = operations.BLENDED if far is None else far
    _make(
        operations.blended(
            base, one, other, seconds, leave=leave, enter=enter, curve=influence, strength=far
        ),
        common,
    )


@with_common
def remix(video: Source, prompt: Prompt, *, strength: Strength = None, common: Common) -> None:
    """Draw a video again with something changed; what the prompt leaves open stays as it is."""
    _redraw("remix", video, prompt, strength, None, common)


@with_common
def edit(
    video: Source,
    prompt: Prompt,
    *,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Picture or MP4 of the video's size, white where it may change; every other pixel is kept.",
            show_default=False,
        ),
    ] = None,
    strength: Strength = None,
    common: Common,
) -> None:
    """Change a video, or with --mask only a part of the picture."""
    _redraw("edit", video, prompt, strength, mask, common)


@with_common
def retake(
    video: Source,
    prompt: Words = None,
    *,
    begin: Annotated[
        float, typer.Option("--from", metavar="SECONDS", help="Where the span begins.", show_default=False)
    ],
    end: Annotated[float, typer.Option("--to", metavar="SECONDS", help="Where it ends.", show_default=False)],
    common: Common,
) -> None:
    """Draw a span of a video anew; the rest is kept as it is."""
    from hinode.directing import material, operations

    source = material.video(video)
    base = _base(common, prompt, source)
    _make(operations.retaken(base, source, begin, end), common)


@with_common
def recut(
    video: Source,
    prompt: Words = None,
    *,
    keep: Annotated[
        str, typer.Option(metavar="FROM-TO", help="The span to keep, in seconds.", show_default=False)
    ],
    before: Annotated[float, typer.Option(help="Seconds to draw before it.")] = 0.0,
    after: Annotated[float, typer.Option(help="Seconds to draw after it.")] = 0.0,
    common: Common,
) -> None:
    """Keep the best span of a video and draw what comes before and after it."""
    from hinode.directing import material, operations

    begin, end = operations.span(keep, "keep")
    source = material.video(video)
    base = _base(common, prompt, source)
    _make(operations.recut(base, source, begin, end, before, after), common)


@with_common
def animate(
    image: Annotated[
        Path,
        typer.Argument(help="The picture to begin with: a JPEG, PNG or WebP.", show_default=False),
    ],
    prompt: Prompt,
    *,
    seconds: Annotated[float, typer.Option(help="Length of the clip.")] = 2.0,
    last: Annotated[Path | None, typer.Option(help="The picture to end with.", show_default=False)] = None,
    keyframe: Keyframes = None,
    fit: Fit = None,
    path: PathOption = None,
    camera: Move = None,
    common: Common,
) -> None:
    """Make a picture move; by default at its own size."""
    from hinode.directing import material, operations
    from hinode.media import pictures

    material.check_fit(fit)
    if common.size is None:
        with material.named(image, "image"):
            size, _ = pictures.measure(image, field="image")
    else:
        size = parse_size(common.size)
    settings = Settings.from_environment(os.environ)
    rate = _able(common).native_fps[0]
    base = dataclasses.replace(_plain(common, prompt, size), seconds=seconds)
    with tempfile.TemporaryDirectory(prefix="hinode-") as scratch:
        folder = Path(scratch)
        given = [material.picture(image, size, FIRST_FRAME, folder=folder, fit=fit)]
        if last is not None:
            at = operations.last_moment(seconds, rate)
            given.append(material.picture(last, size, KEYFRAME, folder=folder, fit=fit, at=at, field="last"))
        base = dataclasses.replace(base, references=tuple(given))
        with with_controls(base, settings, keyframe or (), fit, path, camera) as request:
            _make(request, common)


def _redraw(
    operation: str, video: Path, prompt: str, strength: str | None, mask: Path | None, common: Common
) -> None:
    from hinode.directing import material, operations

    far = operations.strength(strength)
    source = material.video(video)
    masked = None if mask is None else material.mask(mask, source.size)
    base = _base(common, prompt, source, end=False)
    _make(operations.redrawn(base, operation, source, far, masked), common)


def _able(common: Common) -> Capabilities:
    from hinode import directing

    return directing.capabilities(common.engine, Settings.from_environment(os.environ), common.model)


def _plain(common: Common, prompt: str, size: Size) -> Request:
    """What all of these commands ask for alike."""
    width, height = size if common.size is None else parse_size(common.size)
    return Request(
        prompt=prompt,
        width=width,
        height=height,
        fps=common.fps,
        seed=secrets.randbelow(generate.RANDOM_SEEDS) if common.seed is None else common.seed,
        engine=common.engine,
        model=common.model,
        steps=common.steps,
        profile=common.profile,
        expand=common.expand,
    )


def _base(
    common: Common, prompt: str | None, source: Video, *, end: bool = True, size: Size | None = None
) -> Request:
    """The same, where something is drawn beside or over footage; see `reading.told`."""
    from hinode.directing import source_facts

    base = _plain(common, "", size or source.size)
    words = source_facts.told(prompt, source, _able(common), base.seed, end=end, expand=common.expand)
    return dataclasses.replace(base, prompt=words)


def _make(request: Request, common: Common) -> None:
    generate.make(
        request,
        Settings.from_environment(os.environ),
        output=common.output,
        format=common.format,
        as_json=common.as_json,
        quiet=common.quiet,
    )
