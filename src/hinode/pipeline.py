"""From a request to a finished file: the one way that the command line and the workers share."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hinode import __version__
from hinode.clip import Clip, Coverage, Frames, FrameSource, Mask, Provenance
from hinode.engines.protocol import Engine, Progress, Run, drive, timed
from hinode.licensing import licences
from hinode.media.reading import references
from hinode.media.resize import fit, fit_frame
from hinode.media.sound import LEFT_OUT, describe_sound
from hinode.media.timeline import Timeline, frame_rate
from hinode.media.writing import formats, stills
from hinode.media.writing.label import Label
from hinode.output import replace_file
from hinode.request import CONTEXT_VIDEO, FIRST_FRAME, KEYFRAME, LAST_FRAME, Reference, Request, Size
from hinode.trust.provenance.statement import Statement, state_clip
from hinode.trust.screening import requests as screening
from hinode.trust.screening.policy import Policy, builtin
from hinode.trust.watermark.laying import Outcome, Watermarking
from hinode.trust.watermark.visible import Notice, aigc

if TYPE_CHECKING:
    from hinode.trust.provenance.marking import Marking
    from hinode.trust.provenance.signing import Mark

Watch = Callable[[Progress], None]
"""Called after every step."""

THUMBNAIL_SIDE = 512
TILE_SIDE = 320
STILL_QUALITY = 88
PREVIEW_QUALITY = 70


@dataclass(frozen=True)
class Result:
    """A finished file and how it came to be.

    Attributes:
        path: the file, or the folder of frames.
        prompt: as the person wrote it.
        size: width and height of the frames in the file.
        timeline: when they are shown.
        provenance: that of the clip; its stages include those in which the file was written.
        bytes: size on disk.
        mark: what the file can be recognised by.
        watermark: what became of the invisible mark.
        sound: what can be heard, such as "stereo, 48000 Hz"; "left out" if the format cannot hold any, and
            None for a clip without sound.
    """

    path: Path
    format: str
    prompt: str
    size: Size
    timeline: Timeline
    provenance: Provenance
    bytes: int
    mark: Mark
    watermark: Outcome
    sound: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The result in plain JSON values; sizes are written as on the command line, "640x360"."""
        provenance = self.provenance
        return {
            "path": str(self.path),
            "format": self.format,
            "prompt": self.prompt,
            "seed": provenance.seed,
            "size": format_size(self.size),
            "native_size": format_size(provenance.native_size),
            "seconds": float(self.timeline.seconds),
            "fps": float(self.timeline.fps),
            "frames": self.timeline.frames,
            "stage_seconds": {name: round(value, 4) for name, value in provenance.stage_seconds.items()},
            "engine": provenance.engine,
            "model": provenance.model,
            "steps": provenance.steps,
            "understood": provenance.understood,
            "not_understood": provenance.not_understood,
            "read_as": provenance.read_as,
            "bytes": self.bytes,
            "sound": self.sound,
            "manifest": self.mark.label,
            "watermark": self.watermark.as_json(),
            **({"plan": json.loads(provenance.plan)} if provenance.plan else {}),
            **({"provider": provenance.provider} if provenance.provider else {}),
            **({"losses": provenance.losses} if provenance.losses else {}),
        }


def generate(
    request: Request,
    engine: Engine,
    path: Path,
    format: str,
    watch: Watch = lambda progress: None,
    policy: Policy | None = None,
    *,
    marking: Marking,
    watermarking: Watermarking | None = None,
) -> Result:
    """Screen and carry out a request and write the clip, signed; for `path` and `format` see
    `media.writing.formats.write`.

    `policy` is that of screening, by default the one that Hinode ships.

    The drawn pixels, and the sound, carry an invisible mark unless `watermarking` says otherwise.

    Raises:
        ModerationBlocked: the policy blocks the request; no work was done.
        BadInput: the request or the path cannot be used; found out before any work is done.
        ModelError: the weights are damaged.
        EngineError: the engine failed.
        OutputError: the file could not be written.
        SigningError, AuthorityError: it could not be signed; then there is no file.
    """
    screening.check(policy or builtin(), request)
    run = engine.start(request)
    fps = request.fps or engine.capabilities(request.model).native_fps[0]
    formats.check(format, path, request.size, frame_rate(fps))
    return finish(request, draw(run, watch), path, format, watch, marking=marking, watermarking=watermarking)


def draw(run: Run, watch: Watch) -> Clip:
    """Drive a run to its end; one that is interrupted is abandoned."""
    drive(run, watch)
    return run.clip()


