"""Images in requests."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from hinode.errors import BadInput, join_names
from hinode.media import pictures
from hinode.media.pictures import FITS
from hinode.request import MASK, Size

MAX_URL_LENGTH = 20_971_520

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*);base64,", re.ASCII)


def from_data_url(url: str, field: str) -> bytes:
    """The file in a data URL.

    Raises:
        BadInput: it is not a base64 data URL.
    """
    remedy = "write it as data:image/png;base64,…"
    head = _DATA_URL.match(url)
    if head is None:
        raise BadInput("the data URL cannot be read", remedy, field=field)
    try:
        return base64.b64decode("".join(url[head.end() :].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("the data URL is not base64", remedy, field=field) from error


def ready(path: Path, size: Size, fit: str | None, field: str) -> tuple[bytes | None, str]:
    """See `media.pictures.ready`."""

    def other_size(have: Size) -> BadInput:
        # The first words are Sora's: clients look for them.
        message = "Inpaint image must match the requested width and height"
        message += f": the image is {have[0]}x{have[1]} and the video {size[0]}x{size[1]}"
        remedy = f"send it at that size, or add input_reference_fit with {join_names(FITS, 'or')}"
        return BadInput(message, remedy, field=field)

    return pictures.ready(path, size, fit, field=field, other_size=other_size, mask=field == MASK)
