"""Images that become frames of a video: measured before they are decoded, and brought to its size.

An image is read as people see it: turned by its EXIF orientation, its colour profile obeyed, sixteen bits
brought to eight, and white behind what is transparent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageFilter, ImageOps, UnidentifiedImageError

from hinode.errors import BadInput
from hinode.media import color
from hinode.media.resize import fit_image, trims
from hinode.request import Size

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
try:
    from pi_heif import register_heif_opener
except ImportError:
    HAS_HEIC = False
else:
    HAS_HEIC = True
    register_heif_opener(thumbnails=False)
    FORMATS["HEIF"] = "image/heic"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
"""The kinds of such files: the photographs of telephones."""
FITS = ("crop", "pad", "stretch")
MAX_PIXELS = 32_000_000
"""Enough for the photographs of most cameras."""
MAX_BYTES = 20 << 20
MAX_SCANS = 100
"""Scans of a progressive JPEG; cameras and programs make about ten."""
BAND_ROWS = 64
WHITE = 128
"""Where a mask is at least this bright, the picture is drawn anew."""
MAX_MASK_COLOR, MAX_COLORED_SHARE = 32, 0.01
"""Difference of the channels up to which a pixel is grey, and share of others that a mask may have."""

_TURNED = range(5, 9)  # EXIF orientations in which width and height are exchanged
_ORIENTATION = 0x0112
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SCAN = b"\xff\xda"  # never part of the compressed picture itself


def measure(path: Path, *, field: str) -> tuple[Size, str]:
    """Width and height of an image as it is seen, and its media type; BadInput is raised as in `ready`."""
    with _open(path, field) as image:
        return _upright_size(image, field), _media_type(image)


def measure_any(source: Path | IO[bytes], *, field: str) -> None:
    """Raise BadInput if the pictures of a file of any kind are too large or cannot be read."""
    with readable(field), Image.open(source) as image:
        _upright_size(image, field)


def as_seen(image: Image.Image) -> Image.Image:
    """An image in sRGB as people see it; white is behind what is transparent."""
    return ImageOps.exif_transpose(_converter(image, mask=False)(image))


def ready(
    path: Path,
    size: Size,
    fit: str | None,
    *,
    field: str,
    other_size: Callable[[Size], BadInput],
    mask: bool = False,
) -> tuple[bytes | None, str]:
    """See that an image can be a frame of a video of this size, or make it so.

    Args:
        size: width and height of the video.
        fit: None if the image must have that size; else "crop", "pad" or "stretch" it.
        other_size: the error about an image of another size.
        mask: whether it says where a video may change: it is read in grey, and black is behind what is
            transparent.

    Returns:
        The file to use instead, or None to use the image as it is; and the media type.

    Raises:
        BadInput: it is no JPEG, PNG or WebP, is too large, is damaged, or has another size; or it is a mask
            that has colours, no white or no black.
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
        count = 1 if kind == FORMATS["JPEG"] else getattr(image, "n_frames", 1)
        if mask and count > 1:
            remedy = "give one picture, or a video for a mask that moves"
            raise BadInput(f"the mask has {count} pictures", remedy, field=field)
        image.load()
        if have == size and not mask and _is_plain(image):
            return None, kind
        return _fit(image, size, fit or "stretch", mask=mask, field=field), "image/png"


def feathered(mask: bytes, pixels: float) -> bytes:
    """A mask, the file of an image in grey, whose edges fade over so many pixels on both sides."""
    with Image.open(io.BytesIO(mask)) as image:
        # A Gaussian is nearly over at twice its deviation.
        return _png(image.filter(ImageFilter.GaussianBlur(pixels / 2)))


def _png(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=1)
    return target.getvalue()


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


def _is_plain(image: Image.Image) -> bool:
    """Whether the file shows the same to a reader that knows nothing but pixels."""
    if image.format == "HEIF":
        return False  # which few programs read
    upright = image.getexif().get(_ORIENTATION, 1) == 1
    opaque = image.mode in ("RGB", "L") and not image.has_transparency_data
    return upright and opaque and _profile(image) is None and color.conversion(image) is None


def _fit(image: Image.Image, size: Size, fit: str, *, mask: bool, field: str) -> bytes:
    turn = image.getexif().get(_ORIENTATION, 1)
    flat = _flat(image, (size[1], size[0]) if turn in _TURNED else size, mask=mask)
    if mask:
        flat = _check_mask(flat, field)
    flat.getexif()[_ORIENTATION] = turn
    upright = ImageOps.exif_transpose(flat)
    if fit == "crop":
        resample = None if trims(upright.size, size) else Image.Resampling.LANCZOS
        upright = fit_image(upright, size, resample)
    elif fit == "pad":
        upright = ImageOps.pad(upright, size, Image.Resampling.LANCZOS, color="black")
    elif upright.size != size:
        upright = upright.resize(size, Image.Resampling.LANCZOS)
    return _png(upright)


