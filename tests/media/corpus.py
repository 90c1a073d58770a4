"""120 small files as cameras, programs and people make them, with the reading of each that counts as right.

`python -m tests.media.corpus FOLDER` writes them. `tests/media/test_corpus.py` compares what Hinode reads
with what Debian's `ffmpeg` and `convert` (ImageMagick) read.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from PIL import Image, ImageCms

from hinode.clip import Frames

WIDTH, HEIGHT, COUNT = 96, 64, 6
SCALE = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
HDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=full,format=gbrp"
)
WIDE = "zscale=p=bt709:t=bt709:m=bt709:r=full,format=gbrp"
FLAT = ("-auto-orient", "+repage", "-background", "white", "-flatten")
TURNS = (
    "TopLeft",
    "TopRight",
    "BottomRight",
    "BottomLeft",
    "LeftTop",
    "RightTop",
    "RightBottom",
    "LeftBottom",
)


@dataclass(frozen=True)
class Case:
    """A file and how it is to be read.

    Attributes:
        write: makes the file.
        reading: filters of `ffmpeg` for a video, words for `convert` for a picture; None if it is refused.
        tolerance: levels by which 99 of 100 values may be off.
        refusal: what the sentence contains if it is refused.
    """

    name: str
    write: Callable[[Path], None]
    reading: str | tuple[str, ...] | None = None
    tolerance: int = 3
    refusal: str = ""


def pictures(count: int = COUNT) -> Frames:
    """Smooth pictures that change; no two corners are alike, and every colour is one of BT.709."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    first = np.stack((90 + columns, 150 - rows, 100 + rows // 2 + columns // 4), -1)
    return np.stack([np.clip(first + 3 * k, 0, 255) for k in range(count)]).astype(np.uint8)


def video(
    path: Path,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    matrix: Colorspace | None = Colorspace.ITU709,
    full: bool = False,
    prepare: Callable[[VideoStream], None] = lambda stream: None,
    times: tuple[int, ...] = (),
    count: int = COUNT,
    rate: int = 8,
    form: str | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """A video of `pictures`; `times` are those of its frames in sixteenths of a second."""
    spread = ColorRange.JPEG if full else ColorRange.MPEG
    lossless = {"libx264": {"qp": "1", "bf": "0"}, "libx265": {"crf": "4", "x265-params": "log-level=none"}}
    with av.open(str(path), "w", format=form, container_options=options or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.options = lossless.get(codec, {"qscale": "1", "crf": "4", "b": "8M"})
        context = stream.codec_context
        if matrix is not None:
            context.colorspace, context.color_range = matrix, spread
        if times:
            context.time_base = stream.time_base = Fraction(1, 16)
        prepare(stream)
        for index, picture in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=pixels,
                dst_colorspace=matrix or Colorspace.ITU601,
                dst_color_range=spread,
            )
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 16)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def tagged(transfer: ColorTrc, primaries: ColorPrimaries) -> Callable[[VideoStream], None]:
    """Says that a video is meant for another screen."""

    def tag(stream: VideoStream) -> None:
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, primaries

    return tag


def shaped(shape: Fraction) -> Callable[[VideoStream], None]:
    """Says that pixels are not square."""
    return lambda stream: setattr(stream.codec_context, "sample_aspect_ratio", shape)


def interlaced(stream: VideoStream, order: str) -> None:
    """Fields instead of frames."""
    stream.options = {"qp": "1", "bf": "0", "x264-params": f"{order}=1"}


def still(path: Path, mode: str = "RGB", turn: int = 0, **more: Any) -> None:
    """A picture of the corpus in a mode of Pillow."""
    image = Image.fromarray(pictures(1)[0])
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, WIDTH), (HEIGHT, 1)).astype(np.uint8)))
    else:
        image = image.convert(mode)
    if turn:
        more["exif"] = Image.Exif()
        more["exif"][0x0112] = turn
    image.save(path, **({"quality": 98} if path.suffix in (".jpg", ".webp") else {}), **more)


def animation(path: Path) -> None:
    """A picture that moves."""
    first, *rest = map(Image.fromarray, pictures())
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=125,
        **({"quality": 98} if "webp" in path.name else {}),
    )


def swapped_profile() -> bytes:
    """A profile in which red and green have changed places."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(content[128:132], "big"), 12):
        name = bytes(content[at : at + 4])
        content[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(content).replace(b"s\0R\0G\0B", b"d\0e\0m\0o").replace(b"sRGB built-in", b"demo built-in")


def sound_only(path: Path) -> None:
    """A file without pictures."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def cut_off(path: Path) -> None:
    """The first half of a video."""
    video(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def streamed(path: Path) -> None:
    """A Matroska that was written into a pipe, which says nothing about its length."""
    target = io.BytesIO()
    target.seekable = lambda: False  # type: ignore[method-assign]
    with av.open(target, "w", format="matroska", options={"live": "1"}) as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"qp": "1", "bf": "0"}
        for picture in pictures():
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    path.write_bytes(target.getvalue())


