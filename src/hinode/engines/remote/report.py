"""The configured servers and their health, for operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hinode.engines.remote.health import LONG, SHORT, HealthFile, State
from hinode.engines.remote.pool import FOLDER
from hinode.engines.remote.upstreams import FILE, read


@dataclass(frozen=True)
class ServerReport:
    """A server.

    Attributes:
        models: our names of its models.
        prices: US dollars for a second of video, by these names.
        state: whether it gets jobs.
        short_burn, long_burn: burn rates of the two windows; see `health`.
        drained_at: since when it has been drained, in seconds since 1970, or None.
    """

    name: str
    dialect: str
    url: str
    models: tuple[str, ...]
    prices: dict[str, float]
    state: State
    short_burn: float
    long_burn: float
    drained_at: float | None


def report(home: Path, clock: Callable[[], float]) -> list[ServerReport]:
    """The servers in the order of the file; none without it.

    Raises:
        ModelError: the file is wrong.
    """
    if not (home / FILE).exists():
        return []
    now, servers = clock(), []
    for server in read(home).servers:
        health = HealthFile(home / FOLDER, server.name, clock).read()
        servers.append(
            ServerReport(
                server.name,
                server.dialect.name,
                server.url,
                tuple(server.models),
                dict(server.prices),
                health.state(now, server.cool_seconds),
                health.burn(now, SHORT),
                health.burn(now, LONG),
                health.drained_at,
            )
        )
    return servers
