"""The kinds of file that a clip can be written as."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

from hinode import output
from hinode.clip import Frames, Sound
from hinode.errors import BadInput, join_names, quote
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.request import Size

FORMATS = ("mp4", "gif", "webp", "png")
"""The default first. "png" is a folder of numbered frames, the others are one file."""

SOUNDING = ("mp4",)
"""Those that can hold sound."""


Seal = Callable[[Path], object]
"""Called with a file, or a folder of frames, that is whole, before it gets its name: the last write."""


def choose(named: str | None, path: Path | None) -> str:
    """The format to write: the one named, else the one that the path ends in, else MP4.

    Raises:
        BadInput: the format is unknown, or the path ends in another one.
    """
    suffix = path.suffix.lower().removeprefix(".") if path else ""
    if named is not None and named not in FORMATS:
        remedy = f"choose {join_names(FORMATS, 'or')}"
        raise BadInput(f"there is no format {quote(named)}", remedy, field="format")
    if named is None and suffix and suffix not in FORMATS:
        endings = join_names(tuple(f".{name}" for name in FORMATS), "or")
        remedy = f"end the name in {endings}, or name the format"
        raise BadInput(f"no format has the ending {quote('.' + suffix)}", remedy, field="output")
    if named is not None and suffix in FORMATS and suffix != named:
        message = f"the output ends in .{suffix} but the format is {named}"
        raise BadInput(message, "make them agree", field="output")
    return named or suffix or FORMATS[0]


def check(kind: str, path: Path, size: Size, fps: Fraction) -> None:
    """See that a clip can be written, as far as that is known before its frames are made; see `write`.

    Raises:
        BadInput: the format cannot hold such a clip, or the path cannot be written.
        OutputError: the disk is full.
    """
    if kind == "mp4":
        from hinode.media.writing.video import check_size

        check_size(size)
    elif kind == "gif":
        from hinode.media.writing.animation import check_gif_rate

        check_gif_rate(fps)
    output.check_writable(path, folder=kind == "png")


def write(
    kind: str,
    path: Path,
    frames: Iterable[Frames],
    size: Size,
    timeline: Timeline,
    label: Label,
    sound: Sound | None = None,
    seal: Seal = lambda part: None,
) -> None:
    """Write a clip; nothing is at `path` before all of it is.

    Args:
        kind: one of `FORMATS`.
        path: file, or folder for "png"; a file that is there is replaced once the new one is whole.
        frames: uint8 [height, width, 3] each, as many as `timeline` shows.
        size: width and height of the frames.
        timeline: when they are shown.
        label: what the file says about itself.
        sound: what is heard; only the formats of `SOUNDING` keep it.
        seal: see `Seal`; what it raises leaves no file.

    Raises:
        BadInput: the format cannot hold such a clip.
        OutputError: the file cannot be written.
    """
    # Imported here: each format needs only one of the libraries.
    if kind == "mp4":
        from hinode.media.writing.video import write_mp4

        write_mp4(path, frames, size, timeline, label, sound, seal)
    elif kind == "png":
        from hinode.media.writing.stills import write_pngs

        write_pngs(path, frames, label, seal)
    else:
        from hinode.media.writing import animation

        {"gif": animation.write_gif, "webp": animation.write_webp}[kind](path, frames, timeline, label, seal)
