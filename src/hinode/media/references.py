"""The pictures, videos and sound behind a request's references, opened where an engine needs them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.clip import Frames, Sound
from hinode.errors import BadInput
from hinode.media import soundtrack, video
from hinode.media.decode import DecodeError, Picture, VideoFile, at_rate
from hinode.media.resize import fit_frame, fit_image
from hinode.request import Reference, Size


def picture(reference: Reference) -> Image.Image:
    """The image of a reference, in RGB.

    Raises:
        BadInput: its file is missing or is no image; `field` is the role of the reference.
    """
    try:
        with Image.open(_path(reference)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(
            "the image to work from cannot be read", "give a JPEG, PNG or WebP", field=reference.role
        ) from error


def rate(reference: Reference) -> Fraction | None:
    """Nominal frames per second of the video of a reference, or None if the file does not say.

    Raises:
        BadInput: its file is missing or is no video.
    """
    with _open(reference) as file:
        nominal = file.stream.guessed_rate
        return Fraction(nominal) if nominal else None


def seconds(reference: Reference) -> Fraction:
    """Length of the video of a reference, by what its file declares; more than 0.

    Raises:
        BadInput: its file is missing or is no video.
    """
    with _open(reference) as file:
        if file.seconds <= 0:
            raise _unreadable(reference)
        return file.seconds


def iter_frames(reference: Reference, fps: Fraction) -> Iterator[Frames]:
    """What the video of a reference shows at the times k / fps, until it is over; one frame is in memory at a
    time.

    Yields:
        uint8 [H, W, 3] each, in sRGB.

    Raises:
        BadInput: its file is missing or is no video.
    """
    with _errors(reference):
        for shown in _pictures(reference, fps):
            yield shown.rgb


def frames(reference: Reference, fps: Fraction, size: Size, count: int) -> Iterator[Image.Image]:
    """The first `count` frames that `iter_frames` gives, cut to the shape of `size` and resized; the last one
    is repeated if the video is shorter.

    Raises:
        BadInput: its file is missing or is no video.
    """
    missing = count
    for frame in islice(iter_frames(reference, fps), count):
        image = fit_image(Image.fromarray(frame), size, Image.Resampling.LANCZOS)
        missing -= 1
        yield image
    for _ in range(missing):
        yield image


def first_frames(reference: Reference, fps: Fraction, count: int) -> Frames:
    """The first `count` frames of a reference at a rate, or fewer if it is shorter; a picture is one frame.

    Returns:
        uint8 [T, H, W, 3].

    Raises:
        BadInput: its file is missing or cannot be read.
    """
    if reference.still:
        return np.asarray(picture(reference))[None]
    return np.stack(list(islice(iter_frames(reference, fps), count)))


def last_frames(reference: Reference, fps: Fraction, count: int, size: Size | None = None) -> Frames:
    """The last `count` frames of a reference at a rate, and at a size if one is given; see `first_frames`."""
    if reference.still:
        return first_frames(reference, fps, count)
    tail = deque(_pictures(reference, fps), maxlen=count)
    with _errors(reference):  # only these are converted to RGB
        frames = [shown.rgb for shown in tail]
    return np.stack([fit_frame(frame, size) if size else frame for frame in frames])


def middle(reference: Reference) -> Image.Image:
    """The picture in the middle of the video of a reference, in RGB.

    Raises:
        BadInput: its file is missing or is no video.
    """
    *_, frame = islice(iter_frames(reference, 2 / seconds(reference)), 2)
    return Image.fromarray(frame)


def sound(reference: Reference, seconds: float) -> Sound | None:
    """The first seconds of what is heard in the video of a reference, or None if it has no sound.

    Raises:
        BadInput: its file is missing or is no video.
        UnusableSound: it has sound that cannot be decoded.
    """
    return soundtrack.read(lambda: _open(reference).container, seconds)


class FrameReader:
    """Reads what a reference shows, frame by frame, at the rate and size of a clip.

    A read at or behind the place where the last one ended goes on from there, so reading in order decodes the
    file once; a read before that place opens the file again.
    """

    def __init__(self, reference: Reference, fps: Fraction, size: Size, start: float = 0.0) -> None:
        """
        Args:
            reference: a video, or a picture, which is shown for ever.
            fps: frames per second to read at.
            size: width and height to read at.
            start: seconds into the video from which times and frames are counted.
        """
        self.reference, self.fps, self.size = reference, fps, size
        self._first = round(Fraction(str(start)) * fps)
        self._pictures: Iterator[Picture] = iter(())
        self._index = -1  # of the frame that was read last
        self._picture: Picture | None = None
        self._frame: Frames | None = None  # the same at the size of the clip

    def frame(self, index: int) -> Frames:
        """The frame that is shown at the time index / fps, uint8 [H, W, 3].

        Before the beginning that is the first frame, after the end the last one.

        Raises:
            BadInput: the file is missing or cannot be read.
        """
        if self.reference.still:
            if self._frame is None:
                self._frame = fit_frame(np.asarray(picture(self.reference)), self.size)
            return self._frame
        index = max(self._first + index, 0)
        if index < self._index or self._picture is None:
            self._pictures, self._index = _pictures(self.reference, self.fps), -1
        current = self._picture
        while self._index < index:
            current = next(self._pictures, current)
            self._index += 1
        assert current is not None, "a video without frames is refused"
        if current is not self._picture or self._frame is None:
            self._picture = current
            with _errors(self.reference):
                self._frame = fit_frame(current.rgb, self.size)
        return self._frame

    def fill(self, target: Frames, start: float = 0.0) -> None:
        """Write what is shown from `start` seconds on into `target`, uint8 [T, H, W, 3]; see `frame`."""
        first = round(Fraction(str(start)) * self.fps)
        for offset in range(len(target)):
            target[offset] = self.frame(first + offset)

    def read(self, start: float, count: int) -> Frames:
        """The `count` frames from `start` seconds on, uint8 [T, H, W, 3]; see `frame`."""
        target: Frames = np.empty((count, self.size[1], self.size[0], 3), np.uint8)
        self.fill(target, start)
        return target


def save_frames(frames: Frames, fps: Fraction, role: str, folder: Path, at: float = 0.0) -> Reference:
    """Write frames into a video file without loss.

    Args:
        frames: uint8 [T, H, W, 3], at least one.
        fps: frames per second.
        role: what they are to the request that refers to them.
        folder: where the file goes; it is named after its content.
        at: seconds into the clip at which they are shown.
    """
    content = np.ascontiguousarray(frames).tobytes() + repr((frames.shape, fps)).encode()
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{digest}.mp4"
    if not path.is_file():
        video.write_lossless(path, frames, fps)
    return Reference(role, digest, "video/mp4", path=str(path), at=at)


def save_picture(frame: Frames, role: str, folder: Path, at: float = 0.0) -> Reference:
    """Write one frame, uint8 [H, W, 3], into a PNG; see `save_frames`."""
    digest = hashlib.sha256(np.ascontiguousarray(frame).tobytes() + repr(frame.shape).encode()).hexdigest()
    path = folder / f"{digest}.png"
    Image.fromarray(frame).save(path)
    return Reference(role, digest, "image/png", path=str(path), at=at)


def _pictures(reference: Reference, fps: Fraction) -> Iterator[Picture]:
    """What is on show at the times k / fps; there is at least one picture."""
    empty = True
    with _open(reference) as file, _errors(reference):
        for shown in at_rate(file, fps):
            empty = False
            yield shown
    if empty:
        raise _unreadable(reference)


def _open(reference: Reference) -> VideoFile:
    with _errors(reference):
        # Every stored video is an MP4: those of clients were probed when they came.
        return VideoFile(_path(reference))


def _path(reference: Reference) -> Path:
    if not reference.path or not Path(reference.path).is_file():
        raise BadInput(
            "a file that the clip is to be made from does not exist any more",
            "send it again",
            field=reference.role,
        )
    return Path(reference.path)


@contextmanager
def _errors(reference: Reference) -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise _unreadable(reference) from error


def _unreadable(reference: Reference) -> BadInput:
    return BadInput(
        "the video to work from cannot be read", "give a file that a video player opens", field=reference.role
    )
