"""The engine with stub servers, and a clock that moves only while the engine waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hinode.engines.protocol import Progress, State
from hinode.engines.remote.engine import RemoteEngine
from hinode.engines.remote.run.run import RemoteRun
from hinode.request import Request
from hinode.settings import Settings
from tests.engines.remote.stubs import KEY, Stub

REQUEST = Request("a red kite", 64, 48, seconds=1.0, fps=8.0, seed=5, engine="remote", model="wan")
MODEL = "[model.wan]\nfps = [8]\nsizes = []\nseconds = [0, 20]\nlengths = []\n"


class Clock:
    """Seconds that pass only in `pause`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.on_pause: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.on_pause()


class Fleet:
    """Stub servers, and the engine that uses them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = Clock()
        self.stubs: list[Stub] = []
        self.entries: list[str] = []
        self.model = MODEL
        self.variables = {"STUB_KEY": KEY}
        home.mkdir(parents=True, exist_ok=True)

    def add(self, dialect: str, **settings: Any) -> Stub:
        stub = Stub(dialect, self.home)
        self.stubs.append(stub)
        self.describe(dialect, stub.url, **settings)
        return stub

    def describe(self, dialect: str, url: str, **settings: Any) -> None:
        values = {
            "name": f"s{len(self.entries) + 1}",
            "dialect": dialect,
            "url": url,
            "key_env": "STUB_KEY",
            "models": {"wan": "Wan-AI/Wan2.1"},
            "priority": len(self.entries),
            "poll_seconds": 1.0,
            **settings,
        }
        self.entries.append("[[upstream]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in values.items()))

    def engine(self) -> RemoteEngine:
        (self.home / "upstreams.toml").write_text("\n".join([*self.entries, self.model]))
        return RemoteEngine(
            Settings(self.home),
            clock=self.clock,
            pause=self.clock.pause,
            chance=lambda: 0.5,
            variable=self.variables.get,
            wall=self.clock,
        )

    def start(self, state: State | None = None, **changes: Any) -> RemoteRun:
        return self.engine().start(dataclasses.replace(REQUEST, **changes), state)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
    return repr(value).replace("'", '"').replace("True", "true").replace("False", "false")


def steps(run: RemoteRun) -> list[Progress]:
    """All steps of a run to its end."""
    return list(run)