def finish(
    request: Request,
    clip: Clip,
    path: Path,
    format: str,
    watch: Watch = lambda progress: None,
    *,
    marking: Marking,
    watermarking: Watermarking | None = None,
) -> Result:
    """Bring a clip to the requested size and rate, write it, and sign it; see `generate`."""
    start = time.perf_counter()
    upscaling: dict[str, float] = {}
    source = upscale_frames(clip, clip.frames, request.size, upscaling)
    timeline = Timeline.of(request.fps or clip.fps, request.seconds)
    order = list(timeline.sources(frame_rate(clip.fps), len(clip.frames)))
    watch(Progress("encode", 0, len(order)))

    exact = _exact_frames(request, clip)

    def frames() -> Iterator[Frames]:
        for done, frame in enumerate(fit(source, request.size, order), start=1):
            yield exact.get(order[done - 1], frame)
            watch(Progress("encode", done, len(order)))

    sound = clip.sound if format in formats.SOUNDING else None
    text = label(request, clip, describe_sound(sound), embed_prompt=marking.embed_prompt)
    marks = Watermarking.of(marking.settings) if watermarking is None else watermarking
    marks = dataclasses.replace(marks, notice=_notice(request, marks, request.size))
    coverage, fps = _coverage(request, clip, order), float(timeline.fps)
    laid = marks.lay(_mark_facts(request, clip), frames(), request.size, coverage, sound, fps)
    if marks.aigc_producer:
        text = dataclasses.replace(text, tags={"AIGC": aigc(marks.aigc_producer, laid.id.hex())})
    signing: dict[str, float] = {}
    ends: list[tuple[Outcome, Mark]] = []

    def seal(part: Path) -> None:
        outcome = laid.outcome(part if format == "mp4" else None)
        with timed(signing, "sign"):
            statement = state_clip(request, clip.provenance, watermark_id=outcome.id or None)
            ends.append((outcome, marking.sign(part, statement)))

    formats.write(format, path, laid.frames(), request.size, timeline, text, laid.sound, seal)
    ((outcome, mark),) = ends
    elsewhere = sum(upscaling.values()) + sum(signing.values())
    encoding = {"encode": time.perf_counter() - start - elsewhere}
    stage_seconds = {**clip.provenance.stage_seconds, **upscaling, **encoding, **signing}
    return Result(
        path=path,
        format=format,
        prompt=request.prompt,
        size=request.size,
        timeline=timeline,
        provenance=dataclasses.replace(clip.provenance, stage_seconds=stage_seconds),
        bytes=sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        mark=mark,
        watermark=outcome,
        sound=LEFT_OUT if sound is None and clip.sound is not None else describe_sound(sound),
    )


def _exact_frames(request: Request, clip: Clip) -> dict[int, Frames]:
    """The pictures that a clip shows, at the requested size, by the indices of its frames: a clip that was
    drawn smaller has them without their detail."""
    if clip.size == request.size:
        return {}
    return {
        index: fit_frame(np.asarray(references.picture(reference)), request.size)
        for index, reference in _shown_pictures(request, clip).items()
    }


def _shown_pictures(request: Request, clip: Clip) -> dict[int, Reference]:
    """The pictures that a clip shows, by the indices of its frames."""
    last = min(len(clip.frames), max(1, math.ceil(round(request.seconds * clip.fps, 6)))) - 1
    return {
        last if reference.role == LAST_FRAME else min(round(reference.at * clip.fps), last): reference
        for reference in request.references
        if reference.role in (FIRST_FRAME, KEYFRAME, LAST_FRAME)
    }


def _notice(request: Request, marks: Watermarking, size: Size) -> Notice | None:
    """The words on pictures of a size."""
    return Notice.short(size) if request.visible_mark and marks.notice is None else marks.notice


def _coverage(request: Request, clip: Clip, order: list[int]) -> Coverage | None:
    """Which pixels of the frames of the file are drawn; `order` has the frame of the clip for each."""
    if clip.coverage is None and any(reference.role == CONTEXT_VIDEO for reference in request.references):
        return lambda index: False  # how many frames of the video the engine shows is not known
    pictures = _shown_pictures(request, clip)
    if clip.coverage is None and not pictures:
        return None
    inner = clip.coverage

    def coverage(index: int) -> Mask | bool:
        frame = order[index]
        if frame in pictures:
            return False
        area = True if inner is None else inner(frame)
        if isinstance(area, bool) or area.shape == request.size[::-1]:
            return area
        return False  # a mask of another size: its edge would be off by some pixels

    return coverage


def _mark_facts(request: Request, clip: Clip) -> dict[str, Any]:
    """What the identity of the mark depends on: the same request gives the same frames."""
    provenance = clip.provenance
    return {
        "request": hashlib.sha256(repr(request.identity()).encode()).hexdigest(),
        "engine": provenance.engine,
        "model": provenance.model,
        "seed": provenance.seed,
        "steps": provenance.steps,
    }


def upscale_frames(
    clip: Clip, frames: Frames, size: Size, stage_seconds: dict[str, float] | None = None
) -> FrameSource:
    """Frames of a clip, enlarged by the network that it was made with if `size` is larger than they are;
    raises ModelError if the weights of that network are damaged."""
    if not clip.provenance.upscaler:
        return frames
    from hinode.engines.native import upscaling

    return upscaling.upscale(frames, size, stage_seconds)


