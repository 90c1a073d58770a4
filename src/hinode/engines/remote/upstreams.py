"""Which servers are configured and what they offer, from `upstreams.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
from pydantic import AfterValidator, BeforeValidator, Field

from hinode import tomlfile
from hinode.engines.remote.dialects import DIALECTS, Dialect
from hinode.errors import BadInput, ModelError, join_names, quote
from hinode.parsing import Boolean, Input, Integer, Number, UnknownField, parse
from hinode.request import FIRST_FRAME, LAST_FRAME, SOURCE, Capabilities, Request, Size, parse_size

ENGINE = "remote"
FILE = "upstreams.toml"
AT = "@"
"""Between a model and the only server that is asked for it, as in "wan@rack"."""
UNKNOWN = "unknown"
"""Licence of a model whose table names none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _dialect(value: Any) -> Any:
    if isinstance(value, str) and value in DIALECTS:
        return DIALECTS[value]
    raise ValueError(f"choose the dialect {join_names(tuple(DIALECTS), 'or')}")


def _address(value: Any) -> Any:
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, ValueError, TypeError):
        url = httpx.URL("")
    if url.userinfo:
        raise ValueError("leave out user name and password, and name a variable with the key in key_env")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError("give the address of a server, such as http://10.0.0.5:8000")
    # Both ways of writing a base URL are in use; the paths of the dialects begin with /v1.
    return str(url).rstrip("/").removesuffix("/v1")


def _models(value: Any) -> Any:
    if isinstance(value, list):
        value = {name: name for name in value if isinstance(name, str)}
    if not (isinstance(value, dict) and value and all(map(_NAME.fullmatch, value))):
        raise ValueError('write models = {wan = "what the server calls it"}, its names in plain letters')
    return value


def _no_key(value: Any) -> Any:
    raise ValueError("put the key into an environment variable and name that in key_env")


def _size(value: Any) -> Any:
    if isinstance(value, tuple):
        return value
    try:
        return parse_size(value)
    except (BadInput, TypeError):
        raise ValueError("write sizes like 832x480, width x height in pixels") from None


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] <= value[1] or value[1] <= 0:
        raise ValueError("give a range such as [1, 5], the minimum first")
    return value


M = TypeVar("M", bound=Input)
Operation = Literal["generate", "edit", "extend"]
Seconds = Annotated[Number, Field(ge=0.01, le=1e9)]
Characters = Annotated[Integer, Field(ge=1, le=Capabilities.prompt_characters)]
Steps = Annotated[Integer, Field(ge=Capabilities.steps[0], le=Capabilities.steps[1])]


class Upstream(Input):
    """A server that makes videos. Its key is not in here, only the name of the variable that holds it.

    Attributes:
        url: its address, up to and without the "/v1".
        models: its names for our models.
        key_env: environment variable with its key, or "".
        key_header: header of the key; in "Authorization" it is preceded by "Bearer".
        concurrency: jobs that it has at once.
        priority: servers with a lower one come first.
        weight: its share of the jobs among servers of one priority.
        read_seconds: for each answer.
        whole_seconds: for one video, from the request until the file is here.
        lost_seconds: how long it may not answer about a job before the job counts as lost.
        poll_seconds: between two status requests; None for what the server proposes.
        prices: US dollars for a second of video, by our models; a model without one costs nothing.
        max_failures: failures in a row that open its circuit breaker.
        cool_seconds: how long the breaker stays open.
    """

    name: Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
    dialect: Annotated[Dialect, BeforeValidator(_dialect)]
    url: Annotated[str, BeforeValidator(_address)]
    models: Annotated[dict[str, str], BeforeValidator(_models)]
    key: Annotated[None, BeforeValidator(_no_key)] = None
    key_env: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,127}$")] = ""
    key_header: Annotated[str, Field(pattern="^[A-Za-z0-9-]{1,64}$")] = "Authorization"
    proxy: str = Field("", repr=False)  # it may hold a password
    concurrency: Annotated[Integer, Field(ge=1, le=1024)] = 1
    priority: Annotated[Integer, Field(ge=-1000, le=1000)] = 0
    weight: Annotated[Number, Field(ge=0.001, le=1e9)] = 1.0
    connect_seconds: Seconds = 5.0
    read_seconds: Seconds = 60.0
    whole_seconds: Seconds = 3600.0
    lost_seconds: Annotated[Number, Field(ge=0, le=1e9)] = 30.0
    poll_seconds: Annotated[Number, Field(ge=0.01, le=600)] | None = None
    max_failures: Annotated[Integer, Field(ge=1, le=1000)] = Field(3, alias="most_failures")
    cool_seconds: Annotated[Number, Field(ge=0, le=1e9)] = 30.0
    prices: dict[str, Annotated[Number, Field(ge=0, le=1e6)]] = Field(default_factory=dict)


