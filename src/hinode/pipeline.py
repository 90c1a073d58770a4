"""From a request to a finished file: the one road that the command line takes and all others share."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode import __version__
from hinode.clip import Clip, Frames, FrameSource, Sound
from hinode.engines.protocol import Engine, Progress, Run, abandon
from hinode.licensing import licences
from hinode.media import formats, stills
from hinode.media.label import Label
from hinode.media.resize import fit
from hinode.media.timeline import Timeline, frame_rate
from hinode.output import replace_file
from hinode.request import Request, Size

Watch = Callable[[Progress], None]
"""Called after every step of the work."""

THUMBNAIL_SIDE = 512
TILE_SIDE = 320
STILL_QUALITY = 88
PREVIEW_QUALITY = 70

LEFT_OUT = "left out"
"""What became of the sound of a clip in a file that cannot hold any."""


@dataclass(frozen=True)
class Result:
    """A finished file and how it came to be.

    Attributes:
        path: the file, or the folder of frames.
        format: kind of file.
        prompt: what was asked for.
        seed: starting point of the noise; the same one gives the same clip.
        size: width and height of the frames in the file.
        native_size: width and height that the model drew at.
        seconds: length of the clip.
        fps: frames per second in the file.
        frames: number of frames in the file.
        stage_seconds: wall-clock seconds of each stage, in order.
        engine: name of the engine.
        model: name of the model.
        steps: sampling steps taken.
        understood: words of the prompt that the model knows.
        not_understood: words of the prompt that it passed over.
        read_as: what it took the prompt to mean, and what it was left to choose.
        bytes: size on disk.
        sound: what can be heard, such as "stereo, 48000 Hz"; "left out" if the format has no place for it,
            and None for a clip that has none.
    """

    path: Path
    format: str
    prompt: str
    seed: int
    size: Size
    native_size: Size
    seconds: float
    fps: float
    frames: int
    stage_seconds: Mapping[str, float]
    engine: str
    model: str
    steps: int
    understood: tuple[str, ...]
    not_understood: tuple[str, ...]
    read_as: str
    bytes: int
    sound: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The result in plain JSON values; sizes are written as they are on the command line, "640x360"."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "path": str(self.path),
            "size": format_size(self.size),
            "native_size": format_size(self.native_size),
            "stage_seconds": {name: round(spent, 4) for name, spent in self.stage_seconds.items()},
        }


def generate(
    request: Request, engine: Engine, path: Path, format: str, watch: Watch = lambda progress: None
) -> Result:
    """Carry out a request and write the clip; nothing is at `path` before all of it is.

    Args:
        request: what to make.
        engine: who makes it.
        path: file to write, or folder for the format "png".
        format: one of `media.formats.FORMATS`.
        watch: told of every step.

    Raises:
        BadInput: the request or the path cannot be; found out before any work is done.
        ModelError: the weights are damaged.
        EngineError: the engine failed.
        OutputError: the file could not be written.
    """
    run = engine.start(request)
    capabilities = engine.capabilities(request.model)
    timeline = Timeline.of(request.fps or capabilities.native_fps[0], request.seconds)
    formats.check(format, path, request.size, timeline)
    return finish(request, draw(run, watch), path, format, watch)


def draw(run: Run, watch: Watch) -> Clip:
    """Drive a run to its end; one that is broken off is given up wherever it goes on."""
    try:
        for progress in run:
            watch(progress)
    except BaseException:
        abandon(run)
        raise
    return run.clip()


def finish(
    request: Request, clip: Clip, path: Path, format: str, watch: Watch = lambda progress: None
) -> Result:
    """Bring a clip to the size and rate that were asked for, and write it.

    Raises:
        OutputError: the file could not be written.
    """
    start = time.perf_counter()
    upscaling: dict[str, float] = {}
    reel = upscale_frames(clip, clip.frames, request.size, upscaling)
    timeline = Timeline.of(request.fps or clip.fps, request.seconds)
    shown = list(timeline.sources(frame_rate(clip.fps), len(clip.frames)))
    watch(Progress("encode", 0, len(shown)))

    def frames() -> Iterator[Frames]:
        for done, frame in enumerate(fit(reel, request.size, shown), start=1):
            yield frame
            watch(Progress("encode", done, len(shown)))

    sound = clip.sound if format in formats.SOUNDING else None
    told = label(request, clip, describe_sound(sound))
    formats.write(format, path, frames(), request.size, timeline, told, sound)
    provenance = clip.provenance
    return Result(
        path=path,
        format=format,
        prompt=request.prompt,
        seed=provenance.seed,
        size=request.size,
        native_size=provenance.native_size,
        seconds=float(timeline.seconds),
        fps=float(timeline.fps),
        frames=timeline.frames,
        stage_seconds={
            **provenance.stage_seconds,
            **upscaling,
            "encode": time.perf_counter() - start - sum(upscaling.values()),
        },
        engine=provenance.engine,
        model=provenance.model,
        steps=provenance.steps,
        understood=provenance.understood,
        not_understood=provenance.not_understood,
        read_as=provenance.read_as,
        bytes=sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        sound=LEFT_OUT if sound is None and clip.sound is not None else describe_sound(sound),
    )


def upscale_frames(
    clip: Clip, frames: Frames, size: Size, stage_seconds: dict[str, float] | None = None
) -> FrameSource:
    """Frames of a clip, larger by the network that it was made with if `size` is larger than they are.

    Raises:
        ModelError: the weights of that network are damaged.
    """
    if not clip.provenance.upscaler:
        return frames
    from hinode.engines.native import upscaling

    return upscaling.upscale(frames, size, stage_seconds)


def write_stills(request: Request, clip: Clip, thumbnail: Path, spritesheet: Path) -> None:
    """Write the pictures that go with a finished video: its middle frame, and sixteen moments on one sheet.

    Args:
        request: what was asked for; the pictures have its shape.
        clip: the clip.
        thumbnail: WebP file to write; its longer side is that of the video, or 512 pixels if that is less.
        spritesheet: JPEG file to write, four tiles by four; the longer side of a tile is 320 pixels at most.

    Raises:
        OutputError: one of them could not be written.
    """
    # Frames beyond the length that was asked for are not in the video either.
    frames = clip.frames[: max(1, math.ceil(round(request.seconds * clip.fps, 6)))]
    large, tile = fit_within(request.size, THUMBNAIL_SIDE), fit_within(request.size, TILE_SIDE)
    small = stills.thumbnail(upscale_frames(clip, frames, large), large)
    sheet = stills.spritesheet(upscale_frames(clip, frames, tile), tile)
    for path, kind, picture in ((thumbnail, "WEBP", small), (spritesheet, "JPEG", sheet)):
        with replace_file(path) as part:
            picture.save(part, format=kind, quality=STILL_QUALITY)


def preview(frame: Frames) -> bytes:
    """A small WebP of one frame, uint8 [H, W, 3]: what people see while they wait."""
    height, width = frame.shape[:2]
    file = io.BytesIO()
    stills.thumbnail(frame[None], fit_within((width, height), THUMBNAIL_SIDE)).save(
        file, format="WEBP", quality=PREVIEW_QUALITY, method=0
    )
    return file.getvalue()


def fit_within(size: Size, longest: int) -> Size:
    """A size of the same shape whose longer side is `longest` at most."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def label(request: Request, clip: Clip, sound: str | None = None) -> Label:
    """What the file says about itself; nothing in it depends on the day or the machine.

    Args:
        request: what was asked for.
        clip: what is in it.
        sound: what can be heard in it, in words, or None.
    """
    provenance = clip.provenance
    resized = provenance.native_size != request.size
    larger = any(asked > native for asked, native in zip(request.size, provenance.native_size, strict=True))
    upscaled = bool(provenance.upscaler) and larger
    drawn = f"drawn at {format_size(provenance.native_size)}"
    if resized:
        drawn += ", enlarged by a network" if upscaled else ""
        drawn += f" and resized to {format_size(request.size)}"
    return Label(
        title=request.prompt,
        comment=f"Made by the model {provenance.model} in Hinode {__version__} "
        f"from seed {provenance.seed}, {drawn}." + licences.remark(provenance.licence),
        facts={
            "generator": f"hinode {__version__}",
            "prompt": request.prompt,
            "engine": provenance.engine,
            "model": provenance.model,
            "seed": provenance.seed,
            "steps": provenance.steps,
            "size": format_size(request.size),
            "native_size": format_size(provenance.native_size),
            **({"upscaled_from": format_size(provenance.native_size)} if resized else {}),
            **({"upscaler": provenance.upscaler} if upscaled else {}),
            **({"sound": sound} if sound else {}),
            **licences.stamp(provenance.licence),
        },
    )


def describe_sound(sound: Sound | None) -> str | None:
    """A sound, as it is in a file, in the words of people: "stereo, 48000 Hz"; None if there is none."""
    if sound is None:
        return None
    from hinode.media.sound import rate_for

    return f"{'mono' if sound.channels == 1 else 'stereo'}, {rate_for(sound.rate)} Hz"


def format_size(size: Size) -> str:
    """A size as people write it, "640x360"."""
    return f"{size[0]}x{size[1]}"
