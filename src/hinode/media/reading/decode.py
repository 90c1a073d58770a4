"""Video files decoded, one picture at a time: the only place that reads pictures out of a video.

Callers turn `DecodeError` into an error of their own, with the field and the remedy that apply there.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import IO

import av
import av.error
import av.filter
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from hinode.clip import Frames
from hinode.media.color import DEFAULT_PEAK, Grading, to_srgb
from hinode.media.reading.container import (
    DecodeError,
    decode_errors,
    first_moment,
    main_stream,
    open_container,
)
from hinode.request import Size

# Codes of ITU-T H.273.
UNSPECIFIED = 2
MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
"""Colour matrices that are read; others, such as that of Dolby Vision without a common base, need more."""

SD_SIZE = (1279, 576)
"""Up to this size a video that does not name its colour matrix is read as BT.601, else as BT.709, as players
do."""

MIN_ANAMORPHIC = 0.01
"""Pixels whose sides differ by a smaller share are square: sizes were rounded."""

INTERPOLATION = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)
"""Colours come out as they went in: a clip may be extended again and again."""

_CODEC_NAMES = {"dav1d": "av1", "vpx": "vp9"}


@dataclass(frozen=True)
class Picture:
    """A picture of a video; its colours are converted only if they are needed.

    Attributes:
        start, end: when it is first shown and when it is over, in seconds by the clock of the file.
        size: width and height in pixels.
    """

    start: Fraction
    end: Fraction
    size: Size
    _frame: av.VideoFrame = field(repr=False)
    _reformatter: VideoReformatter = field(repr=False)
    _view: _View | None = field(default=None, repr=False)

    @cached_property
    def rgb(self) -> Frames:
        """uint8 [H, W, 3] in sRGB, upright and of square pixels; white is behind what is transparent.

        Raises:
            DecodeError: its pixels are stored in a form that cannot be converted.
        """
        frame, view = self._frame, self._view or _View()
        matrix = None
        if frame.colorspace == UNSPECIFIED:
            small = frame.width <= SD_SIZE[0] and frame.height <= SD_SIZE[1]
            matrix = Colorspace.ITU601 if small else Colorspace.ITU709
        width, height = view.square((frame.width, frame.height))
        transparent = any(component.is_alpha for component in frame.format.components)
        format = ("rgba" if transparent else "rgb24") if view.grading is None else "rgb48le"
        if transparent and view.grading is not None:
            format = "rgba64le"
        with decode_errors():
            converted = self._reformatter.reformat(
                frame, width, height, format=format, src_colorspace=matrix, interpolation=INTERPOLATION
            )
            pixels = converted.to_ndarray()
        colors, opacity = pixels[..., :3], pixels[..., 3:]
        if view.grading is None:
            colors = colors.astype(np.uint8, copy=False)
        else:
            colors = to_srgb(colors.astype(np.uint16, copy=False), view.grading)
        if transparent:
            share = opacity.astype(np.float32) / (255 if view.grading is None else 65535)
            colors = np.rint(255 + share * (colors.astype(np.float32) - 255)).astype(np.uint8)
        return view.turn(colors)


@dataclass(frozen=True)
class _View:
    """How the stored pictures of a video are to be seen.

    Attributes:
        across, along: the display matrix, whole numbers: where a step to the right and a step down in the
            stored picture lead, as (right, down).
        shape: width of a stored pixel divided by its height.
        grading: what its colours mean; None for those of BT.709.
    """

    across: tuple[int, int] = (1, 0)
    along: tuple[int, int] = (0, 1)
    shape: Fraction = Fraction(1)
    grading: Grading | None = None

    @classmethod
    def of(cls, frame: av.VideoFrame, shape: Fraction) -> _View:
        """That of a video, from its first frame.

        Raises:
            DecodeError: it cannot be shown as it is meant.
        """
        try:
            grading = Grading.of_codes(int(frame.color_primaries), int(frame.color_trc), _peak(frame))
            if int(frame.colorspace) not in MATRICES:
                raise ValueError(f"the matrix {int(frame.colorspace)} is unknown")
        except ValueError as error:
            raise DecodeError("has colours that cannot be read here; convert it to BT.709") from error
        matrix = _side_data(frame, SideData.DISPLAYMATRIX)
        if matrix is None:
            return cls(shape=shape, grading=grading)
        right, down, _, below_right, below_down, *_ = struct.unpack("9i", matrix)
        turns = [round(value / 65536) for value in (right, down, below_right, below_down)]
        if sorted(map(abs, turns)) != [0, 0, 1, 1] or abs(turns[0]) != abs(turns[3]):
            raise DecodeError("is turned by an angle that is not a right one; turn its pictures upright")
        return cls((turns[0], turns[1]), (turns[2], turns[3]), shape, grading)

    def square(self, size: Size) -> Size:
        """The size of stored pictures with square pixels; both sides are even if the pixels are not."""
        width, height = size
        if abs(self.shape - 1) < MIN_ANAMORPHIC:
            return size
        wide, high = (width * self.shape, height) if self.shape > 1 else (width, height / self.shape)
        return 2 * round(wide / 2), 2 * round(high / 2)

    def upright(self, size: Size) -> Size:
        """The size of pictures as people see them."""
        width, height = self.square(size)
        return (width, height) if self.across[0] else (height, width)

    def turn(self, pixels: Frames) -> Frames:
        """Stored pixels [H, W, 3] as people see them."""
        if not self.across[0]:
            pixels = pixels.transpose(1, 0, 2)
        right, down = self.across[0] or self.along[0], self.across[1] or self.along[1]
        return np.ascontiguousarray(pixels[::down, ::right])


def _peak(frame: av.VideoFrame) -> float:
    """The brightest white of a video in cd/m2, as it says itself."""
    level = _side_data(frame, SideData.CONTENT_LIGHT_LEVEL)
    if level is not None and (brightest := struct.unpack_from("I", level)[0]):
        return float(brightest)
    screen = _side_data(frame, SideData.MASTERING_DISPLAY_METADATA)
    if screen is not None:
        # Eight fractions for primaries and white, and then the darkest and the brightest.
        *_, top, bottom, _, has_brightness = struct.unpack("22i", screen)
        if has_brightness and top > 0 and bottom > 0:
            return float(top / bottom)
    return DEFAULT_PEAK


def _side_data(frame: av.VideoFrame, kind: SideData) -> bytes | None:
    """What comes with a frame, as the bytes of FFmpeg's structure."""
    try:
        data = frame.side_data.get(kind.name)
    except ValueError:  # PyAV does not know the kind of one of them, such as EXIF in Motion JPEG
        return None
    return bytes(data) if isinstance(data, Buffer) else None


