"""Files on this machine that a clip is made from: checked, and pictures brought to its size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hinode.errors import BadInput, join_names, quote
from hinode.media import pictures
from hinode.media.reading.container import HEAD_BYTES, DecodeError, media_type
from hinode.media.reading.decode import VideoFile
from hinode.media.reading.probe import probe
from hinode.media.reading.references import digest_file
from hinode.media.timeline import frame_rate
from hinode.media.writing import animation, stills
from hinode.media.writing.video import write_lossless
from hinode.request import CHARACTER, MASK, PIXELS, SIDE, SOURCE, MediaFile, Reference, Size

MAX_SOURCE_SECONDS = 3600.0
"""Seconds of the longest video that a clip can be made from."""

DEFAULT_PIXELS = 1920 * 1080

MAX_FEATHER = 500.0
"""Pixels."""


def load_video(
    path: Path, *, field: str = "video", folder: Path | None = None, fps: float | None = None
) -> MediaFile:
    """A video, probed: a file, an animated GIF, WebP or PNG, or a folder of numbered pictures.

    Args:
        field: what to name in errors.
        folder: where a copy as a video goes, if pictures become one; None if they may not.
        fps: frames per second of numbered pictures, which have no rate of their own.

    Raises:
        BadInput: it is missing or is no video that can be worked on.
    """
    with name_file_in_errors(path, field):
        if folder is not None and path.exists():
            path = _join_pictures(path, folder, fps, field)
        facts = probe(path, max_seconds=MAX_SOURCE_SECONDS, field=field, local=True)
        prompt = label_facts(path).get("prompt")
        return MediaFile(
            digest=digest_file(path),
            media_type=facts.media_type,
            bytes=path.stat().st_size,
            size=facts.size,
            seconds=facts.seconds,
            fps=facts.fps,
            prompt=prompt if isinstance(prompt, str) else "",
            path=str(path.absolute()),
        )


def _join_pictures(path: Path, folder: Path, fps: float | None, field: str) -> Path:
    """A video without loss of the pictures at a path, if they are pictures; else the path."""
    if path.is_dir():
        if fps is None:
            raise BadInput("a folder of pictures has no rate", "say it with --fps", field="fps")
        frames, rate = stills.read_sequence(stills.list_sequence(path, field), field), frame_rate(fps)
    elif animation.is_animated(path):
        frames, rate = animation.read(path, field)
    else:
        return path
    number = len(list(folder.iterdir()))
    copy = folder / f"{number}.mp4"
    write_lossless(copy, frames, rate)
    return copy


def load_picture(
    path: Path,
    size: Size,
    role: str,
    *,
    folder: Path,
    fit: str | None = None,
    at: float = 0.0,
    field: str = "image",
) -> Reference:
    """A JPEG, PNG or WebP that a clip is to show; for `role` and `at` see `Reference`.

    Args:
        size: width and height of the clip.
        folder: where a copy goes if it has to be changed.
        fit: how it is brought to that size, one of `pictures.FITS`; None if it has to have it.
        field: what to name in errors.

    Raises:
        BadInput: it is missing, no picture, or of another size.
    """

    def other_size(have: Size) -> BadInput:
        fits = join_names(pictures.FITS, "or")
        remedy = f"give one of that size, or say how it is brought to it (fit): {fits}"
        return BadInput(f"it is {have[0]}x{have[1]} and the clip {size[0]}x{size[1]}", remedy, field=field)

    check_fit(fit)
    with name_file_in_errors(path, field):
        changed, kind = pictures.ready(path, size, fit, field=field, other_size=other_size)
        if changed is not None:
            path = _write_copy(changed, folder)
        return Reference(role, digest_file(path), kind, path=str(path.absolute()), at=at)


def load_mask(path: Path, size: Size, *, folder: Path, feather: float = 0.0) -> Reference:
    """A mask: a picture, or a video for one that moves, white where the source may change.

    Args:
        size: of the video.
        folder: where a copy of a picture goes.
        feather: pixels, on both sides of an edge of the white, over which the change fades out.

    Raises:
        BadInput: it is neither, is not of the size of the video, or has no white or no black.
    """

    def other_size(have: Size) -> BadInput:
        message = f"it is {have[0]}x{have[1]} and the video {size[0]}x{size[1]}"
        return BadInput(message, "give one of the size of the video", field=MASK)

    if not 0 <= feather <= MAX_FEATHER:
        remedy = f"give 0 to {MAX_FEATHER:g} pixels"
        raise BadInput(f"feather {feather:g} is out of range", remedy, field="feather")
    with name_file_in_errors(path, MASK):
        if _is_video(path):
            if feather:
                remedy = "feather it in its own pictures, or give a still one"
                raise BadInput("a mask that moves cannot be feathered here", remedy, field="feather")
            content = load_video(path, field=MASK)
            if content.size != size:
                raise other_size(content.size)
            return content.reference(MASK)
        mask, kind = pictures.ready(path, size, None, field=MASK, other_size=other_size, mask=True)
        assert mask is not None, "a mask is always read anew"
        copy = _write_copy(pictures.feathered(mask, feather) if feather else mask, folder)
        return Reference(MASK, digest_file(copy), kind, path=str(copy.absolute()))


def _write_copy(content: bytes, folder: Path) -> Path:
    """A PNG in a folder, named after its content."""
    copy = folder / f"{hashlib.sha256(content).hexdigest()}.png"
    copy.write_bytes(content)
    return copy


def default_size(have: Size, *, even: bool) -> Size:
    """The size of a clip that is made from a picture or a video of size `have`: the same, or one of its shape
    that has `DEFAULT_PIXELS` if it is larger than a clip may be; with `even`, odd sides lose a pixel."""
    width, height = have
    if width * height > PIXELS or max(have) > SIDE[1]:
        scale = (DEFAULT_PIXELS / (width * height)) ** 0.5
        width, height = round(width * scale), round(height * scale)
    return (max(2, width - width % 2), max(2, height - height % 2)) if even else (width, height)


def check_fit(fit: str | None) -> None:
    """Raise BadInput if there is no such way to bring pictures to a size."""
    if fit is not None and fit not in pictures.FITS:
        remedy = f"choose {join_names(pictures.FITS, 'or')}"
        raise BadInput(f"there is no fit {quote(fit)}", remedy, field="fit")


def load_character(path: Path, name: str, field: str = CHARACTER) -> Reference:
    """A picture or a video of somebody whom the prompt calls `name`; else BadInput."""
    with name_file_in_errors(path, field):
        if _is_video(path):
            return load_video(path, field=field).reference(CHARACTER, name=name)
        digest = digest_file(path)  # first, because it tells that there is no such file
        _, kind = pictures.measure(path, field=field)
        return Reference(CHARACTER, digest, kind, name, path=str(path.absolute()))


def load_any(path: Path, folder: Path, *, field: str = "file") -> Reference:
    """A video, an animation or a picture to look at. `folder`: where a copy of an animation goes.

    Raises:
        BadInput: it is missing, or is none of these.
    """
    with name_file_in_errors(path, field):
        if path.is_dir():
            raise BadInput("it is a folder", "name a video or a picture", field=field)
        if _is_video(path) or animation.is_animated(path):
            return load_video(path, field=field, folder=folder).reference(SOURCE)
        digest = digest_file(path)
        _, kind = pictures.measure(path, field=field)
        return Reference(SOURCE, digest, kind, path=str(path.absolute()))


def _is_video(path: Path) -> bool:
    with path.open("rb") as file:
        return media_type(file.read(HEAD_BYTES)) is not None


@contextmanager
def name_file_in_errors(path: Path, field: str) -> Iterator[None]:
    """Name the file in what is raised about it."""
    name = f"{field} {quote(str(path), 200)}"
    try:
        yield
    except BadInput as error:
        if error.message.startswith(name):
            raise
        raise BadInput(f"{name}: {error.message}", error.remedy, field=field) from error
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise BadInput(message, "name another file", field=field) from error


def is_made_by_hinode(path: Path) -> bool:
    """Whether a file says that Hinode made it."""
    if path.suffix.lower() == ".mp4":
        return str(label_facts(path).get("generator", "")).startswith("hinode ")
    with path.open("rb") as file:
        return b"hinode" in file.read(2**20)


def label_facts(path: Path) -> dict[str, Any]:
    """The facts in the label of an MP4; see `media.writing.label`."""
    try:
        with VideoFile(path) as file:
            facts = json.loads(file.container.metadata.get("description", ""))
    except (DecodeError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
