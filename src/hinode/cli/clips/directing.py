"""The commands that make a clip from videos or from a picture, such as `hinode extend`."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.clips.controls import with_controls
from hinode.cli.clips.generate import render
from hinode.cli.command import ClipContext
from hinode.cli.options import ClipOptions
from hinode.errors import BadInput
from hinode.request import FIRST_FRAME, KEYFRAME, MediaFile, Request, Size

LOOP_SECONDS = 4.0

Source = Annotated[
    Path,
    typer.Argument(help="Video to work on, such as an MP4, MOV, MKV, WebM or GIF, or a folder of pictures."),
]
SourcePrompt = Annotated[
    str | None,
    typer.Argument(
        help="Text that says what to show.", show_default="the prompt in the video file, or what it shows"
    ),
]
Strength = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="How far the result may differ from the source: 0 to 1, or subtle, mild or strong.",
    ),
]


def extend(
    ctx: ClipContext,
    video: Source,
    prompt: SourcePrompt = None,
    *,
    seconds: Annotated[float, typer.Option(help="Seconds to add.")],
    backward: Annotated[bool, typer.Option("--backward", help="Add them before the video.")] = False,
) -> None:
    """Extend a video at its end, or at its start with --backward."""
    from hinode.directing import operations

    source = ctx.clip.load_video(video)
    request = _request(ctx.clip, prompt, source)
    render(operations.extend(request, source, seconds, backward=backward), ctx.clip)


def loop(
    ctx: ClipContext,
    prompt: SourcePrompt = None,
    *,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Video that the loop begins with.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Length of the loop.", show_default="4, or that of the video and one more"),
    ] = None,
) -> None:
    """Generate a clip that repeats without a seam."""
    from hinode.directing import operations

    if video is None:
        if prompt is None:
            raise BadInput("there is nothing to loop", "give a prompt or --video", field="prompt")
        request = ctx.clip.request(prompt)
        request = dataclasses.replace(request, seconds=LOOP_SECONDS if seconds is None else seconds)
        render(operations.loop(request, None, None), ctx.clip)
    else:
        source = ctx.clip.load_video(video)
        render(operations.loop(_request(ctx.clip, prompt, source), source, seconds), ctx.clip)


def blend(
    ctx: ClipContext,
    first: Annotated[Path, typer.Argument(help="Video that comes first.")],
    second: Annotated[Path, typer.Argument(help="Video that comes after it.")],
    prompt: SourcePrompt = None,
    *,
    seconds: Annotated[float, typer.Option(help="Length of the transition.")] = 1.0,
    curve: Annotated[
        str | None,
        typer.Option(
            help="How the second video takes over: linear, smooth, early, late, or points of time and share, "
            'both 0 to 1, such as "0,0; 0.5,0.8; 1,1".',
        ),
    ] = None,
    leave: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Moment of the first video at which the transition begins.",
            show_default="so that both end together",
        ),
    ] = None,
    enter: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Moment of the second video at which the transition ends.",
            show_default="so that both begin together",
        ),
    ] = None,
    strength: Strength = None,
) -> None:
    """Join two videos by a generated transition."""
    from hinode.directing import operations

    shape = operations.parse_curve(curve)
    share = operations.parse_strength(strength)
    before = ctx.clip.load_video(first, "first video")
    after = ctx.clip.load_video(second, "second video")
    base = _request(ctx.clip, prompt, after, size=before.size)
    share = operations.BLEND_STRENGTH if share is None else share
    request = operations.blend(
        base,
        before,
        after,
        seconds,
        leave=None if leave is None else operations.parse_moment(leave, "from", before.fps),
        enter=None if enter is None else operations.parse_moment(enter, "to", after.fps),
        curve=shape,
        strength=share,
    )
    render(request, ctx.clip)


def remix(ctx: ClipContext, video: Source, prompt: options.Prompt, *, strength: Strength = None) -> None:
    """Generate a video again with another prompt. What the prompt leaves open stays as it is."""
    _redraw("remix", video, prompt, strength, None, ctx.clip)


def edit(
    ctx: ClipContext,
    video: Source,
    prompt: options.Prompt,
    *,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture or MP4 of the size of the video, white where pixels may change, grey where old and "
            "new mix; black and transparent ones stay.",
        ),
    ] = None,
    feather: Annotated[
        float,
        typer.Option(
            metavar="PIXELS", help="Width over which the change fades out on both sides of the mask's edge."
        ),
    ] = 0.0,
    strength: Strength = None,
) -> None:
    """Change a video, or with --mask only a part of its picture."""
    if feather and mask is None:
        raise BadInput("there is no mask to feather", "name one with --mask", field="feather")
    _redraw("edit", video, prompt, strength, mask, ctx.clip, feather)


def retake(
    ctx: ClipContext,
    video: Source,
    prompt: SourcePrompt = None,
    *,
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Start of the span, such as 1.5, 0:01.5 or 36f.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="End of the span.")],
) -> None:
    """Generate a span of a video again. The rest stays as it is."""
    from hinode.directing import operations

    source = ctx.clip.load_video(video)
    moments = [operations.parse_moment(*words, source.fps) for words in ((begin, "from"), (end, "to"))]
    render(operations.retake(_request(ctx.clip, prompt, source), source, *moments), ctx.clip)


def recut(
    ctx: ClipContext,
    video: Source,
    prompt: SourcePrompt = None,
    *,
    keep: Annotated[
        str, typer.Option(metavar="FROM-TO", help="Span to keep, such as 0.5-1.5 or 0:01-0:02.5.")
    ],
    before: Annotated[float, typer.Option(help="Seconds to generate before it.")] = 0.0,
    after: Annotated[float, typer.Option(help="Seconds to generate after it.")] = 0.0,
) -> None:
    """Keep a span of a video and generate what surrounds it."""
    from hinode.directing import operations

    source = ctx.clip.load_video(video)
    begin, end = operations.parse_span(keep, "keep", source.fps)
    render(operations.recut(_request(ctx.clip, prompt, source), source, begin, end, before, after), ctx.clip)


def animate(
    ctx: ClipContext,
    image: Annotated[Path, typer.Argument(help="Picture to begin with: a JPEG, PNG or WebP.")],
    prompt: options.Prompt,
    *,
    seconds: options.Seconds = 2.0,
    last: Annotated[Path | None, typer.Option(metavar="FILE", help="Picture to end with.")] = None,
    keyframe: options.Keyframes = None,
    fit: options.Fit = None,
    path: options.SubjectPath = None,
    camera: options.Camera = None,
) -> None:
    """Generate a clip that begins with a picture."""
    from hinode.directing import material, operations
    from hinode.media import pictures

    material.check_fit(fit)
    with material.name_file_in_errors(image, "image"):
        image_size = pictures.measure(image, field="image")[0]
    size = ctx.clip.default_size(image_size)
    # A clip of the picture's own shape takes a pixel of it at most.
    own_fit = "crop" if ctx.clip.size is None else fit
    request = dataclasses.replace(ctx.clip.request(prompt, size), seconds=seconds)
    with tempfile.TemporaryDirectory(prefix="hinode-") as scratch:
        folder = Path(scratch)
        references = [material.load_picture(image, request.size, FIRST_FRAME, folder=folder, fit=own_fit)]
        if last is not None:
            moment = operations.last_moment(seconds, ctx.clip.capabilities.native_fps[0])
            picture = material.load_picture(
                last, request.size, KEYFRAME, folder=folder, fit=fit, at=moment, field="last"
            )
            references.append(picture)
        request = dataclasses.replace(request, references=tuple(references))
        with with_controls(request, ctx.clip, keyframe, fit, path, camera) as controlled:
            render(controlled, ctx.clip)


def _redraw(
    operation: str,
    video: Path,
    prompt: str,
    strength: str | None,
    mask: Path | None,
    clip: ClipOptions,
    feather: float = 0.0,
) -> None:
    from hinode.directing import material, operations

    share = operations.parse_strength(strength)
    source = clip.load_video(video)
    with tempfile.TemporaryDirectory(prefix="hinode-") as scratch:
        region = None
        if mask is not None:
            region = material.load_mask(mask, source.size, folder=Path(scratch), feather=feather)
        request = _request(clip, prompt, source)
        render(operations.redraw(request, operation, source, share, region), clip)


def _request(
    clip: ClipOptions, prompt: str | None, source: MediaFile, *, size: Size | None = None
) -> Request:
    """The request for a clip beside or over a source; see `source_facts.choose_prompt`."""
    from hinode.directing import source_facts

    words = source_facts.choose_prompt(prompt, source, clip.capabilities)
    return clip.request(words, clip.default_size(size or source.size))
