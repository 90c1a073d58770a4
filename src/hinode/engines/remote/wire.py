"""Requests written in a dialect, and answers read. Nothing is sent here."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hinode.clip import Provenance
from hinode.engines.remote.dialects import PHASES, REFUSALS, UNKNOWN_MODELS, Dialect, Phase
from hinode.engines.remote.upstreams import AT, Offer, Upstream
from hinode.errors import BadInput
from hinode.media.reading import references
from hinode.media.reading.container import SUFFIXES
from hinode.media.resize import fit_image
from hinode.request import FIRST_FRAME, LAST_FRAME, SOURCE, Request, Size

_CODE = re.compile(r"""["'](?:code|type)\\*["']\s*:\s*\\*["']([A-Za-z_]+)""")

Part = tuple[str, bytes | Path, str]
"""A file of a form: its name, its content or path, its media type."""

MAX_ERROR_LENGTH = 2000
MAX_MESSAGE_LENGTH = 1000
MAX_ID_LENGTH = 2000
"""Proxies put provider, model and deployment into an id: 258 characters were seen."""


@dataclass(frozen=True)
class NativeForm:
    """What a server draws for a request; the clip is resized and cut from it.

    Attributes:
        fps: rate, or None if the server chooses it.
        frames: number of frames, or None if the server chooses the rate.
    """

    size: Size
    seconds: float
    fps: float | None
    frames: int | None

    @classmethod
    def of(cls, request: Request, offer: Offer) -> NativeForm:
        """Choose from an offer: the size nearest in shape, the next longer length, the rate."""
        size = request.size
        if offer.sizes and request.operation == "generate":
            aspect = request.width / request.height

            def distance(size: Size) -> tuple[float, int]:
                return round(abs(math.log(size[0] / size[1] / aspect)), 3), abs(size[0] - request.width)

            size = min(offer.sizes, key=distance)
        seconds = next((length for length in offer.lengths if length >= request.seconds), request.seconds)
        fps = request.fps if request.fps in offer.fps or not offer.fps else offer.fps[0]
        if fps is None:
            return cls(size, seconds, None, None)
        count, step = max(1, math.ceil(round(seconds * fps, 6))), offer.frame_step
        return cls(size, seconds, fps, 1 + step * math.ceil((count - 1) / step))


@dataclass(frozen=True)
class Body:
    """The path and the body of the request that creates a job: JSON, or a form and its files."""

    path: str
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A job as a server reports it.

    Attributes:
        id: its identity there, or "" if it has none.
        percent: 0 to 100, or None if it is not reported.
        code: of its error, or "".
        message: of its error, in the server's words, or "".
        error: all of its error as text, or "".
        status: the server's word for its status; one that is unknown counts as work in progress, because a
            job that is given up may be paid twice.
        link: another address of the file, or "".
        content: the file in base64, or "" if the answer does not have it.
        provenance: how the clip came to be, in the server's words.
    """

    id: str
    phase: Phase
    percent: float | None = None
    code: str = ""
    message: str = ""
    error: str = ""
    status: str = ""
    link: str = ""
    content: str = field(default="", repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether the moderation refused the request."""
        return self.phase is Phase.FAILED and (self.code.lower() in REFUSALS or is_refusal(self.error))

    @property
    def invalid(self) -> bool:
        """Whether the server found the request wrong only when it began to work on it."""
        return self.phase is Phase.FAILED and self.code in ("400", "422")


def body(request: Request, form: NativeForm, offer: Offer, upstream: Upstream) -> Body:
    """The body that creates the job of a request.

    Raises:
        BadInput: a reference cannot be read.
    """
    dialect = upstream.dialect
    files: dict[str, Part] = {}
    fields = _fields(request, form, upstream)
    if dialect.silent and offer.sound and request.sound is None:
        fields["sound"] = True
    for role in (FIRST_FRAME, LAST_FRAME):
        picture = request.reference(role)
        if picture is None:
            continue
        png = io.BytesIO()
        fit_image(references.picture(picture), form.size).save(png, format="PNG")
        if dialect.form == "json":
            fields[role] = base64.b64encode(png.getvalue()).decode()
        else:
            files[dialect.fields[role]] = (f"{role}.png", png.getvalue(), "image/png")
    if request.source is not None:
        if not Path(request.source.path).is_file():
            raise BadInput("the file of the source video is gone", "send it again", field=SOURCE)
        files[dialect.fields[SOURCE]] = (
            f"source.{SUFFIXES.get(request.source.media_type, 'ts')}",
            Path(request.source.path),
            request.source.media_type,
        )
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name in dialect.fields:
            _put(values, dialect.fields[name], str(value) if name in dialect.text_fields else value)
    for name, value in (*dialect.constants.items(), *offer.extra.items()):
        _put(values, name, value)
    path = dialect.create[request.operation]
    if dialect.form == "json" or (dialect.form == "either" and not files):
        return Body(path, json=values)
    return Body(path, form={name: _form_text(value) for name, value in values.items()}, files=files)


def _fields(request: Request, form: NativeForm, upstream: Upstream) -> dict[str, Any]:
    """The fields of a request, by the names in `Dialect.fields`."""
    fields: dict[str, Any] = {
        "prompt": request.prompt,
        "model": upstream.models[str(request.model).partition(AT)[0]],
        "seed": request.seed % (upstream.dialect.max_seed + 1),
        "steps": request.steps,
        "negative_prompt": request.negative_prompt or None,
        "sound": request.sound,
    }
    if request.operation == "generate":
        fields |= {
            "size": "{}x{}".format(*form.size),
            "width": form.size[0],
            "height": form.size[1],
            "seconds": _number(form.seconds, whole=upstream.dialect.whole_seconds),
            "fps": None if form.fps is None else _number(form.fps),
            "frames": form.frames,
        }
    elif request.operation == "extend" and request.source is not None:
        added = request.seconds - float(references.seconds(request.source))
        fields["seconds"] = _number(max(added, 0.1), whole=upstream.dialect.whole_seconds)
    return {name: value for name, value in fields.items() if value is not None}


def job(dialect: Dialect, answer: Mapping[str, Any]) -> Job:
    """Read an answer about a job.

    Raises:
        ValueError: it is not the answer of such a server.
    """
    content = _get_text(answer, dialect.inline)
    if not dialect.job:
        if not content:
            raise ValueError("there is no video in the answer")
        return Job("", Phase.DONE, 100.0, content=content)
    name = _get_text(answer, "id") or _number_text(_get(answer, "id"))
    if not 0 < len(name) <= MAX_ID_LENGTH or not name.isprintable():
        raise ValueError("the job has no usable id")
    status = re.sub(r"[\s-]+", "_", _get_text(answer, "status").strip().lower())
    if not status:
        raise ValueError("the job has no status")
    phase = PHASES.get(status, Phase.WORKING)
    if phase is Phase.DONE and dialect.inline and not content:
        raise ValueError("there is no video in the finished job")
    code, error = _get(answer, "error.code"), _get(answer, "error")
    link, provenance = _get_text(answer, dialect.link), _get(answer, dialect.provenance)
    return Job(
        id=name,
        phase=phase,
        percent=_percent(_get(answer, dialect.progress)),
        code=str(code)[:100] if isinstance(code, str | int) else "",
        message=(_get_text(answer, "error.message") or _get_text(answer, "error"))[:MAX_ERROR_LENGTH],
        error=json.dumps(error)[:MAX_ERROR_LENGTH] if error else "",
        status=status[:100],
        link=link if link.startswith(("http://", "https://")) else "",
        content=content,
        provenance=provenance if isinstance(provenance, dict) else {},
    )


def add_answer(provenance: Provenance, answer: Mapping[str, Any]) -> Provenance:
    """The provenance of a clip with what its server reported: steps, and what it made of the prompt."""
    note = answer.get("read_as")
    read_as = f"{note[:MAX_MESSAGE_LENGTH]}; {provenance.read_as}" if isinstance(note, str) else None
    return dataclasses.replace(
        provenance,
        steps=_steps(answer.get("steps")) or provenance.steps,
        understood=_words(answer.get("understood")),
        not_understood=_words(answer.get("not_understood")),
        read_as=read_as or provenance.read_as,
    )


def is_refusal(answer: str) -> bool:
    """Whether an answer that reports an error, or the error in it, is one of a moderation."""
    spoken = set(re.findall(r"[a-z]+(?:_[a-z]+)+", answer.lower()))
    return not REFUSALS.isdisjoint(_codes_in(answer) | spoken)


def is_unknown_model(answer: str) -> bool:
    """Whether an answer that refuses a request says that the server has no such model."""
    return any(phrase in answer.lower() for phrase in UNKNOWN_MODELS)


def _number_text(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _percent(value: Any) -> float | None:
    """A progress, a number or a text such as "45%"; None if it is none."""
    text = value.strip().removesuffix("%") if isinstance(value, str) else value
    try:
        percent = math.nan if text is None or isinstance(text, bool) else float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return percent if 0 <= percent <= 100 else None


def _codes_in(text: str) -> set[str]:
    """The codes of errors in JSON, also in JSON that is a text in it: a proxy puts the answer of the server
    behind it into a message."""
    return {code.lower() for code in _CODE.findall(text)}


def _get(answer: Any, path: str) -> Any:
    """The value at a path such as "data.0.url", or None; None for no path."""
    if not path:
        return None
    for step in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and step.isdigit() and int(step) < len(answer):
            answer = answer[int(step)]
        else:
            return None
    return answer


def _get_text(answer: Any, path: str) -> str:
    """The text at a path, or ""."""
    value = _get(answer, path)
    return value if isinstance(value, str) else ""


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path such as "sample_params.sample_steps"."""
    *outer, last = path.split(".")
    for step in outer:
        inner = values.setdefault(step, {})
        values = inner if isinstance(inner, dict) else {}
    if isinstance(value, dict) and isinstance(values.get(last), dict):
        value = {**value, **values[last]}
    values[last] = value


def _form_text(value: Any) -> str:
    """A value in a form; objects and lists as JSON, as those servers read them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _number(number: float, *, whole: bool = False) -> float:
    """An int where the number is whole, for servers that accept nothing else. whole: round up to one."""
    if whole:
        return math.ceil(round(number, 6))
    return int(number) if float(number).is_integer() else number


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(word)[:100] for word in value[:MAX_MESSAGE_LENGTH]) if isinstance(value, list) else ()


def _steps(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**6 else 0