class VideoFile:
    """An open video file; iterate over it for its pictures."""

    def __init__(self, source: Path | IO[bytes]) -> None:
        """
        Args:
            source: the file, as a path or open for reading.

        Raises:
            DecodeError: it is missing, is no video, is damaged, or has no pictures.
        """
        self.container = open_container(source)
        stream = main_stream(self.container.streams.video)
        if stream is None:
            self.container.close()
            raise DecodeError("has no pictures")
        if "1" in (stream.metadata.get("alpha_mode"), stream.metadata.get("ALPHA_MODE")):
            # The decoders of FFmpeg leave the transparency of VP8 and VP9 out.
            self.container.close()
            raise DecodeError("has transparent parts, which are not read from a WebM; give it a background")
        self.stream = stream

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.container.close()

    @property
    def size(self) -> Size:
        """Width and height in square pixels, as the file declares them; a `Picture` may be turned."""
        context = self.stream.codec_context
        return _View(shape=self._pixel_shape).square((context.width, context.height))

    @property
    def _pixel_shape(self) -> Fraction:
        return Fraction(self.stream.sample_aspect_ratio or 1)

    @property
    def codec(self) -> str:
        """How the pictures are packed, such as "h264", whichever library decodes them."""
        name = self.stream.codec_context.name.removeprefix("lib").split("-")[0]
        return _CODEC_NAMES.get(name, name)

    @property
    def average_rate(self) -> Fraction | None:
        """Frames per second over the whole length, or None if the file does not say."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return Fraction(rate) if rate else None

    @property
    def seconds(self) -> Fraction:
        """Length of the pictures as the file declares it, without what `first_moment` leaves out; 0 if it
        does not, see `measure_seconds`."""
        if self.stream.duration is None or self.stream.time_base is None:
            return Fraction(0)  # what a container declares is the length of its sound too
        end = ((self.stream.start_time or 0) + self.stream.duration) * self.stream.time_base
        return end - self._begin

    @cached_property
    def _begin(self) -> Fraction:
        return first_moment(self.container, self.stream)

    def measure_seconds(self) -> Fraction:
        """Length of the pictures by their times; nothing of them can be read afterwards.

        Raises:
            DecodeError: the file is cut off or damaged.
        """
        ends = [Fraction(0)]
        with decode_errors():
            self.container.seek(0)
            for packet in self.container.demux(self.stream):
                if packet.pts is not None and packet.time_base is not None:
                    begin = packet.pts - (self.stream.start_time or 0)
                    ends.append((begin + (packet.duration or 0)) * packet.time_base)
        return max(ends)

    def __iter__(self) -> Iterator[Picture]:
        """Its pictures in the order in which they are shown.

        Raises:
            DecodeError: the file is cut off or damaged.
        """
        # One for each pass: the converter keeps a state that two threads must not share.
        reformatter = VideoReformatter()
        view: _View | None = None
        with decode_errors():
            for frame in self._frames():
                view = view or _View.of(frame, self._pixel_shape)
                tick = frame.time_base or Fraction(1, av.time_base)
                start = (frame.pts or 0) * tick
                end = start + (frame.duration or 0) * tick
                size = view.upright((frame.width, frame.height))
                yield Picture(start, end, size, frame, reformatter, view)

    def at(self, seconds: Fraction) -> Picture | None:
        """The picture on show so many seconds after the first one begins, or None if all are over by then;
        only what has to be is decoded.

        Raises:
            DecodeError: the file is cut off or damaged.
        """
        moment = self._begin + seconds
        if self.stream.time_base:
            with decode_errors():  # to the last keyframe before it
                self.container.seek(int(moment / self.stream.time_base), stream=self.stream)
        return next((picture for picture in self if picture.end > moment), None)

    def _frames(self) -> Iterator[av.VideoFrame]:
        """The stored frames; of interlaced ones whole pictures, one for each."""
        frames = self.container.decode(self.stream)
        first = next(frames, None)
        if first is None:
            return
        frames = itertools.chain((first,), frames)
        yield from _deinterlaced(frames, self.stream) if first.interlaced_frame else frames


def _deinterlaced(frames: Iterator[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    for frame in itertools.chain(frames, (None,)):
        graph.push(frame)
        while True:
            try:
                yield graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break


def at_rate(pictures: Iterable[Picture], fps: Fraction) -> Iterator[Picture]:
    """The picture on show at each time k / fps after the first one begins, until the last one is over."""
    begin = Fraction(0)
    count = 0
    current: Picture | None = None
    for picture in pictures:
        if current is None:
            begin = picture.start
        while current is not None and count / fps < picture.start - begin:
            yield current
            count += 1
        current = picture
    while current is not None and (count == 0 or count / fps < current.end - begin):
        yield current
        count += 1