def write_stills(
    request: Request, clip: Clip, thumbnail: Path, spritesheet: Path, *, marking: Marking
) -> tuple[Mark, Mark]:
    """Write the pictures that go with a finished video, signed: its middle frame, and sixteen moments on one
    sheet. They carry the visible notice wherever the video does, for however long it stands there.

    Args:
        request: what was requested; the pictures have its shape.
        thumbnail: WebP file to write; its longer side is that of the video, or 512 pixels if that is less.
        spritesheet: JPEG file to write, four tiles by four; the longer side of a tile is 320 pixels at most.

    Returns: the marks of both.

    Raises:
        OutputError: one of them could not be written.
    """
    # Frames beyond the requested length are not in the video either.
    frames = clip.frames[: max(1, math.ceil(round(request.seconds * clip.fps, 6)))]
    large, tile = fit_within(request.size, THUMBNAIL_SIDE), fit_within(request.size, TILE_SIDE)
    coverage = _coverage(request, clip, list(range(len(frames))))
    marks = Watermarking.of(marking.settings)

    def notice(picture: Frames, index: int) -> Frames:
        size = picture.shape[1], picture.shape[0]
        words = _notice(request, marks, size)
        if words and not words.fits(size):  # those of the installation fit the video
            words = Notice.short(size)
        is_generated = coverage is None or coverage(index) is not False
        return words.draw(picture, 0) if words and is_generated else picture

    small = stills.thumbnail(upscale_frames(clip, frames, large), large, notice)
    sheet = stills.spritesheet(upscale_frames(clip, frames, tile), tile, notice)
    statement = marking.shorten(state_clip(request, clip.provenance))

    def write(path: Path, kind: str, picture: Image.Image) -> Mark:
        with replace_file(path) as part:
            picture.save(part, format=kind, quality=STILL_QUALITY)
            return marking.sign(part, statement)

    return write(thumbnail, "WEBP", small), write(spritesheet, "JPEG", sheet)


def evidence(frames: Frames, statement: Statement, *, marking: Marking) -> bytes:
    """A signed JPEG of sixteen of some frames, uint8 [T, H, W, 3], of a clip that nobody but a reviewer sees;
    for `statement` see `preview`."""
    file = io.BytesIO()
    size = frames.shape[2], frames.shape[1]
    picture = stills.spritesheet(frames, fit_within(size, TILE_SIDE))
    picture.save(file, format="JPEG", quality=STILL_QUALITY)
    return marking.sign_bytes(file.getvalue(), statement)


def preview(frame: Frames, statement: Statement, *, marking: Marking) -> bytes:
    """A small signed WebP of one frame, uint8 [H, W, 3]: what people see while they wait. For `statement` see
    `Marking.shorten`."""
    height, width = frame.shape[:2]
    file = io.BytesIO()
    small = stills.thumbnail(frame[None], fit_within((width, height), THUMBNAIL_SIDE))
    small.save(file, format="WEBP", quality=PREVIEW_QUALITY, method=0)
    return marking.sign_bytes(file.getvalue(), statement)


def fit_within(size: Size, side: int) -> Size:
    """A size of the same shape whose longer side is `side` at most."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def label(request: Request, clip: Clip, sound: str | None = None, *, embed_prompt: bool = False) -> Label:
    """What the file says about itself; nothing in it depends on the day or the machine.

    Args:
        request: what was requested.
        clip: what is in the file.
        sound: what can be heard in it, in words, or None.
        embed_prompt: whether it says the prompt.
    """
    provenance = clip.provenance
    size, native_size = format_size(request.size), format_size(provenance.native_size)
    resized = size != native_size
    larger = any(want > native for want, native in zip(request.size, provenance.native_size, strict=True))
    upscaled = bool(provenance.upscaler) and larger
    steps = f"drawn at {native_size}"
    if resized:
        steps += f"{', enlarged by a network' if upscaled else ''} and resized to {size}"
    return Label(
        title=request.prompt if embed_prompt else "",
        comment=f"Made by the model {provenance.model} in Hinode {__version__} "
        f"from seed {provenance.seed}, {steps}." + licences.remark(provenance.licence),
        facts={
            "generator": f"hinode {__version__}",
            **({"prompt": request.prompt} if embed_prompt else {}),
            "engine": provenance.engine,
            "model": provenance.model,
            "seed": provenance.seed,
            "steps": provenance.steps,
            "size": size,
            "native_size": native_size,
            **({"upscaled_from": native_size} if resized else {}),
            **({"upscaler": provenance.upscaler} if upscaled else {}),
            **({"sound": sound} if sound else {}),
            **({"plan": json.loads(provenance.plan)} if provenance.plan else {}),
            **licences.stamp(provenance.licence),
        },
    )


def format_size(size: Size) -> str:
    """A size as people write it, "640x360"."""
    return f"{size[0]}x{size[1]}"