def videos() -> Iterator[Case]:
    """The cases that are videos."""
    for kind in ("mp4", "mov", "m4v"):
        for degrees in (0, 90, 180, 270):
            turn = partial(VideoStream.set_display_rotation, degrees=degrees)
            yield Case(
                f"turned-{degrees}.{kind}",
                partial(video, prepare=turn, form="mov" if kind == "mov" else "mp4"),
                "null",
            )
    for kind in ("mp4", "mkv"):
        for shape in ("16/15", "64/45", "8/9", "4/3", "2/1"):
            size = Fraction(shape)
            wide = 2 * round(max(size, 1) * WIDTH / 2), 2 * round(HEIGHT / min(size, 1) / 2)
            name = f"shape-{shape.replace('/', '-')}.{kind}"
            yield Case(name, partial(video, prepare=shaped(size)), f"scale={wide[0]}:{wide[1]}")
    screens = {
        "hlg": (ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020, HDR, 6),
        "pq": (ColorTrc.SMPTE2084, ColorPrimaries.BT2020, HDR, 6),
        "bt2020": (ColorTrc.BT2020_10, ColorPrimaries.BT2020, WIDE, 3),
        "p3": (ColorTrc.BT709, ColorPrimaries.SMPTE432, WIDE, 3),
    }
    for name, (transfer, primaries, reading, tolerance) in screens.items():
        for pixels in ("yuv420p10le", "yuv422p10le", "yuv444p10le"):
            tag = tagged(transfer, primaries)
            matrix = Colorspace.BT2020 if primaries == ColorPrimaries.BT2020 else Colorspace.ITU709
            make = partial(video, pixels=pixels, matrix=matrix, prepare=tag, codec="libx265")
            yield Case(f"{name}-{pixels}.mp4", make, reading, tolerance)
    matrices = {"601": Colorspace.ITU601, "709": Colorspace.ITU709, "240": Colorspace.SMPTE240M, "none": None}
    for name, matrix_or_none in matrices.items():
        for pixels in ("yuv420p", "yuv422p", "yuv444p"):
            for full in (False, True):
                make = partial(
                    video, pixels=pixels, matrix=matrix_or_none, full=full and matrix_or_none is not None
                )
                yield Case(f"matrix-{name}-{pixels}-{'full' if full else 'limited'}.mp4", make, "null")
    codecs = {
        "mpeg2.ts": ("mpeg2video", "yuv420p", 25),
        "vp9.webm": ("libvpx-vp9", "yuv420p", 8),
        "vp8.webm": ("libvpx", "yuv420p", 8),
        "prores.mov": ("prores_ks", "yuv422p10le", 8),
        "mjpeg.avi": ("mjpeg", "yuvj420p", 8),
        "ffv1.mkv": ("ffv1", "yuv444p", 8),
        "mpeg4.mp4": ("mpeg4", "yuv420p", 8),
        "qtrle.mov": ("qtrle", "rgb24", 8),
    }
    for name, (codec, pixels, rate) in codecs.items():
        yield Case(name, partial(video, codec=codec, pixels=pixels, rate=rate, matrix=None), "null")
    yield Case("uneven.mp4", partial(video, times=(0, 1, 4, 5, 9, 10)), "null")
    yield Case("late.mp4", partial(video, times=(8, 10, 12, 14, 16, 18)), "null")
    for order in ("tff", "bff"):
        yield Case(
            f"interlaced-{order}.mp4",
            partial(video, prepare=partial(interlaced, order=order)),
            "bwdif=send_frame",
        )
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    yield Case("fragments.mp4", partial(video, form="mp4", options=fragments), "null")
    yield Case("streamed.mkv", streamed, "null")
    yield Case("single.mp4", partial(video, count=1), "null")
    yield Case("empty.mp4", lambda path: path.write_bytes(b"") and None, refusal="no video that is read")
    yield Case("sound.mp4", sound_only, refusal="has no pictures")
    yield Case("cut.mp4", cut_off, refusal="cut off or damaged")


def stills() -> Iterator[Case]:
    """The cases that are pictures."""
    for kind in ("jpg", "png", "webp"):
        for turn in range(1, 9):
            # ImageMagick 6 looks for the orientation in a JPEG only; browsers look in all three.
            yield Case(f"turn-{turn}.{kind}", partial(still, turn=turn), ("-orient", TURNS[turn - 1], *FLAT))
    modes = {"clear.png": "RGBA", "clear.webp": "RGBA", "clear-grey.png": "LA", "palette.png": "P"}
    modes |= {"deep.png": "I;16", "bits.png": "1", "grey.jpg": "L", "grey.png": "L"}
    for name, mode in modes.items():
        yield Case(name, partial(still, mode=mode), FLAT)
    yield Case("cmyk.jpg", partial(still, mode="CMYK"), (*FLAT, "-colorspace", "sRGB"))
    yield Case("keyed.png", partial(still, transparency=(90, 150, 100)), FLAT)
    for kind in ("jpg", "png", "webp"):
        yield Case(
            f"profile.{kind}", partial(still, icc_profile=swapped_profile()), (*FLAT, "-profile", "{srgb}")
        )
    yield Case("progressive.jpg", partial(still, progressive=True), FLAT)
    yield Case("coarse.jpg", partial(still, subsampling=2), FLAT)
    yield Case("moves.webp", animation, FLAT)
    yield Case("moves.png", animation, FLAT)
    yield Case("two.jpg", partial(still, format="MPO", save_all=True), FLAT)
    yield Case("moves.gif", animation, refusal="no JPEG, PNG or WebP")
    heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    yield Case("photo.heic", lambda path: path.write_bytes(heif) and None, refusal="a HEIC|no JPEG")


CASES = (*videos(), *stills())

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        case.write(folder / case.name)
    print(f"{len(CASES)} files in {folder}")
