"""Frames in and out of files while a clip is directed, without the loss of a bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import av
import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.media import references
from hinode.media.resize import MAX_STRETCH, fit_image
from hinode.request import Reference, Size


def keep(frames: Frames, fps: Fraction, role: str, folder: Path, at: float = 0.0) -> Reference:
    """Write frames into a file that gives them back bit for bit.

    Args:
        frames: uint8 [T, H, W, 3], at least one.
        fps: frames per second.
        role: what they are to the request that refers to them.
        folder: where the file goes; its name says what is in it.
        at: seconds into the clip at which they are shown.
    """
    digest = hashlib.sha256(np.ascontiguousarray(frames).tobytes() + repr((frames.shape, fps)).encode())
    path = folder / f"{digest.hexdigest()}.mp4"
    if not path.is_file():
        _, height, width, _ = frames.shape
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264rgb", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
            stream.options = {"qp": "0", "preset": "ultrafast"}
            for frame in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
            file.mux(stream.encode())
    return Reference(role, digest.hexdigest(), "video/mp4", path=str(path), at=at)


def iter_frames(reference: Reference, fps: Fraction, size: Size, start: float = 0.0) -> Iterator[Frames]:
    """What a reference shows from `start` seconds on, at the rate and size of a clip; a picture is shown for
    ever. Before its beginning (below 0) its first frame is held, and after its end there is its last one."""
    if reference.still:
        shown = fitted(references.picture(reference), size)
        while True:
            yield shown
    skipped = round(Fraction(str(start)) * fps)
    frame, count = None, 0
    for count, frame in enumerate(references.iter_frames(reference, fps), start=1):
        if count > skipped:
            shown = fitted(Image.fromarray(frame), size)
            yield from repeat(shown, 1 - min(skipped, 0) if count == 1 else 1)
    if frame is not None and count <= skipped:
        yield fitted(Image.fromarray(frame), size)


def fitted(image: Image.Image, size: Size) -> Frames:
    """An image at another size: the middle of it, averaged where it gets smaller."""
    return np.asarray(fit_image(image, size, max_stretch=MAX_STRETCH))


def fill(target: Frames, frames: Iterable[Frames]) -> None:
    """Write frames into a place for as many, [T, H, W, 3], one at a time; the last one is held if there are
    fewer."""
    shown: Frames | None = None
    source = iter(frames)
    for index in range(len(target)):
        shown = next(source, shown)
        if shown is not None:
            target[index] = shown


def taken(frames: Iterable[Frames], count: int) -> Frames:
    """The first `count` of some frames as one array [T, H, W, 3]; the last one is held if there are fewer."""
    found = list(islice(frames, count))
    found += found[-1:] * (count - len(found))
    return np.stack(found)