def _flat(image: Image.Image, size: Size, *, mask: bool) -> Image.Image:
    """The image in RGB, and smaller if it is more than twice as large as `size`, but no smaller than that.

    It is done band by band, so that a large image is never copied as a whole.
    """
    less = max(1, min(image.width // (2 * size[0]), image.height // (2 * size[1])))
    flat = Image.new("RGB", (-(-image.width // less), -(-image.height // less)))
    rows = less * max(1, BAND_ROWS // less)
    convert = _converter(image, mask=mask)
    for top in range(0, image.height, rows):
        band = convert(image.crop((0, top, image.width, min(top + rows, image.height))))
        flat.paste(band.reduce(less), (0, top // less))
    return flat


def _converter(image: Image.Image, *, mask: bool) -> Callable[[Image.Image], Image.Image]:
    """What brings this image, or a part of it, to RGB."""
    profile = None if mask else _profile(image)
    own_colors = None if mask else color.conversion(image)
    transforms: dict[str, ImageCms.ImageCmsTransform] = {}

    def convert(part: Image.Image) -> Image.Image:
        if part.mode.startswith("I"):
            part = Image.fromarray((np.asarray(part).clip(0, 65535) // 257).astype(np.uint8))
        opacity = part.convert("RGBA").getchannel("A") if part.has_transparency_data else None
        colors = part.convert("RGB") if opacity is not None or part.mode == "P" else part
        if own_colors is not None:
            colors = own_colors(colors.convert("RGB"))
        elif profile is not None:
            mode = _PROFILE_MODES[profile.profile.xcolor_space.strip()]
            if mode not in transforms:
                srgb = ImageCms.createProfile("sRGB")
                transforms[mode] = ImageCms.buildTransform(profile, srgb, mode, "RGB")
            colors = transforms[mode].apply(colors.convert(mode))
        colors = colors.convert("RGB")
        if opacity is not None:
            behind = Image.new("RGB", part.size, "black" if mask else "white")
            colors = Image.composite(colors, behind, opacity)
        return colors

    return convert


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The colour profile of an image; None for sRGB, and for one that cannot be read, as viewers do."""
    content = image.info.get("icc_profile")
    if not content:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        usable = profile.profile.xcolor_space.strip() in _PROFILE_MODES
        return profile if usable and "sRGB" not in ImageCms.getProfileDescription(profile) else None
    except (ImageCms.PyCMSError, OSError):
        return None


def _check_mask(image: Image.Image, field: str) -> Image.Image:
    """A mask in grey; one that would change nothing, or is a picture of something, is refused."""
    pixels = np.asarray(image.reduce(max(1, min(image.size) // 256)), np.int16)
    colored = np.ptp(pixels, axis=2) > MAX_MASK_COLOR
    if colored.mean() > MAX_COLORED_SHARE:
        remedy = "give white where the video may change and black elsewhere"
        raise BadInput("the mask has colours", remedy, field=field)
    grey = image.convert("L")
    values = np.asarray(grey)
    if values.max() < WHITE:
        remedy = "paint white where the video may change; transparent counts as black"
        raise BadInput("the mask has no white, so nothing would change", remedy, field=field)
    if values.min() >= WHITE:
        remedy = "paint black where the video stays, or leave the mask out"
        raise BadInput("the mask has no black, so nothing would stay", remedy, field=field)
    return grey


def _check_scans(path: Path, field: str) -> None:
    """Refuse a JPEG that paints its picture over and over, which takes few bytes and hours."""
    scans = path.read_bytes().count(_SCAN)
    if scans > MAX_SCANS:
        remedy = f"save it again with at most {MAX_SCANS}, such as without progressive refinement"
        raise BadInput(f"the image is a JPEG of {scans:,} scans", remedy, field=field)


@contextmanager
def _open(path: Path, field: str) -> Iterator[Image.Image]:
    with readable(field):
        if not HAS_HEIC:
            _check_heic(path, field)
        with Image.open(path, formats=tuple(FORMATS)) as image:
            yield image


def _check_heic(path: Path, field: str) -> None:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:] in HEIC_BRANDS:
        remedy = "save it as a JPEG, or install `hinode[heic]` where Hinode runs"
        raise BadInput("the image is a HEIC, which is not read here", remedy, field=field)


@contextmanager
def readable(field: str) -> Iterator[None]:
    """Turn what Pillow raises about a file into BadInput; `field` is what to name."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise BadInput("the image is no JPEG, PNG or WebP", "send one of these", field=field) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        remedy = f"send one of at most {MAX_PIXELS:,}"
        raise BadInput("the image has too many pixels", remedy, field=field) from error
    except color.ColorError as error:
        message = "the image has colours that cannot be read here"
        raise BadInput(message, "save it in sRGB", field=field) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        message = "the image cannot be read, for its file is cut off or damaged"
        raise BadInput(message, "send it again", field=field) from error
