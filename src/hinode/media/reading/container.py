"""Files of videos, opened: which kinds there are, and which of their streams are read.

Callers turn `DecodeError` into an error of their own, with the field and the remedy that apply there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, TypeVar

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

MP4 = "video/mp4"
DEMUXERS = {
    MP4: "mov,mp4,m4a,3gp,3g2,mj2",
    "video/quicktime": "mov,mp4,m4a,3gp,3g2,mj2",
    "video/x-matroska": "matroska,webm",
    "video/x-msvideo": "avi",
    "video/mp2t": "mpegts",
}
"""FFmpeg's names of the readers of files, by media type; a WebM is a Matroska."""
SUFFIXES = {MP4: "mp4", "video/quicktime": "mov", "video/x-matroska": "mkv", "video/x-msvideo": "avi"}
HEAD_BYTES = 197
"""How much of a file says which of them it is."""

# A playlist disguised as a video must not make FFmpeg open other files: so the demuxer is always named, and
# only this protocol is allowed. The numbers limit how far FFmpeg reads to find out what a file holds.
_OPTIONS = {
    "protocol_whitelist": "file",
    "enable_drefs": "0",
    "probesize": str(5_000_000),
    "analyzeduration": str(5_000_000),
}

COVERS = frozenset({"mjpeg", "png"})
"""Codecs of covers, whose mark a Matroska does not keep."""

StreamT = TypeVar("StreamT", VideoStream, AudioStream)


class DecodeError(Exception):
    """A file is not a video that can be decoded; the text says why, after "the file"."""


def open_container(source: Path | IO[bytes]) -> InputContainer:
    """Open a file of one of the kinds of `DEMUXERS`, and no other file that it refers to.

    Raises:
        DecodeError: it is missing, is of no such kind, or is damaged.
    """
    with decode_errors():
        if isinstance(source, Path):
            with source.open("rb") as file:
                head = file.read(HEAD_BYTES)
        else:
            source.seek(0)
            head = source.read(HEAD_BYTES)
            source.seek(0)
        kind = media_type(head)
        if kind is None:
            raise DecodeError("is no video" if head else "is empty")
        file_or_name = str(source) if isinstance(source, Path) else source
        return av.open(file_or_name, "r", format=DEMUXERS[kind], options=_OPTIONS)


def main_stream(streams: Iterable[StreamT]) -> StreamT | None:
    """The one of several streams of a kind that is played by default; a cover is none of the pictures."""

    def rank(stream: StreamT) -> tuple[bool, bool, bool]:
        is_cover = bool(stream.disposition & Disposition.attached_pic)
        by_default = bool(stream.disposition & Disposition.default)
        return is_cover, not by_default, stream.codec_context.name in COVERS

    return min(streams, key=rank, default=None)


def first_moment(container: InputContainer, stream: VideoStream) -> Fraction:
    """When the first picture that can be decoded is shown, in seconds by the clock of the file, which is read
    from its beginning again afterwards. A recording in MPEG-TS may begin between two keyframes.

    Raises:
        DecodeError: the file is cut off or damaged.
    """
    begin = (stream.start_time or 0) * (stream.time_base or Fraction(0))
    if container.format.name == "mpegts":
        with decode_errors():
            frame = next(container.decode(stream), None)
            container.seek(0)
        if frame is not None and frame.pts is not None and frame.time_base is not None:
            begin = max(begin, frame.pts * frame.time_base)
    return begin


def media_type(head: bytes) -> str | None:
    """What kind of video begins with these `HEAD_BYTES`, one of `DEMUXERS`; None for anything else."""
    if head[4:8] == b"ftyp" and head[8:12] not in (b"heic", b"heix", b"mif1", b"avif"):  # which are pictures
        return "video/quicktime" if head[8:12] == b"qt  " else MP4
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "video/quicktime"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/x-matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "video/x-msvideo"
    # Each packet begins with a G, those of M2TS after four bytes of time.
    if head[0:1] == head[188:189] == b"G" or head[4:5] == head[196:197] == b"G":
        return "video/mp2t"
    return None


@contextmanager
def decode_errors() -> Iterator[None]:
    """Turn what PyAV raises about a file into DecodeError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DecodeError("does not exist") from error
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise DecodeError("is cut off or damaged") from error
