"""Which servers there are and what they can be asked for, as the operator wrote it into `upstreams.toml`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hinode import tomlfile
from hinode.engines.limits import FPS, PIXELS, PROMPT_CHARACTERS, SIDE, STEPS
from hinode.engines.remote.dialects import DIALECTS, Dialect
from hinode.errors import BadInput, ModelError, join_names, quote
from hinode.request import FIRST_FRAME, SOURCE, Capabilities, Request, Size, parse_size

ENGINE = "remote"
FILE = "upstreams.toml"

PATIENCE_SECONDS = 900.0
UNKNOWN = "unknown"
"""Licence of a model of which nobody said anything."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Upstream:
    """A server that makes videos. Its key is not in here, only the name of the variable that holds it.

    Attributes:
        name: what the operator calls it.
        dialect: how it is spoken to.
        url: its address, up to and without the "/v1".
        models: what it calls each of our models.
        key_env: environment variable with its key, or "".
        key_header: header of the key, or "" for the dialect's.
        proxy: proxy to go through, or "".
        concurrency: jobs that it is given at once.
        priority: lower ones are asked first.
        weight: its share of the jobs among those of one priority.
        connect_seconds: for connecting.
        read_seconds: for each answer.
        whole_seconds: for one video, from asking until it is here.
        lost_seconds: how long it may be silent about a job before it counts as dead.
        poll_seconds: between two looks at a job; None for what the server proposes.
        most_failures: failures in a row after which it is left alone.
        cool_seconds: for how long.
    """

    name: str
    dialect: Dialect
    url: str
    models: Mapping[str, str]
    key_env: str = ""
    key_header: str = ""
    proxy: str = field(default="", repr=False)  # it may hold a password
    concurrency: int = 1
    priority: int = 0
    weight: float = 1.0
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    whole_seconds: float = 3600.0
    lost_seconds: float = 30.0
    poll_seconds: float | None = None
    most_failures: int = 3
    cool_seconds: float = 30.0


@dataclass(frozen=True)
class Offer:
    """What one of our models can be asked for, whichever upstream makes it.

    Attributes:
        operations: kinds of work.
        sizes: sizes that it draws at, or empty for every size.
        seconds: shortest and longest clip.
        lengths: lengths that it draws, ascending, or empty for every one; a clip between two is cut from the
            longer.
        fps: frame rates that it draws at, the default first; empty if only the server knows.
        steps: fewest and most sampling steps.
        first_frame: whether it takes a picture to begin with.
        negative_prompt: whether it can be told what not to show.
        sound: whether it can make sound too.
        frame_step: numbers of frames are one more than a multiple of this; 1 means any number.
        licence: of the weights.
        prompt_characters: longest prompt.
        extra: fields that are sent with every request, as the server calls them.
    """

    operations: tuple[str, ...]
    sizes: tuple[Size, ...]
    seconds: tuple[float, float]
    lengths: tuple[float, ...]
    fps: tuple[float, ...]
    steps: tuple[int, int]
    first_frame: bool
    negative_prompt: bool
    sound: bool = False
    frame_step: int = 1
    licence: str = UNKNOWN
    prompt_characters: int = PROMPT_CHARACTERS
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Upstreams:
    """Everything that is configured.

    Attributes:
        servers: in the order of the file.
        offers: by model, the default first.
        patience_seconds: how long a request may wait for a server that takes it.
    """

    servers: tuple[Upstream, ...]
    offers: Mapping[str, Offer]
    patience_seconds: float = PATIENCE_SECONDS

    def capabilities(self, model: str | None) -> Capabilities:
        """See `Engine.capabilities`.

        Raises:
            BadInput: there is no such model.
        """
        name = next(iter(self.offers)) if model is None else model
        if name not in self.offers:
            raise BadInput(
                f"there is no model {quote(name)}",
                f"choose {join_names(tuple(self.offers), 'or')}",
                field="model",
            )
        offer = self.offers[name]
        references = (FIRST_FRAME,) if offer.first_frame else ()
        return Capabilities(
            engine=ENGINE,
            model=name,
            models=tuple(self.offers),
            operations=offer.operations,
            prompt_characters=offer.prompt_characters,
            side=SIDE,
            pixels=PIXELS,
            seconds=offer.seconds,
            fps=FPS,
            steps=offer.steps,
            native_sizes=offer.sizes,
            native_fps=offer.fps or (24.0,),
            licence=offer.licence,
            references=references + ((SOURCE,) if set(offer.operations) - {"generate"} else ()),
            negative_prompt=offer.negative_prompt,
            sound=offer.sound,
        )

    def servers_for(self, request: Request) -> tuple[Upstream, ...]:
        """The servers that have the model of a request, which names one, and can be told all of it.

        Raises:
            BadInput: there is none.
        """
        model = str(request.model)
        having = [server for server in self.servers if model in server.models]
        told = {
            "steps": ("a number of steps", request.steps is not None),
            "negative_prompt": ("a negative prompt", bool(request.negative_prompt)),
            FIRST_FRAME: ("a first frame", any(one.role == FIRST_FRAME for one in request.references)),
        }
        for fact, (called, wanted) in told.items():
            if wanted:
                having = [server for server in having if server.dialect.supports(fact)]
            if not having:
                raise BadInput(f"no server that makes {model} takes {called}", "leave it out", field=fact)
        having = [server for server in having if request.operation in server.dialect.create]
        if not having:
            raise BadInput(
                f"no server that makes {model} can {request.operation}", "make a new clip", field="operation"
            )
        return tuple(having)


