"""The pictures, videos and sound behind a request's references, opened where an engine needs them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from PIL import Image

from hinode.clip import Frames, Sound
from hinode.errors import BadInput
from hinode.media import soundtrack
from hinode.media.resize import fit_image
from hinode.request import Reference, Size

UNNAMED = 2
"""H.273 code of a colour matrix that is not named; such a video is read as BT.709, as players do."""

EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)
"""Colours come out as they went in: a clip may be extended again and again."""

_OPTIONS = {"protocol_whitelist": "file", "enable_drefs": "0"}
"""So that no list dressed up as a video makes the reader open other files."""


def picture(reference: Reference) -> Image.Image:
    """The image of a reference, in RGB.

    Raises:
        BadInput: its file is missing or is no image; `field` is the role of the reference.
    """
    try:
        with Image.open(_file(reference)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(
            "the image to work from cannot be read", "give a JPEG, PNG or WebP", field=reference.role
        ) from error


def rate(reference: Reference) -> Fraction | None:
    """Frames per second of the video of a reference, or None if the file does not say.

    Raises:
        BadInput: its file is missing or is no video.
    """
    with _opened(reference) as file:
        found = file.streams.video[0].guessed_rate
        return Fraction(found) if found else None


def seconds(reference: Reference) -> Fraction:
    """Length of the video of a reference, by what its file says; more than 0.

    Raises:
        BadInput: its file is missing or is no video.
    """
    with _opened(reference) as file:
        stream = file.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            found = stream.duration * stream.time_base
        else:
            found = Fraction(file.duration or 0, av.time_base)
    if found <= 0:
        raise _unreadable(reference)
    return found


def frames(reference: Reference, fps: Fraction, size: Size, count: int) -> Iterator[Image.Image]:
    """The first `count` of the frames that `iter_frames` gives, cut to the shape of `size` from their middle
    and resized; the last one stays if the video is over before.

    Raises:
        BadInput: its file is missing or is no video.
    """
    held: Image.Image | None = None
    shown = 0
    for frame in islice(iter_frames(reference, fps), count):
        held = fit_image(Image.fromarray(frame), size, Image.Resampling.LANCZOS)
        shown += 1
        yield held
    while held is not None and shown < count:
        shown += 1
        yield held


def middle(reference: Reference) -> Image.Image:
    """The picture in the middle of the video of a reference, in RGB.

    Raises:
        BadInput: its file is missing or is no video.
    """
    *_, found = islice(iter_frames(reference, 2 / seconds(reference)), 2)
    return Image.fromarray(found)


def iter_frames(reference: Reference, fps: Fraction) -> Iterator[Frames]:
    """What the video of a reference shows at the times k / fps, until it is over; one frame is in memory at a
    time.

    Yields:
        uint8 [H, W, 3] each, in sRGB.

    Raises:
        BadInput: its file is missing or is no video.
    """
    reformatter = VideoReformatter()
    begin: Fraction | None = None
    shown, now = 0, None
    end = Fraction(0)
    try:
        with _opened(reference) as file:
            for frame in file.decode(video=0):
                tick = frame.time_base or Fraction(1, av.time_base)
                at = (frame.pts or 0) * tick
                begin = at if begin is None else begin
                while now is not None and Fraction(shown) / fps < at - begin:
                    yield now
                    shown += 1
                end = at - begin + (frame.duration or 0) * tick
                # A frame that is over before the next moment is never shown.
                if end > Fraction(shown) / fps or now is None:
                    source = Colorspace.ITU709 if frame.colorspace == UNNAMED else None
                    rgb = reformatter.reformat(
                        frame, format="rgb24", src_colorspace=source, interpolation=EXACT
                    )
                    now = rgb.to_ndarray().astype(np.uint8, copy=False)
    except av.error.FFmpegError as error:
        raise _unreadable(reference) from error
    if now is None:
        raise _unreadable(reference)
    while Fraction(shown) / fps < end or shown == 0:
        yield now
        shown += 1


def sound(reference: Reference, seconds: float) -> Sound | None:
    """The first seconds of what is heard in the video of a reference, or None if it has no sound.

    Raises:
        BadInput: its file is missing or is no video.
        Unheard: it has sound that cannot be decoded.
    """
    return soundtrack.read(lambda: _opened(reference), seconds)


def _opened(reference: Reference) -> av.container.InputContainer:
    try:
        # Every video that is kept is an MP4: those of clients were looked at when they came.
        file = av.open(str(_file(reference)), format="mp4", options=_OPTIONS)
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(reference) from error
    if not file.streams.video:
        file.close()
        raise _unreadable(reference)
    return file


def _file(reference: Reference) -> Path:
    if not reference.path or not Path(reference.path).is_file():
        raise BadInput(
            "a file that the clip is to be made from is not there any more",
            "send it again",
            field=reference.role,
        )
    return Path(reference.path)


def _unreadable(reference: Reference) -> BadInput:
    return BadInput(
        "the video to work from cannot be read", "give a file that a video player opens", field=reference.role
    )
