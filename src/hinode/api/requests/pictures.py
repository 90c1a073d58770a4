"""Images that a video is made from, as clients send them."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from hinode.errors import BadInput, join_names, quote
from hinode.media import pictures
from hinode.media.pictures import FITS, FORMATS, MAX_BYTES, MAX_SCANS
from hinode.request import Size

__all__ = ["FIELD", "FITS", "FORMATS", "MAX_BYTES", "MAX_SCANS", "check_fit", "from_data_url", "ready"]

MAX_URL_LENGTH = 20_971_520
FIELD = "input_reference"
"""What errors name if they are told no other field."""

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*)(;base64)?,", re.ASCII)


def from_data_url(url: str, field: str = FIELD) -> bytes:
    """The file in a data URL.

    Raises:
        BadInput: it is not a base64 data URL, or is too long.
    """
    if len(url) > MAX_URL_LENGTH:
        raise BadInput(
            f"the data URL has {len(url):,} characters", f"stay within {MAX_URL_LENGTH:,}", field=field
        )
    head = _DATA_URL.match(url)
    if head is None or not head[3]:
        raise BadInput("the data URL cannot be read", "write it as data:image/png;base64,…", field=field)
    try:
        return base64.b64decode(url[head.end() :].strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(
            "the data URL is not base64", "write it as data:image/png;base64,…", field=field
        ) from error


def ready(path: Path, size: Size, fit: str | None, field: str = FIELD) -> tuple[bytes | None, str]:
    """See that an image can be the first or last frame of a video of this size, or make it so.

    Args:
        path: of the image.
        size: width and height of the video.
        fit: None if the image must have that size; else "crop", "pad" or "stretch" it.
        field: what to name in errors.

    Returns:
        The file to use instead, or None to use the image as it is; and the media type.

    Raises:
        BadInput: it is no JPEG, PNG or WebP, is too large, is damaged, or has another size.
    """

    def other_size(have: Size) -> BadInput:
        # The first words are Sora's: clients look for them.
        return BadInput(
            f"Inpaint image must match the requested width and height: the image is {have[0]}x{have[1]} "
            f"and the video {size[0]}x{size[1]}",
            f"send it at that size, or add input_reference_fit with {join_names(FITS, 'or')}",
            field=field,
        )

    return pictures.ready(path, size, fit, field=field, other_size=other_size)


def check_fit(fit: str | None) -> str | None:
    """`fit` if it is a way to bring an image to a size.

    Raises:
        BadInput: it is not.
    """
    if fit is not None and fit not in FITS:
        raise BadInput(
            f"an image cannot be brought to its size by {quote(fit)}",
            f"choose {join_names(FITS, 'or')}",
            field="input_reference_fit",
        )
    return fit