def read(home: Path) -> Upstreams:
    """Read HOME/upstreams.toml; nothing is asked over the network.

    Raises:
        ModelError: there is none, or it says something that it cannot mean.
    """
    path = home / FILE
    if not path.exists():
        raise ModelError(
            "no other server is configured to make videos",
            f"describe one in {path}, see docs/howto/use-other-servers.md",
        )
    values = tomlfile.read(path)
    try:
        return _read(values)
    except BadInput as error:
        raise ModelError(f"{path}: {error.message}", error.remedy) from error


def _read(values: Mapping[str, Any]) -> Upstreams:
    root = _Table(values, "the file")
    entries = [_Table(entry, "an [[upstream]]") for entry in root.tables("upstream")]
    if not entries:
        raise _wrong("there is no [[upstream]] in it", "describe at least one")
    servers = tuple(map(_server, entries))
    names = [server.name for server in servers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(f"two upstreams are called {quote(twice)}", "give each a name of its own")
    models = dict.fromkeys(model for server in servers for model in server.models)
    tables = root.table("model")
    if stray := next((name for name in tables if name not in models), None):
        raise _wrong(f"no upstream has the model {quote(stray)}", "list it under one's models, or remove it")
    offers = {
        model: _offer(
            _Table(tables.get(model, {}), f"[model.{model}]"),
            [server.dialect for server in servers if model in server.models],
        )
        for model in models
    }
    patience = root.number("patience_seconds", PATIENCE_SECONDS, least=0.0)
    root.nothing_more()
    return Upstreams(servers, offers, patience)


def _server(table: _Table) -> Upstream:
    name = table.text("name", required=True, form=_NAME)
    table.what = f"upstream {quote(name)}"
    dialect = table.text("dialect", required=True)
    if dialect not in DIALECTS:
        raise _wrong(
            f"{table.what} speaks {quote(dialect)}", f"choose the dialect {join_names(tuple(DIALECTS), 'or')}"
        )
    if "key" in table.values:
        # The value is not repeated: this sentence may end in a log.
        raise _wrong(
            f"{table.what} has its key in the file",
            "put the key into an environment variable and name that in key_env",
        )
    poll = table.number("poll_seconds", 0.0, least=0.01, most=600.0)
    server = Upstream(
        name=name,
        dialect=DIALECTS[dialect],
        url=_address(table.text("url", required=True), table.what),
        models=_models(table),
        key_env=table.text("key_env", form=_VARIABLE),
        key_header=table.text("key_header", form=_HEADER),
        proxy=table.text("proxy"),
        concurrency=table.whole("concurrency", 1, least=1, most=1024),
        priority=table.whole("priority", 0, least=-1000, most=1000),
        weight=table.number("weight", 1.0, least=0.001),
        connect_seconds=table.number("connect_seconds", Upstream.connect_seconds, least=0.01),
        read_seconds=table.number("read_seconds", Upstream.read_seconds, least=0.01),
        whole_seconds=table.number("whole_seconds", Upstream.whole_seconds, least=0.01),
        lost_seconds=table.number("lost_seconds", Upstream.lost_seconds, least=0.0),
        poll_seconds=poll or None,
        most_failures=table.whole("most_failures", Upstream.most_failures, least=1, most=1000),
        cool_seconds=table.number("cool_seconds", Upstream.cool_seconds, least=0.0),
    )
    table.nothing_more()
    return server


def _address(text: str, what: str) -> str:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise _wrong(
            f"{what} has an url that is no address of a server", "write it like http://10.0.0.5:8000"
        )
    if url.userinfo:
        raise _wrong(
            f"{what} has a user name or password in its url",
            "put the key into an environment variable and name that in key_env",
        )
    # Both ways of writing a base URL are in use; the paths of the dialects begin with /v1.
    return str(url).rstrip("/").removesuffix("/v1")


def _models(table: _Table) -> Mapping[str, str]:
    given = table.values.get("models")
    table.seen.add("models")
    if isinstance(given, list):
        given = {name: name for name in given if isinstance(name, str)}
    if (
        not isinstance(given, dict)
        or not given
        or not all(_NAME.fullmatch(name) and isinstance(theirs, str) for name, theirs in given.items())
    ):
        raise _wrong(
            f"{table.what} does not say which models it has",
            'write models = {wan = "what the server calls it"}, its names in plain letters',
        )
    return dict(given)


def _offer(table: _Table, dialects: list[Dialect]) -> Offer:
    """What the operator says of a model, and where that says nothing, what all its servers take."""
    first = dialects[0]
    lengths = table.numbers("lengths", first.lengths)
    longest = max(lengths, default=min(dialect.seconds[1] for dialect in dialects))
    shortest = 0.0 if lengths else max(dialect.seconds[0] for dialect in dialects)
    seconds = table.numbers("seconds", (shortest, longest))
    steps = table.numbers("steps", STEPS)
    if len(seconds) != 2 or seconds[0] > seconds[1] or seconds[1] <= 0:
        raise _wrong(f"{table.what} has no range of seconds", "write seconds = [1, 5], shortest and longest")
    if len(steps) != 2 or not 1 <= steps[0] <= steps[1] <= STEPS[1]:
        raise _wrong(f"{table.what} has no range of steps", "write steps = [1, 50], fewest and most")
    fps = table.numbers("fps", first.fps)
    if any(not FPS[0] <= rate <= FPS[1] for rate in fps):
        raise _wrong(f"{table.what} has a frame rate out of range", f"give {FPS[0]:g} to {FPS[1]:g}")
    offer = Offer(
        operations=table.names("operations", ("generate",)),
        sizes=tuple(
            map(parse_size, table.names("sizes", tuple("{}x{}".format(*one) for one in first.sizes)))
        ),
        seconds=(seconds[0], seconds[1]),
        lengths=tuple(sorted(lengths)),
        fps=fps,
        steps=(int(steps[0]), int(steps[1])),
        first_frame=table.switch("first_frame", all(dialect.supports(FIRST_FRAME) for dialect in dialects)),
        negative_prompt=table.switch(
            "negative_prompt", all(dialect.supports("negative_prompt") for dialect in dialects)
        ),
        sound=table.switch("sound", all(dialect.supports("sound") for dialect in dialects)),
        frame_step=table.whole("frame_step", 1, least=1, most=64),
        licence=table.text("licence") or UNKNOWN,
        prompt_characters=table.whole(
            "prompt_characters", PROMPT_CHARACTERS, least=1, most=PROMPT_CHARACTERS
        ),
        extra=table.table("extra"),
    )
    known = ("generate", "edit", "extend")
    if not offer.operations or set(offer.operations) - set(known):
        raise _wrong(f"{table.what} has operations that are not known", f"choose among {join_names(known)}")
    table.nothing_more()
    return offer


class _Table:
    """A table of the file; every value is looked at once, and what is left over is a mistake."""

    def __init__(self, values: Any, what: str) -> None:
        if not isinstance(values, dict):
            raise _wrong(f"{what} is no table", "see docs/howto/use-other-servers.md for an example")
        self.values: Mapping[str, Any] = values
        self.what = what
        self.seen: set[str] = set()

    def _get(self, name: str, default: Any) -> Any:
        self.seen.add(name)
        return self.values.get(name, default)

    def text(self, name: str, *, required: bool = False, form: re.Pattern[str] | None = None) -> str:
        value = self._get(name, "")
        bad = not isinstance(value, str) or (form is not None and value and not form.fullmatch(value))
        if bad or (required and not value):
            # A wrong value may be a key in the wrong place, so it is not shown.
            raise _wrong(
                f"{self.what} has no usable {name}", "see docs/howto/use-other-servers.md for an example"
            )
        return str(value)

    def number(self, name: str, default: float, *, least: float, most: float = 1e9) -> float:
        value = self._get(name, None)
        if value is None:
            return default
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
        if not least <= number <= most:
            raise _wrong(f"{name} of {self.what} is out of range", f"give a number from {least:g} up")
        return number

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(f"{name} of {self.what} is out of range", f"give a whole number, {least} to {most}")
        return value

    def switch(self, name: str, default: bool) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise _wrong(f"{name} of {self.what} is neither true nor false", "give one of them")
        return value

    def numbers(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        value = self._get(name, list(default))
        if not isinstance(value, list) or not all(
            isinstance(one, (int, float)) and not isinstance(one, bool) and 0 <= one < 1e6 for one in value
        ):
            raise _wrong(f"{name} of {self.what} is no list of numbers", f"write {name} = [1, 5], say")
        return tuple(map(float, value))

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _wrong(f"{name} of {self.what} is no list of texts", f'write {name} = ["…"]')
        return tuple(value)

    def table(self, name: str) -> Mapping[str, Any]:
        value = self._get(name, {})
        if not isinstance(value, dict):
            raise _wrong(
                f"{name} of {self.what} is no table", "see docs/howto/use-other-servers.md for an example"
            )
        return value

    def tables(self, name: str) -> list[Any]:
        value = self._get(name, [])
        if not isinstance(value, list):
            raise _wrong(f"{name} is no list of tables", f"begin each with [[{name}]]")
        return value

    def nothing_more(self) -> None:
        """See that no setting is misspelt: one that is passed over in silence is worse than an error."""
        for name in self.values:
            if name not in self.seen:
                raise _wrong(f"{self.what} has a setting that is not known, {quote(name)}", "remove it")


def _wrong(message: str, remedy: str) -> BadInput:
    return BadInput(message, remedy, field=FILE)
