"""Moving pictures that need no video player: animated GIF and WebP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageSequence

from hinode.clip import Frames
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.media.timeline import Timeline
from hinode.media.writing.formats import Seal
from hinode.media.writing.label import Label
from hinode.output import replace_file

GIF_TICKS = 100
GIF_MIN_TICKS = 2
"""Browsers slow a GIF frame of one tick down to ten."""

MIN_MILLISECONDS = 17
"""The shortest step of an animation that is read: about a sixtieth of a second."""

WEBP_TICKS = 1000
WEBP_QUALITY = 90

PALETTE_PIXELS = 2**17
"""Pixels that the common palette of a GIF is chosen from, over all frames."""

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>\
<rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"""
"""The smallest metadata packet with a description (ISO 16684-1); EXIF holds only ASCII."""


def check_gif_rate(fps: Fraction) -> None:
    """Raise BadInput for a rate above 50: a GIF counts hundredths of a second, and browsers keep to two."""
    maximum = GIF_TICKS // GIF_MIN_TICKS
    if fps > maximum:
        message = f"a GIF cannot show {float(fps):g} frames per second"
        raise BadInput(message, f"ask for {maximum} or fewer", field="fps")


def write_gif(
    path: Path, frames: Iterable[Frames], timeline: Timeline, label: Label, seal: Seal = lambda part: None
) -> None:
    """Write an animated GIF that repeats forever.

    All frames share one palette, without dithering, so that what does not move does not flicker. Each time is
    rounded to hundredths of a second by itself, so that the whole has the right length.

    See `formats.write` for the arguments and errors; `timeline` has 50 frames per second at most.
    """
    check_gif_rate(timeline.fps)
    pictures = list(frames)
    palette = _palette(pictures)
    first, *rest = (
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
    )
    with replace_file(path) as part:
        first.save(
            part,
            format="GIF",
            save_all=True,
            append_images=rest,
            duration=[ticks * (1000 // GIF_TICKS) for ticks in timeline.durations(GIF_TICKS)],
            loop=0,
            comment=_text(label).encode(),
        )
        seal(part)


def write_webp(
    path: Path, frames: Iterable[Frames], timeline: Timeline, label: Label, seal: Seal = lambda part: None
) -> None:
    """Write an animated WebP that repeats forever, with times in milliseconds; see `formats.write`."""
    pictures = map(Image.fromarray, frames)
    first = next(pictures)
    with replace_file(path) as part:
        first.save(
            part,
            format="WEBP",
            save_all=True,
            append_images=pictures,
            duration=timeline.durations(WEBP_TICKS),
            loop=0,
            quality=WEBP_QUALITY,
            method=4,
            xmp=XMP.format(escape(_text(label))).encode(),
        )
        seal(part)


def is_animated(path: Path) -> bool:
    """Whether a file is a GIF, or a WebP or PNG of several pictures."""
    try:
        with Image.open(path, formats=("GIF", "WEBP", "PNG")) as image:
            return image.format == "GIF" or getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError, SyntaxError):
        return False


def read(path: Path, field: str) -> tuple[Iterator[Frames], Fraction]:
    """The pictures of an animation as people see them, uint8 [H, W, 3] each, at the frames per second that
    come with them; a picture that is shown for longer is there several times.

    Raises:
        BadInput: its pictures are too large; the iterator raises it too, if the file is damaged. `field` is
            what to name.
    """
    pictures.measure_any(path, field=field)
    with Image.open(path) as image:
        times = [_shown(frame) for frame in ImageSequence.Iterator(image)]
    even = max(times) - min(times) <= 1  # such as 33 and 34 ms in turn
    step = Fraction(sum(times), len(times)) if even else Fraction(max(math.gcd(*times), MIN_MILLISECONDS))
    rate = (1000 / step).limit_denominator(1001)

    def frames() -> Iterator[Frames]:
        with pictures.readable(field), Image.open(path) as image:
            end, count = Fraction(0), 0
            for index, frame in enumerate(ImageSequence.Iterator(image), start=1):
                end = index * step if even else end + times[index - 1]
                picture = np.asarray(pictures.as_seen(frame.convert("RGBA")))
                while count * step < end:
                    yield picture
                    count += 1

    return frames(), rate


def _shown(frame: Image.Image) -> int:
    """For how many milliseconds browsers show a frame."""
    frame.load()  # of a WebP it is not known before
    milliseconds = round(frame.info.get("duration", 0))
    return milliseconds if milliseconds > 10 else 100


def _palette(pictures: list[Frames]) -> Image.Image:
    """An image whose 256 colours suit all pictures.

    They are chosen from every n-th pixel. A colour counts by the square root of its frequency: else a wide
    sky would take the whole palette, and a small flame would lose its colour.
    """
    height, width = pictures[0].shape[:2]
    step = max(1, round((len(pictures) * height * width / PALETTE_PIXELS) ** 0.5))
    pixels = np.concatenate([picture[::step, ::step].reshape(-1, 3) for picture in pictures])
    codes, counts = np.unique(pixels @ np.array([1 << 16, 1 << 8, 1]), return_counts=True)
    weighed = np.repeat(codes, np.ceil(np.sqrt(counts)).astype(int))
    colours = (weighed[:, None] >> np.array([16, 8, 0]) & 255).astype(np.uint8)
    return Image.fromarray(colours[None]).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _text(label: Label) -> str:
    return "\n".join(part for part in (label.heading, label.comment, label.json) if part)
