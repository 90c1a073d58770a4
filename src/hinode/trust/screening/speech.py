"""Speech to text, so that what is said is screened as what is written."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import wave
from typing import Protocol

import httpx
import numpy as np

from hinode.clip import Sound
from hinode.outbound import Outbound
from hinode.trust.screening.guards import GuardError
from hinode.trust.screening.models import post
from hinode.trust.screening.policy import SpeechEntry

MAX_CHARACTERS = 100_000
"""Of a transcript; what is longer is no answer."""
AUDIBLE = 2.0**-15
"""Amplitude below which a file of 16 bits has no sound at all."""
COMMAND_SECONDS = 60.0


class Transcriber(Protocol):
    """Turns sound into text. `name` stands in decisions; after `seconds` it counts as failed."""

    name: str
    seconds: float

    def transcribe(self, sound: Sound) -> str:
        """What is said, "" if nothing is; raises any exception if that cannot be said."""
        ...


class Endpoint:
    """A model behind an endpoint that speaks OpenAI's audio transcriptions."""

    name = "speech"

    def __init__(self, entry: SpeechEntry, outbound: Outbound, key: str = "") -> None:
        """`key` is sent as a bearer token; see `ModelGuard`."""
        self.entry = entry
        self.seconds = entry.seconds
        self.outbound = outbound
        self.key = key

    def transcribe(self, sound: Sound) -> str:
        """See `Transcriber`; raises GuardError or OutboundError."""
        address = self.entry.url.rstrip("/") + "/audio/transcriptions"
        form = {"model": self.entry.model, "response_format": "json"}
        file = {"file": ("sound.wav", wav(sound), "audio/wav")}
        request = httpx.Request("POST", address, data=form, files=file)
        kind = request.headers["content-type"]
        data = post(self.outbound, self.name, address, request.read(), kind, self.key, seconds=self.seconds)
        try:
            return _checked(json.loads(data)["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise GuardError("the transcription gave no text") from error


class Command:
    """A command that reads a WAV file from its standard input and prints what is said."""

    name = "speech"
    seconds = COMMAND_SECONDS

    def __init__(self, command: str) -> None:
        """`command` is divided as a shell does it; no shell runs it."""
        self.command = command

    def transcribe(self, sound: Sound) -> str:
        """See `Transcriber`; raises GuardError."""
        try:
            words = shlex.split(self.command)
            ended = subprocess.run(
                words, input=wav(sound), capture_output=True, timeout=self.seconds, check=True
            )
            return _checked(ended.stdout.decode("utf-8").strip())
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            raise GuardError(f"the command of HINODE_SPEECH_COMMAND failed: {error}") from error


def is_audible(sound: Sound) -> bool:
    """Whether there is anything to hear."""
    return bool(sound.samples.size) and float(np.abs(sound.samples).max()) >= AUDIBLE


def wav(sound: Sound) -> bytes:
    """A sound as a WAV file of 16 bits."""
    file = io.BytesIO()
    samples = np.round(sound.samples.T * 32767).astype("<i2")
    with wave.open(file, "wb") as writer:
        writer.setnchannels(sound.channels)
        writer.setsampwidth(2)
        writer.setframerate(sound.rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def _checked(text: object) -> str:
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise ValueError("no transcript")
    return text
