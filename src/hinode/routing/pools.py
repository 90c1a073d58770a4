"""The pools of HOME/pools.toml: a name for clients, and the models that it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hinode import engines, tomlfile
from hinode.engines.remote import upstreams
from hinode.errors import BadInput, HinodeError, ModelError, join_names, quote
from hinode.parsing import Input, Number, parse
from hinode.request import Capabilities
from hinode.settings import Settings

FILE = "pools.toml"
DEFAULT_SECOND_PRICE = 0.0005
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Price = Annotated[Number, Field(ge=0, le=1e6)]


class _Member(Input):
    model: Annotated[str, Field(pattern="^[^/]+/[^/@]+$")]
    price: Price = 0.0


class _Pool(Input):
    member: Annotated[list[_Member], Field(min_length=1)]
    second_price: Price = DEFAULT_SECOND_PRICE


class _File(Input):
    pool: dict[str, _Pool]


@dataclass(frozen=True)
class Member:
    """A model of a pool, of one server if servers have it.

    Attributes:
        engine: name of its engine.
        model: its name within the engine.
        provider: name of the server, or "" for own workers.
        price: US dollars for a second of video.
        cool_seconds: how long the server gets no job after a failed trial.
        places: jobs that the server has at once, or 0 for own workers.
    """

    engine: str
    model: str
    provider: str = ""
    price: float = 0.0
    cool_seconds: float = 0.0
    places: int = 0

    def capabilities(self, settings: Settings) -> Capabilities:
        """What it can do; raises as `engines.capabilities` does."""
        return engines.capabilities(self.engine, settings, self.model)


@dataclass(frozen=True)
class Pool:
    """A pool; `second_price` is what a second until a clip is there is worth, in US dollars."""

    name: str
    members: tuple[Member, ...]
    second_price: float

    def lead(self, settings: Settings) -> Capabilities:
        """What the first member can do that can be used here: the capabilities that clients see.

        Raises:
            HinodeError: none can; the error of the first.
        """
        error: HinodeError | None = None
        for member in self.members:
            try:
                return member.capabilities(settings)
            except HinodeError as fault:
                error = error or fault
        assert error is not None, "a pool has a member"
        raise error


def find(name: str, home: Path) -> Pool | None:
    """The pool of this name, or None; raises as `read` does."""
    return read(home).get(name)


def read(home: Path) -> Mapping[str, Pool]:
    """The pools by name; none without a file.

    Raises:
        ModelError: something in the file, or in `upstreams.toml`, is wrong.
    """
    path = home / FILE
    if not path.exists():
        return {}
    values = tomlfile.read(path)
    try:
        file = parse(_File, values, what="the file")
        return {name: _pool(name, pool, home) for name, pool in file.pool.items()}
    except BadInput as error:
        raise ModelError(f"{path}: {error.message}", error.remedy) from error


def _pool(name: str, pool: _Pool, home: Path) -> Pool:
    if not _NAME.fullmatch(name) or name in engines.names():
        raise BadInput(f"{quote(name)} cannot be the name of a pool", "choose another name", field="pool")
    members: list[Member] = []
    for member in pool.member:
        engine, _, model = member.model.partition("/")
        if engine not in engines.names():
            remedy = f"write ENGINE/MODEL with the engine {join_names(engines.names(), 'or')}"
            raise BadInput(f"pool {name} has no engine for {quote(member.model)}", remedy, field="model")
        if engine == upstreams.ENGINE:
            members += _of_servers(name, member, model, home)
        else:
            members.append(Member(engine, model, price=member.price))
    return Pool(name, tuple(dict.fromkeys(members)), pool.second_price)


def _of_servers(name: str, member: _Member, model: str, home: Path) -> list[Member]:
    """A member for each server that has a model."""
    if "price" in member.model_fields_set:
        message = f"pool {name} has a price for {member.model}"
        raise BadInput(message, f"write it into prices in {upstreams.FILE}", field="price")
    servers = [server for server in upstreams.read(home).servers if model in server.models]
    if not servers:
        message = f"pool {name} has {member.model}, which no server in {upstreams.FILE} has"
        raise BadInput(message, "add a server or remove the member", field="model")
    return [
        Member(
            upstreams.ENGINE,
            f"{model}{upstreams.AT}{server.name}",
            server.name,
            server.prices.get(model, 0.0),
            server.cool_seconds,
            server.concurrency,
        )
        for server in servers
    ]
