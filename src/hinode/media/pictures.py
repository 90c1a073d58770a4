"""Images that become frames of a video: measured before they are decoded, and brought to its size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from hinode.errors import BadInput
from hinode.media.resize import fit_image
from hinode.request import Size

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
FITS = ("crop", "pad", "stretch")
MAX_PIXELS = 4096 * 4096
MAX_BYTES = 20 << 20
MAX_SCANS = 100
"""Scans of a progressive JPEG; cameras and programs make about ten."""
BAND_ROWS = 64

_TURNED = range(5, 9)  # EXIF orientations in which width and height are exchanged
_ORIENTATION = 0x0112
_SCAN = b"\xff\xda"  # never part of the compressed picture itself


def measure(path: Path, *, field: str) -> tuple[Size, str]:
    """Width and height of an image as it is seen, and its media type; BadInput is raised as in `ready`."""
    with _open(path, field) as image:
        return _upright_size(image, field), _media_type(image)


def ready(
    path: Path, size: Size, fit: str | None, *, field: str, other_size: Callable[[Size], BadInput]
) -> tuple[bytes | None, str]:
    """See that an image can be a frame of a video of this size, or make it so.

    Args:
        size: width and height of the video.
        fit: None if the image must have that size; else "crop", "pad" or "stretch" it.
        other_size: the error about an image of another size.

    Returns:
        The file to use instead, or None to use the image as it is; and the media type.

    Raises:
        BadInput: it is no JPEG, PNG or WebP, is too large, is damaged, or has another size.
    """
    length = path.stat().st_size
    if length > MAX_BYTES:
        raise BadInput(f"the image has {length:,} bytes", f"send one of at most {MAX_BYTES:,}", field=field)
    with _open(path, field) as image:
        have, kind = _upright_size(image, field), _media_type(image)
        if have != size and fit is None:
            raise other_size(have)
        if kind == FORMATS["JPEG"]:
            _check_scans(path, field)
        image.load()
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        if have == size and upright and image.mode in ("RGB", "L"):
            return None, kind
        return _fit(image, size, fit or "stretch"), "image/png"


def _upright_size(image: Image.Image, field: str) -> Size:
    """Width and height of an image as people see it."""
    # First, for reading the orientation of a PNG may mean to unpack it.
    if image.width * image.height > MAX_PIXELS:
        message = f"the image is {image.width}x{image.height}"
        raise BadInput(message, f"send one of at most {MAX_PIXELS:,} pixels", field=field)
    turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
    return (image.height, image.width) if turned else image.size


def _media_type(image: Image.Image) -> str:
    # Telephones put further pictures behind the visible JPEG, and Pillow has another name for that.
    return FORMATS.get(image.format or "", FORMATS["JPEG"])


def _fit(image: Image.Image, size: Size, fit: str) -> bytes:
    turn = image.getexif().get(_ORIENTATION, 1)
    flat = _flat(image, (size[1], size[0]) if turn in _TURNED else size)
    flat.getexif()[_ORIENTATION] = turn
    upright = ImageOps.exif_transpose(flat)
    if fit == "crop":
        upright = fit_image(upright, size, Image.Resampling.LANCZOS)
    elif fit == "pad":
        upright = ImageOps.pad(upright, size, Image.Resampling.LANCZOS, color="black")
    elif upright.size != size:
        upright = upright.resize(size, Image.Resampling.LANCZOS)
    target = io.BytesIO()
    upright.save(target, "PNG", compress_level=1)
    return target.getvalue()


def _flat(image: Image.Image, size: Size) -> Image.Image:
    """The image in RGB, and smaller if it is more than twice as large as `size`, but no smaller than that.

    It is done band by band, so that a large image is never copied as a whole.
    """
    less = max(1, min(image.width // (2 * size[0]), image.height // (2 * size[1])))
    flat = Image.new("RGB", (-(-image.width // less), -(-image.height // less)))
    rows = less * max(1, BAND_ROWS // less)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        if band.mode != "RGB":
            # What shines through is white, as on paper.
            layered = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
        flat.paste(band.reduce(less), (0, top // less))
    return flat


def _check_scans(path: Path, field: str) -> None:
    """Refuse a JPEG that paints its picture over and over, which takes few bytes and hours."""
    scans = path.read_bytes().count(_SCAN)
    if scans > MAX_SCANS:
        remedy = f"save it again with at most {MAX_SCANS}, such as without progressive refinement"
        raise BadInput(f"the image is a JPEG of {scans:,} scans", remedy, field=field)


@contextmanager
def _open(path: Path, field: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=tuple(FORMATS)) as image:
            yield image
    except UnidentifiedImageError as error:
        raise BadInput("the image is no JPEG, PNG or WebP", "send one of these", field=field) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        remedy = f"send one of at most {MAX_PIXELS:,}"
        raise BadInput("the image has too many pixels", remedy, field=field) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        message = "the image cannot be read, for its file is cut off or damaged"
        raise BadInput(message, "send it again", field=field) from error
