"""Still pictures of a clip: its frames as PNG files, a thumbnail, a sheet of several frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hinode.clip import Frames, FrameSource
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.media.resize import fit_finished
from hinode.media.timeline import spread
from hinode.media.writing.formats import Seal
from hinode.media.writing.label import Label
from hinode.output import replace_file
from hinode.request import Size

PNG_LEVEL = 6
SHEET_SIDE = 4  # tiles
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def write_pngs(folder: Path, frames: Iterable[Frames], label: Label, seal: Seal = lambda part: None) -> None:
    """Write a folder of frames named 0001.png, 0002.png, ...; it appears when all of them are there.

    See `formats.write`. The folder may exist if it is empty; `label` is what every file says about itself.
    """
    info = PngInfo()
    for key, text in (("Title", label.heading), ("Description", label.comment), ("Comment", label.json)):
        info.add_itxt(key, text)
    with replace_file(folder) as part:
        part.mkdir()
        for number, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(part / f"{number:04}.png", compress_level=PNG_LEVEL, pnginfo=info)
        seal(part)


def list_sequence(folder: Path, field: str) -> list[Path]:
    """The pictures in a folder, in the order of the numbers in their names.

    Raises:
        BadInput: there are none; `field` is what to name.
    """

    def place(path: Path) -> tuple[int, str]:
        numbers = re.findall(r"\d+", path.stem)
        return (int(numbers[-1]) if numbers else 0), path.name

    # Other systems leave files such as ._0001.png in folders.
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    if not files:
        remedy = "name a folder of numbered JPEG, PNG or WebP files"
        raise BadInput("the folder has no pictures", remedy, field=field)
    return sorted(files, key=place)


def read_sequence(files: list[Path], field: str) -> Iterator[Frames]:
    """The pictures of a sequence, uint8 [H, W, 3] each.

    Raises:
        BadInput: one cannot be read, or is not of the size of the first; `field` is what to name.
    """
    size, _ = pictures.measure(files[0], field=field)
    for file in files:
        have, _ = pictures.measure(file, field=field)
        if have != size:
            message = f"{file.name} is {have[0]}x{have[1]} and the first picture {size[0]}x{size[1]}"
            raise BadInput(message, "give pictures of one size", field=field)
        with pictures.readable(field), Image.open(file) as image:
            yield np.asarray(pictures.as_seen(image))


Notice = Callable[[Frames, int], Frames]
"""A picture uint8 [H, W, 3], and the number of its frame, to the picture with what is written on it."""


def thumbnail(frames: FrameSource, size: Size, notice: Notice | None = None) -> Image.Image:
    """The middle one of frames uint8 [T, H, W, 3] at exactly `size`, cropped evenly if the shape differs."""
    return _picture(frames, len(frames) // 2, size, notice)


def spritesheet(frames: FrameSource, tile: Size, notice: Notice | None = None) -> Image.Image:
    """Sixteen of frames uint8 [T, H, W, 3] spread evenly over the clip, in reading order on one picture, each
    tile exactly `tile` large. A clip of fewer frames leaves the last tiles black."""
    width, height = tile
    sheet = Image.new("RGB", (SHEET_SIDE * width, SHEET_SIDE * height))
    for place, index in enumerate(spread(len(frames), SHEET_SIDE**2)):
        row, column = divmod(place, SHEET_SIDE)
        sheet.paste(_picture(frames, index, tile, notice), (column * width, row * height))
    return sheet


def _picture(frames: FrameSource, index: int, size: Size, notice: Notice | None) -> Image.Image:
    picture = fit_finished(Image.fromarray(frames[index]), size)
    return Image.fromarray(notice(np.asarray(picture), index)) if notice else picture
