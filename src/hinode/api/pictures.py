"""Images that a video is to begin with: measured before they are decoded, brought to its size on request."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from hinode.errors import BadInput, listed, shown
from hinode.request import Size

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
FITS = ("crop", "pad", "stretch")
MOST_PIXELS = 4096 * 4096
MOST_BYTES = 20 << 20
LONGEST_URL = 20_971_520
FIELD = "input_reference"

_TURNED = range(5, 9)  # EXIF orientations in which width and height are exchanged
_ORIENTATION = 0x0112
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*)(;base64)?,", re.ASCII)


def from_data_url(url: str) -> bytes:
    """The file in a data URL.

    Raises:
        BadInput: it is not a base64 data URL, or is too long.
    """
    if len(url) > LONGEST_URL:
        raise BadInput(
            f"the data URL has {len(url):,} characters", f"stay within {LONGEST_URL:,}", field=FIELD
        )
    head = _DATA_URL.match(url)
    if head is None or not head[3]:
        raise BadInput("the data URL cannot be read", "write it as data:image/png;base64,…", field=FIELD)
    try:
        return base64.b64decode(url[head.end() :].strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(
            "the data URL is not base64", "write it as data:image/png;base64,…", field=FIELD
        ) from error


def ready(path: Path, size: Size, fit: str | None) -> tuple[bytes | None, str]:
    """See that an image can be the first frame of a video of this size, or make it so.

    Args:
        path: of the image.
        size: width and height of the video.
        fit: None if the image must have that size; else "crop", "pad" or "stretch" it.

    Returns:
        The file to use instead, or None to use the image as it is; and the media type.

    Raises:
        BadInput: it is no JPEG, PNG or WebP, is too large, is damaged, or has another size.
    """
    with _opened(path) as image:
        turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
        have = (image.height, image.width) if turned else image.size
        if image.width * image.height > MOST_PIXELS:
            raise BadInput(
                f"the image is {image.width}x{image.height}",
                f"send one of at most {MOST_PIXELS:,} pixels",
                field=FIELD,
            )
        if have != size and fit is None:
            # The first words are Sora's: clients look for them.
            raise BadInput(
                f"Inpaint image must match the requested width and height: the image is {have[0]}x{have[1]} "
                f"and the video {size[0]}x{size[1]}",
                f"send it at that size, or add input_reference_fit with {listed(FITS, 'or')}",
                field=FIELD,
            )
        kind = FORMATS[image.format or ""]
        image.load()
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        if have == size and upright and image.mode in ("RGB", "L"):
            return None, kind
        return _fitted(image, size, fit or "stretch"), "image/png"


def check_fit(fit: str | None) -> str | None:
    """`fit` if it is a way to bring an image to a size.

    Raises:
        BadInput: it is not.
    """
    if fit is not None and fit not in FITS:
        raise BadInput(
            f"an image cannot be brought to its size by {shown(fit)}",
            f"choose {listed(FITS, 'or')}",
            field="input_reference_fit",
        )
    return fit


def _fitted(image: Image.Image, size: Size, fit: str) -> bytes:
    upright = ImageOps.exif_transpose(image)
    if upright.mode != "RGB":
        # What shines through is white, as on paper.
        layered = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    if fit == "crop":
        upright = ImageOps.fit(upright, size, Image.Resampling.LANCZOS)
    elif fit == "pad":
        upright = ImageOps.pad(upright, size, Image.Resampling.LANCZOS, color="black")
    elif upright.size != size:
        upright = upright.resize(size, Image.Resampling.LANCZOS)
    target = io.BytesIO()
    upright.save(target, "PNG", compress_level=1)
    return target.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=tuple(FORMATS)) as image:
            yield image
    except UnidentifiedImageError as error:
        raise BadInput("the image is no JPEG, PNG or WebP", "send one of these", field=FIELD) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInput(
            "the image has too many pixels", f"send one of at most {MOST_PIXELS:,}", field=FIELD
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadInput(
            "the image cannot be read, for its file is cut off or damaged", "send it again", field=FIELD
        ) from error
