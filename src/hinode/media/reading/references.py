"""The pictures, videos and sound behind a request's references, opened where an engine needs them.

Whatever opens a file here raises `BadInput`, with the role of the reference as its field, if the file is
missing or cannot be read.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from hinode.clip import Frames, Sound
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.media.reading.container import DecodeError
from hinode.media.reading.decode import Picture, VideoFile, at_rate
from hinode.media.resize import fit_frame, fit_image
from hinode.media.sound import read_sound
from hinode.media.writing import video
from hinode.request import Reference, Size


def picture(reference: Reference) -> Image.Image:
    """The image of a reference, in sRGB as people see it."""
    try:
        with Image.open(_path(reference)) as image:
            return pictures.as_seen(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        message = "the image to work from cannot be read"
        raise BadInput(message, "give a JPEG, PNG or WebP", field=reference.role) from error


def rate(reference: Reference) -> Fraction | None:
    """Nominal frames per second of the video of a reference, or None if the file does not say."""
    with _open(reference) as file:
        nominal = file.stream.guessed_rate
        return Fraction(nominal) if nominal else None


def seconds(reference: Reference) -> Fraction:
    """Length of the video of a reference, as its file declares it or else by its frames; more than 0."""
    with _open(reference) as file:
        with _errors(reference):
            length = file.seconds or file.measure_seconds()
        if length <= 0:
            raise _unreadable(reference)
        return length


def iter_frames(reference: Reference, fps: Fraction) -> Iterator[Frames]:
    """What the video of a reference shows at the times k / fps, until it is over; of a picture, that picture.

    Yields:
        uint8 [H, W, 3] each, in sRGB; only one of them is in memory at a time.
    """
    if reference.still:
        yield np.asarray(picture(reference))
        return
    with _errors(reference):
        for visible in _pictures(reference, fps):
            yield visible.rgb


def frames(reference: Reference, fps: Fraction, size: Size, count: int) -> Iterator[Image.Image]:
    """The first `count` frames that `iter_frames` gives, cut to the shape of `size` and resized; the last one
    is repeated if the video is shorter."""
    missing = count
    for frame in islice(iter_frames(reference, fps), count):
        image = fit_image(Image.fromarray(frame), size, Image.Resampling.LANCZOS)
        missing -= 1
        yield image
    for _ in range(missing):
        yield image


def last_frames(reference: Reference, fps: Fraction, count: int, size: Size) -> Frames:
    """The last `count` frames that `iter_frames` gives, or fewer if there are fewer, resized: uint8
    [T, H, W, 3]."""
    return np.stack([fit_frame(frame, size) for frame in deque(iter_frames(reference, fps), count)])


def middle(reference: Reference) -> Image.Image:
    """The picture in the middle of the video of a reference, in RGB."""
    *_, frame = islice(iter_frames(reference, 2 / seconds(reference)), 2)
    return Image.fromarray(frame)


def sound(reference: Reference, seconds: float, start: float = 0.0) -> Sound | None:
    """What is heard in the video of a reference for some seconds from `start` on, or None if it has no sound.

    Raises:
        UnusableSound: it has sound that cannot be decoded.
    """
    return read_sound(lambda: _open(reference).container, seconds, start)


class FrameReader:
    """Reads what a reference shows, frame by frame, at the rate and size of a clip.

    A read behind the place where the last one ended goes on from there, so reading in order decodes the file
    once; a read before that place opens the file again.
    """

    def __init__(
        self,
        reference: Reference,
        fps: Fraction,
        size: Size,
        start: float = 0.0,
        resize: Callable[[Frames, Size], Frames] = fit_frame,
    ) -> None:
        """
        Args:
            reference: a video, or a picture, which is shown for ever.
            fps: frames per second to read at.
            size: width and height to read at.
            start: seconds into the video from which times and frames are counted.
            resize: brings a frame uint8 [H, W, 3] to that size.
        """
        self._resize = resize
        self.reference, self.fps, self.size = reference, fps, size
        self._first = round(Fraction(str(start)) * fps)
        self._pictures: Iterator[Picture] = iter(())
        self._index = -1  # of `_picture`
        self._picture: Picture | None = None
        self._frame: Frames | None = None  # the same at the size of the clip

    def frame(self, index: int) -> Frames:
        """What is shown at the time index / fps, uint8 [H, W, 3]: before the beginning the first frame, after
        the end the last one."""
        if self.reference.still:
            if self._frame is None:
                self._frame = self._resize(np.asarray(picture(self.reference)), self.size)
            return self._frame
        index = max(self._first + index, 0)
        if index < self._index or self._picture is None:
            self._pictures, self._index = _pictures(self.reference, self.fps), -1
        while self._index < index:
            following = next(self._pictures, self._picture)
            if following is not self._picture:
                self._picture, self._frame = following, None
            self._index += 1
        if self._frame is None:
            assert self._picture is not None, "a video without frames is refused"
            with _errors(self.reference):
                self._frame = self._resize(self._picture.rgb, self.size)
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
    """Write frames uint8 [T, H, W, 3], at least one, into a video file without loss; it is named after its
    content. For `role` and `at` see `Reference`."""
    digest = _digest(frames, (frames.shape, fps))
    path = folder / f"{digest}.mp4"
    if not path.is_file():
        video.write_lossless(path, frames, fps)
    return Reference(role, digest, "video/mp4", path=str(path), at=at)


def save_picture(frame: Frames, role: str, folder: Path, at: float = 0.0) -> Reference:
    """Write one frame, uint8 [H, W, 3], into a PNG; see `save_frames`."""
    digest = _digest(frame, frame.shape)
    path = folder / f"{digest}.png"
    Image.fromarray(frame).save(path)
    return Reference(role, digest, "image/png", path=str(path), at=at)


def digest_file(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(frames: Frames, facts: object) -> str:
    return hashlib.sha256(np.ascontiguousarray(frames).tobytes() + repr(facts).encode()).hexdigest()


def _pictures(reference: Reference, fps: Fraction) -> Iterator[Picture]:
    """What is on show at the times k / fps; there is at least one picture."""
    empty = True
    with _open(reference) as file, _errors(reference):
        for visible in at_rate(file, fps):
            empty = False
            yield visible
    if empty:
        raise _unreadable(reference)


def _open(reference: Reference) -> VideoFile:
    with _errors(reference):
        return VideoFile(_path(reference))


def _path(reference: Reference) -> Path:
    if not reference.path or not Path(reference.path).is_file():
        message = "a file that the clip is to be made from does not exist any more"
        raise BadInput(message, "send it again", field=reference.role)
    return Path(reference.path)


@contextmanager
def _errors(reference: Reference) -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise _unreadable(reference) from error


def _unreadable(reference: Reference) -> BadInput:
    message = "the video to work from cannot be read"
    return BadInput(message, "give a file that a video player opens", field=reference.role)
