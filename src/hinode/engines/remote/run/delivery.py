"""The finished file of a job, fetched from its server and decoded."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from contextlib import suppress
from functools import partial

from hinode.clip import Frames, Sound
from hinode.engines.protocol import Progress, timed
from hinode.engines.remote.client import Client
from hinode.engines.remote.errors import UpstreamError
from hinode.engines.remote.run.candidates import FIRST_BACKOFF
from hinode.engines.remote.run.decoder import VideoDecoder
from hinode.engines.remote.run.steps import Steps, Waiter
from hinode.engines.remote.wire import Job
from hinode.errors import OutputError
from hinode.media.reading.container import DecodeError
from hinode.media.sound import UnusableSound
from hinode.request import Request, Size

log = logging.getLogger(__name__)

DOWNLOADS = 3
"""Attempts to fetch a file."""


class Undelivered(Exception):
    """A server does not hand over a usable file; the text continues a sentence that begins with its name."""


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What a file has: frames `uint8 [T, H, W, 3]`, frames per second, and sound.

    Attributes:
        sound_note: ends the sentence about who made the clip, or "".
        job: without the content of its answer.
    """

    frames: Frames
    fps: float
    sound: Sound | None
    sound_note: str
    job: Job


def collect(
    client: Client, job: Job, request: Request, size: Size, waiter: Waiter, stage_seconds: dict[str, float]
) -> Steps[Delivery]:
    """Fetch and decode the file of a finished job.

    Args:
        client: of its server.
        size: in pixels, as it was requested of the server.
        stage_seconds: gets the seconds of "fetch" and "decode".

    Raises:
        Undelivered: the server does not send it, or what it sends is not the video.
        OutputError: there is no room for it.
    """
    try:
        with tempfile.TemporaryFile() as file:
            with timed(stage_seconds, "fetch"):
                for attempts_left in reversed(range(DOWNLOADS)):
                    try:
                        yield from waiter.background(partial(client.fetch, job, file))
                        break
                    except UpstreamError as error:
                        if not attempts_left or not error.is_temporary:
                            raise
                        yield from waiter.wait(error.wait or FIRST_BACKOFF)
                    if job.link:  # it may have expired, and the next answer has another one
                        with suppress(UpstreamError):
                            job = yield from waiter.background(partial(client.poll, job.id))
            job = dataclasses.replace(job, content="")  # some answers carry the file
            with timed(stage_seconds, "decode"):
                decoder = VideoDecoder(file, size=size, seconds=request.seconds)
                return (yield from _decode(decoder, request, client.upstream.name, job))
    except UpstreamError as error:
        # What it finished and does not hand over would be lost, and paid, a second time.
        raise Undelivered(f"finished the video, and {error.message}") from error
    except DecodeError as error:
        raise Undelivered(f"sent a file that {error}") from error
    except OSError as error:
        message = f"there is no room for the file of a server: {error.strerror}"
        raise OutputError(message, "make room in the temporary folder") from error


def _decode(decoder: VideoDecoder, request: Request, name: str, job: Job) -> Steps[Delivery]:
    try:
        yield Progress("decode", 0, decoder.total)
        for count in decoder:
            yield Progress("decode", count, decoder.total)
        sound, note = (None, "") if request.sound is False else _read_sound(decoder, request, name)
        return Delivery(decoder.frames, float(decoder.fps), sound, note, job)
    finally:
        decoder.close()


def _read_sound(decoder: VideoDecoder, request: Request, name: str) -> tuple[Sound | None, str]:
    """The sound of the file, and a note. A request for sound prefers another clip to one without it."""
    try:
        sound = decoder.read_sound()
    except UnusableSound as error:
        if request.sound:
            raise DecodeError(f"has sound that {error}") from error
        log.warning("upstream %s sent a file whose sound %s", name, error)
        return None, f", without its sound, which {error}"
    if request.sound and sound is None:
        raise DecodeError("has no sound")
    return sound, ""
