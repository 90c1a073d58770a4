"""Requests turned into what a dialect calls them, and answers into facts. Nothing is sent here."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from hinode.engines.remote.dialects import Dialect, Form, Image, Phase
from hinode.engines.remote.upstreams import Offer, Upstream
from hinode.errors import BadInput
from hinode.media import references
from hinode.media.resize import fit_image
from hinode.request import FIRST_FRAME, SOURCE, Request, Size

Part = tuple[str, bytes | Path, str]
"""A file of a form: its name, what is in it or where it is, its media type."""

MAX_ID_LENGTH = 200
REFUSALS = frozenset(
    {"moderation_blocked", "content_policy_violation", "content_filter", "safety", "input_moderation"}
)
"""Codes that say that no server of this kind will make the clip, now or later."""


@dataclass(frozen=True)
class NativeForm:
    """How a request is drawn by a server.

    Attributes:
        size: width and height that it is asked for.
        seconds: length that it is asked for.
        fps: rate that it is asked for, or None if that is left to it.
        frames: frames that it is asked for, or None if the rate is left to it.
    """

    size: Size
    seconds: float
    fps: float | None
    frames: int | None

    @classmethod
    def of(cls, request: Request, offer: Offer) -> NativeForm:
        """Choose among what is offered: the size nearest in shape, the next longer length, the rate."""
        size = request.size
        if offer.sizes and request.operation == "generate":
            wanted = size[0] / size[1]
            size = min(
                offer.sizes,
                key=lambda one: (
                    round(abs(math.log(one[0] / one[1] / wanted)), 3),
                    abs(one[0] - request.width),
                ),
            )
        seconds = next((length for length in offer.lengths if length >= request.seconds), request.seconds)
        fps = request.fps if request.fps in offer.fps or not offer.fps else offer.fps[0]
        frames = None
        if fps is not None:
            count = max(1, math.ceil(round(seconds * fps, 6)))
            step = offer.frame_step
            frames = 1 + step * math.ceil((count - 1) / step) if step > 1 else count
        return cls(size, seconds, fps, frames)


@dataclass(frozen=True)
class Body:
    """What is sent to have a job made.

    Attributes:
        path: where to.
        json: the body, if it is JSON.
        form: fields of the form, if it is one.
        files: files of the form by field.
    """

    path: str
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a server says of a job.

    Attributes:
        id: its identity there, or "" if it has none.
        phase: how far it is.
        percent: 0 to 100, or None if it is not said.
        code: of its error, or "".
        message: of its error, in the server's words, or "".
        link: another address of the file, or "".
        content: the file in base64, if it came along.
        making: what the server understood of the prompt.
    """

    id: str
    phase: Phase
    percent: float | None = None
    code: str = ""
    message: str = ""
    link: str = ""
    content: str | None = field(default=None, repr=False)
    making: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether the request itself was turned down, and not only its making broken."""
        return self.phase is Phase.FAILED and self.code in REFUSALS


def body(request: Request, drawing: NativeForm, offer: Offer, upstream: Upstream) -> Body:
    """What to send to have a request made.

    Raises:
        BadInput: a reference cannot be read.
    """
    dialect = upstream.dialect
    files: dict[str, Part] = {}
    facts = _facts(request, drawing, upstream)
    picture = next((one for one in request.references if one.role == FIRST_FRAME), None)
    if picture is not None:
        name = dialect.fields[FIRST_FRAME]
        png = _png(references.picture(picture), drawing.size)
        if dialect.image is Image.FILE:
            files[name] = ("first.png", png, "image/png")
        else:
            facts[FIRST_FRAME] = base64.b64encode(png).decode()
    if request.source is not None:
        if not Path(request.source.path).is_file():
            raise BadInput("the video to work from is not there any more", "send it again", field=SOURCE)
        files[dialect.fields[SOURCE]] = ("source.mp4", Path(request.source.path), "video/mp4")
    values: dict[str, Any] = {}
    for fact, value in facts.items():
        if dialect.supports(fact):
            value = str(value) if fact in dialect.words_for_numbers else value
            _put(values, dialect.fields[fact], value)
    for name, value in (*dialect.constants.items(), *offer.extra.items()):
        _put(values, name, value)
    path = dialect.create[request.operation]
    if dialect.form is Form.JSON or (dialect.form is Form.EITHER and not files):
        return Body(path, json=values)
    return Body(path, form={name: _written(value) for name, value in values.items()}, files=files)


def _facts(request: Request, drawing: NativeForm, upstream: Upstream) -> dict[str, Any]:
    """What there is to say of a request, by the names of `Dialect.fields`."""
    facts: dict[str, Any] = {
        "prompt": request.prompt,
        "model": upstream.models[str(request.model)],
        "seed": request.seed % (upstream.dialect.largest_seed + 1),
        "steps": request.steps,
        "negative_prompt": request.negative_prompt or None,
        "sound": request.sound,
    }
    if request.operation == "generate":
        facts |= {
            "size": "{}x{}".format(*drawing.size),
            "width": drawing.size[0],
            "height": drawing.size[1],
            "seconds": _plain(drawing.seconds, whole=upstream.dialect.whole_seconds),
            "fps": None if drawing.fps is None else _plain(drawing.fps),
            "frames": drawing.frames,
        }
    elif request.operation == "extend" and request.source is not None:
        new = request.seconds - float(references.seconds(request.source))
        facts["seconds"] = _plain(max(new, 0.1), whole=upstream.dialect.whole_seconds)
    return {name: value for name, value in facts.items() if value is not None}


def job(dialect: Dialect, answer: Mapping[str, Any]) -> Job:
    """What an answer says.

    Raises:
        ValueError: it is not the answer of such a server.
    """
    name = _at(answer, dialect.id)
    if not dialect.job:
        content = _at(answer, dialect.inline)
        if not isinstance(content, str) or not content:
            raise ValueError("there is no video in the answer")
        return Job("", Phase.DONE, 100.0, content=content)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_LENGTH or not name.isprintable():
        raise ValueError("the job has no usable id")
    word = _at(answer, dialect.status)
    phase = dialect.words.get(word.lower()) if isinstance(word, str) else None
    if phase is None:
        raise ValueError("the status of the job is not one that is known")
    percent = _at(answer, dialect.progress) if dialect.progress else None
    usable = isinstance(percent, (int, float)) and not isinstance(percent, bool) and 0 <= percent <= 100
    code, message = (_at(answer, path) for path in dialect.error)
    content = _at(answer, dialect.inline) if dialect.inline else None
    if phase is Phase.DONE and dialect.inline and not (isinstance(content, str) and content):
        raise ValueError("there is no video in the finished job")
    link = _at(answer, dialect.link) if dialect.link else None
    making = _at(answer, dialect.making) if dialect.making else None
    return Job(
        id=name,
        phase=phase,
        percent=float(percent) if usable and percent is not None else None,
        code=str(code)[:100] if isinstance(code, (str, int)) else "",
        message=message[:2000] if isinstance(message, str) else "",
        link=link if isinstance(link, str) and link.startswith(("http://", "https://")) else "",
        content=content if isinstance(content, str) else None,
        making=making if isinstance(making, dict) else {},
    )


def code(answer: Any) -> str:
    """The code of an answer that reports an error, or ""."""
    found = _at(answer, "error.code")
    return found[:100] if isinstance(found, str) else ""


def _at(answer: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and step.isdigit() and int(step) < len(answer):
            answer = answer[int(step)]
        else:
            return None
    return answer


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for step in outer:
        below = values.setdefault(step, {})
        values = below if isinstance(below, dict) else {}
    if isinstance(value, dict) and isinstance(values.get(last), dict):
        value = {**value, **values[last]}
    values[last] = value


def _written(value: Any) -> str:
    """A value as a form has it; objects and lists as JSON, which is how those servers read them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _plain(number: float, *, whole: bool = False) -> float:
    """A whole number where it is one, for servers that take nothing else."""
    if whole:
        return math.ceil(round(number, 6))
    return int(number) if float(number).is_integer() else number


def _png(picture: Pictures.Image, size: Size) -> bytes:
    file = io.BytesIO()
    fit_image(picture, size).save(file, format="PNG")
    return file.getvalue()