class Offer(Input):
    """What one of our models can do, whichever server draws it; a table [model.NAME].

    Attributes:
        sizes: sizes that it draws at, or empty for every size.
        seconds: range of the length of a clip.
        lengths: lengths that it draws, ascending, or empty for every one; a clip between two is cut from the
            longer.
        fps: frame rates that it draws at, the default first; empty if only the server knows.
        first_frame, last_frame: whether it takes a picture to begin with, and one to end with.
        frame_step: numbers of frames are one more than a multiple of this; 1 means any number.
        extra: fields that are sent with every request, by the server's names.
    """

    operations: Annotated[tuple[Operation, ...], Field(min_length=1)] = ("generate",)
    sizes: tuple[Annotated[Size, BeforeValidator(_size)], ...]
    seconds: Annotated[tuple[Number, Number], AfterValidator(_ascending)]
    lengths: Annotated[tuple[Seconds, ...], AfterValidator(lambda lengths: tuple(sorted(lengths)))]
    fps: tuple[Annotated[Number, Field(ge=Capabilities.fps[0], le=Capabilities.fps[1])], ...]
    steps: Annotated[tuple[Steps, Steps], AfterValidator(_ascending)] = Capabilities.steps
    first_frame: Boolean
    last_frame: Boolean = False  # most models of a server that has the field ignore it
    negative_prompt: Boolean
    sound: Boolean
    frame_step: Annotated[Integer, Field(ge=1, le=64)] = 1
    licence: str = UNKNOWN
    prompt_characters: Characters = Capabilities.prompt_characters
    extra: dict[str, Any] = Field(default_factory=dict)


class File(Input):
    """The whole file. Its tables are read one by one, so that an error can name the server or the model."""

    upstream: Annotated[list[dict[str, Any]], Field(min_length=1)]
    model: dict[str, dict[str, Any]] = Field(default_factory=dict)
    patience_seconds: Annotated[Number, Field(ge=0, le=1e9)] = 900.0


@dataclass(frozen=True)
class Upstreams:
    """Everything that is configured.

    Attributes:
        offers: by model, the default first.
        patience_seconds: how long a request may wait for a server that accepts it.
    """

    servers: tuple[Upstream, ...]
    offers: Mapping[str, Offer]
    patience_seconds: float

    def capabilities(self, model: str | None) -> Capabilities:
        """See `Engine.capabilities`.

        Raises:
            BadInput: there is no such model.
        """
        models = tuple(self.offers)
        name = models[0] if model is None else model
        offered, _, server = name.partition(AT)
        if offered not in models or (server and server not in self.names_of(offered)):
            message = f"there is no model {quote(name)}"
            raise BadInput(message, f"choose {join_names(models, 'or')}", field="model")
        offer = self.offers[offered]
        pictures = {FIRST_FRAME: offer.first_frame, LAST_FRAME: offer.last_frame}
        references = tuple(role for role, accepted in pictures.items() if accepted)
        return Capabilities(
            engine=ENGINE,
            model=name,
            models=models,
            operations=offer.operations,
            prompt_characters=offer.prompt_characters,
            seconds=offer.seconds,
            steps=offer.steps,
            native_sizes=offer.sizes,
            native_fps=offer.fps or (24.0,),
            licence=offer.licence,
            references=references + ((SOURCE,) if set(offer.operations) - {"generate"} else ()),
            negative_prompt=offer.negative_prompt,
            sound=offer.sound,
        )

    def names_of(self, model: str) -> tuple[str, ...]:
        """Names of the servers that have a model, in the order of the file."""
        return tuple(server.name for server in self.servers if model in server.models)

    def servers_for(self, request: Request) -> tuple[Upstream, ...]:
        """The servers that have the model of a request, which names one, and accept all of its parts; of a
        model such as "wan@rack" only the server that it names.

        Raises:
            BadInput: there is none.
        """
        model, _, name = str(request.model).partition(AT)
        servers = [server for server in self.servers if model in server.models and name in ("", server.name)]
        parts = {
            "steps": ("a number of steps", request.steps is not None),
            "negative_prompt": ("a negative prompt", bool(request.negative_prompt)),
            FIRST_FRAME: ("a first frame", request.reference(FIRST_FRAME) is not None),
            LAST_FRAME: ("a last frame", request.reference(LAST_FRAME) is not None),
        }
        for part, (name, present) in parts.items():
            if present:
                servers = [server for server in servers if part in server.dialect.fields]
            if not servers:
                raise BadInput(f"no server that makes {model} takes {name}", "leave it out", field=part)
        servers = [server for server in servers if request.operation in server.dialect.create]
        if not servers:
            message = f"no server that makes {model} can {request.operation}"
            raise BadInput(message, "make a new clip", field="operation")
        return tuple(servers)


