"""Files as people have them are read as Debian's programs read them, or refused in a sentence."""

from __future__ import annotations

import shutil
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from hinode.clip import Frames
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.media.reading.decode import VideoFile
from hinode.media.reading.probe import probe

from .corpus import CASES, SCALE, Case

PICTURES = (".jpg", ".png", ".webp", ".gif", ".heic")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("ffmpeg") and shutil.which("convert")), reason="ffmpeg or ImageMagick is missing"
    ),
]


def read(path: Path) -> list[Frames]:
    """The pictures of a file as Hinode reads them."""
    if path.suffix in PICTURES:
        size, _ = pictures.measure(path, field="image")
        with Image.open(path) as image:
            seen = pictures.as_seen(image)
        assert seen.size == size
        return [np.asarray(seen)]
    facts = probe(path, max_seconds=60, local=True)
    with VideoFile(path) as file:
        frames = [picture.rgb for picture in islice(file, 20)]
    assert frames[0].shape[1::-1] == facts.size
    assert 0 < facts.seconds <= 2.5
    return frames


def reference(case: Case, path: Path, shape: tuple[int, ...], folder: Path) -> list[Frames]:
    """The same by the programs of Debian."""
    if isinstance(case.reading, tuple):
        profile = folder / "srgb.icc"
        profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        words = [word.format(srgb=profile) for word in case.reading]
        command = ["convert", f"{path}[0]", *words, "-depth", "8", "rgb:-"]
    else:
        scaled = f"{case.reading}:{SCALE}" if str(case.reading).startswith("scale") else case.reading
        filters = f"{scaled},scale={SCALE},format=rgb24"
        command = ["ffmpeg", "-v", "error", "-i", str(path), "-vsync", "passthrough", "-vf", filters]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return list(np.frombuffer(output, np.uint8).reshape(-1, *shape))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_is_read_as_it_is_meant_or_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    case.write(path)
    if case.reading is None:
        with pytest.raises(BadInput, match=case.refusal):
            read(path)
        return
    frames = read(path)
    expected = reference(case, path, frames[0].shape, tmp_path)
    assert len(frames) == len(expected)
    off = np.abs(np.stack(frames).astype(int) - np.stack(expected))
    assert np.percentile(off, 99) <= case.tolerance
