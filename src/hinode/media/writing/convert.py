"""A finished video in another format, with what the file says about itself."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from hinode.clip import Frames
from hinode.errors import BadInput, EngineError
from hinode.media.reading.container import DecodeError
from hinode.media.reading.decode import VideoFile
from hinode.media.timeline import Timeline
from hinode.media.writing import formats
from hinode.media.writing.label import Label
from hinode.output import replace_file
from hinode.request import Size

MEDIA_TYPES = {"mp4": "video/mp4", "gif": "image/gif", "webp": "image/webp", "png": "application/zip"}
"""By format; a folder of frames travels as a ZIP."""

MAX_PIXELS = {"gif": 2**27, "webp": 2**27}
"""Pixels of all frames together where an encoder holds them all: some 400 MB."""
MAX_STREAMED_PIXELS = 2**30
"""For the others: a minute of 1280x720 takes about two minutes."""

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same frames give the same bytes


def check(kind: str, size: Size, timeline: Timeline) -> None:
    """See that a video can be converted.

    Args:
        kind: the format to be, one of `formats.FORMATS` but "mp4".
        size: width and height of its frames.
        timeline: when they are shown.

    Raises:
        BadInput: it is too large, or the format cannot hold it.
    """
    if kind == "gif":
        from hinode.media.writing.animation import check_gif_rate

        check_gif_rate(timeline.fps)
    width, height = size
    limit = MAX_PIXELS.get(kind, MAX_STREAMED_PIXELS)
    if timeline.frames * width * height > limit:
        frames = limit // (width * height)
        message = (
            f"a video of {timeline.frames} frames of {width}x{height} is too long to be converted to {kind}"
        )
        raise BadInput(message, f"cut it to {frames} frames, or take the MP4", field="format")


def convert(
    source: Path,
    target: Path,
    kind: str,
    size: Size,
    timeline: Timeline,
    seal: formats.Seal = lambda part: None,
) -> None:
    """Write an MP4 that Hinode wrote in another format, one of `formats.FORMATS`; "png" becomes a ZIP of
    numbered frames. See `check` for the arguments, and call it before; `seal` gets the file, or the folder of
    frames that goes into the ZIP.

    Raises:
        EngineError: the source is damaged.
        OutputError: the target cannot be written.
    """
    with _readable(), VideoFile(source) as video:
        label = _read_label(video)
        if kind == "png":
            _write_zip(target, _pictures(video), size, timeline, label, seal)
        else:
            formats.write(kind, target, _pictures(video), size, timeline, label, seal=seal)


def still(source: Path, number: int, timeline: Timeline) -> Image.Image:
    """Frame `number` of a video that Hinode wrote, from 0 to the last one of `timeline`.

    Raises:
        EngineError: the source is damaged.
    """
    begin, end = number / timeline.fps, min((number + 1) / timeline.fps, timeline.seconds)
    with _readable(), VideoFile(source) as video:
        # The middle: at its edges, rounded times may show the frames beside it.
        picture = video.at((begin + end) / 2)
        if picture is None:
            raise DecodeError("is shorter than it was")
        return Image.fromarray(picture.rgb)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise EngineError(f"the file of the video {error}", "make the video again") from error


def _pictures(video: VideoFile) -> Iterator[Frames]:
    return (picture.rgb for picture in video)


def _read_label(video: VideoFile) -> Label:
    words = video.container.metadata
    try:
        facts = json.loads(words.get("description", "{}"))
    except ValueError:
        facts = {}
    facts = facts if isinstance(facts, dict) else {}
    return Label(words.get("title", ""), words.get("comment", ""), facts)


def _write_zip(
    target: Path,
    frames: Iterator[Frames],
    size: Size,
    timeline: Timeline,
    label: Label,
    seal: formats.Seal,
) -> None:
    with replace_file(target) as part:
        folder = part.with_name(f"{part.name}.frames")
        try:
            formats.write("png", folder, frames, size, timeline, label, seal=seal)
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                for path in sorted(folder.iterdir()):
                    with (
                        archive.open(zipfile.ZipInfo(path.name, ZIP_TIME), "w") as entry,
                        path.open("rb") as file,
                    ):
                        shutil.copyfileobj(file, entry)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