def read(home: Path) -> Upstreams:
    """Read HOME/upstreams.toml; nothing is sent over the network.

    Raises:
        ModelError: there is no such file, or something in it is wrong.
    """
    path = home / FILE
    if not path.exists():
        remedy = f"describe one in {path}, see docs/howto/use-other-servers.md"
        raise ModelError("no other server is configured to make videos", remedy)
    values = tomlfile.read(path)
    try:
        return _read(values)
    except BadInput as error:
        raise ModelError(f"{path}: {error.message}", error.remedy) from error


def _read(values: Mapping[str, Any]) -> Upstreams:
    file = _parse(File, values, "the file")
    servers = tuple(
        _parse(Upstream, table, f"upstream {quote(str(table.get('name', number)))}")
        for number, table in enumerate(file.upstream, start=1)
    )
    names = [server.name for server in servers]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(f"two upstreams are called {quote(duplicate)}", "give each a name of its own")
    models = dict.fromkeys(model for server in servers for model in server.models)
    for server in servers:
        if unpriced := next((model for model in server.prices if model not in server.models), None):
            message = f"upstream {quote(server.name)} has a price and no model {quote(unpriced)}"
            raise _wrong(message, "list it in models or remove its price")
    if unused := next((name for name in file.model if name not in models), None):
        raise _wrong(f"no upstream has the model {quote(unused)}", "list it or remove it")
    offers = {}
    for model in models:
        dialects = [server.dialect for server in servers if model in server.models]
        offers[model] = _offer(model, file.model.get(model, {}), dialects)
    return Upstreams(servers, offers, file.patience_seconds)


def _offer(model: str, table: Mapping[str, Any], dialects: Sequence[Dialect]) -> Offer:
    """What the file says of a model, and where it says nothing, what all of its servers can do."""
    minima, maxima = zip(*(dialect.seconds for dialect in dialects), strict=True)
    defaults = {
        **{name: getattr(dialects[0], name) for name in ("sizes", "lengths", "fps")},
        "seconds": (max(minima), min(maxima)),
        **{
            name: all(name in dialect.fields for dialect in dialects)
            for name in (FIRST_FRAME, "negative_prompt")
        },
        # Which of its models make sound, only a Hinode knows.
        "sound": all("sound" in dialect.fields and not dialect.silent for dialect in dialects),
    }
    offer = _parse(Offer, {**defaults, **table}, f"[model.{model}]")
    whole = next((dialect.name for dialect in dialects if dialect.whole_fps), "")
    if whole and not (offer.fps and all(float(fps).is_integer() for fps in offer.fps)):
        raise _wrong(f"fps of [model.{model}] is not whole, as {whole} requires", "list whole rates")
    for dialect in dialects:
        dropped = next((name for name in dialect.json_fields if name in offer.extra), None)
        if dropped and offer.first_frame:
            message = f"{dialect.name} drops {dropped} in extra of [model.{model}] where a picture is sent"
            raise _wrong(message, "remove it, or set first_frame = false")
    if offer.lengths and "seconds" not in table:
        return offer.model_copy(update={"seconds": (0.0, max(offer.lengths))})
    return offer


def _parse(model: type[M], values: Mapping[str, Any], what: str) -> M:
    try:
        return parse(model, values, what=what)
    except UnknownField:
        raise
    except BadInput as error:
        # The value is not shown: it may be a key in the wrong place, and this sentence may end in a log.
        raise _wrong(f"{error.field} of {what} is missing or wrong", error.remedy) from None


def _wrong(message: str, remedy: str) -> BadInput:
    return BadInput(message, remedy, field=FILE)
