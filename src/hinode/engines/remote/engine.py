"""The engine whose clips are made by other servers."""

from __future__ import annotations

import dataclasses
import math
import os
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial

import httpx

from hinode.background import start_call
from hinode.engines.protocol import Cost, State
from hinode.engines.remote.client import Client
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.health import Check
from hinode.engines.remote.pool import FOLDER, Pool
from hinode.engines.remote.run.decoder import MAX_BYTES
from hinode.engines.remote.run.run import RemoteRun
from hinode.engines.remote.upstreams import AT, ENGINE, FILE, Upstream, read
from hinode.engines.remote.wire import NativeForm
from hinode.errors import BadInput
from hinode.licensing import licences
from hinode.request import Capabilities, Request
from hinode.settings import Settings

MAX_FPS = 60.0
CHECK_SECONDS = 12.0
"""For which a health check holds: less than the time between two of one process, so that each of them finds
those of the others."""
"""Assumed of a server whose rate is not known."""


class RemoteEngine:
    """Sends requests to the servers in HOME/upstreams.toml; the file is read again for each request."""

    name = ENGINE

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        variable: Callable[[str, str], str] = os.getenv,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            clock: seconds since any moment.
            pause: waits so many seconds.
            chance: a random number, 0 <= x < 1.
            variable: the value of a variable of the environment, or a default; some hold keys.
            wall: seconds since 1970, for what processes share.
        """
        self.settings = settings
        self.pool = Pool(settings.home / FOLDER, clock=clock, wall=wall, chance=chance)
        self._pause = pause
        self._variable = variable

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`; nothing is sent over the network."""
        return read(self.settings.home).capabilities(model)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`. The network of the server is unknown, so only pixels count."""
        upstreams = read(self.settings.home)
        model = upstreams.capabilities(request.model).model.partition(AT)[0]
        form = NativeForm.of(request, upstreams.offers[model])
        frames, steps = _max_frames(request, form), request.steps or 1
        return Cost(tokens=frames, steps=steps, passes=steps, pixels=frames * math.prod(form.size))

    def start(self, request: Request, state: State | None = None) -> RemoteRun:
        """See `Engine.start`.

        Raises:
            BadInput: the request does not fit, no server accepts all of it, or it is too large.
            EngineError: the state is not one of this request.
            ModelError: `upstreams.toml` is missing or wrong.
        """
        upstreams = read(self.settings.home)
        capabilities = upstreams.capabilities(request.model)
        licences.check(capabilities.licence, self.settings.home)
        request.check(capabilities)
        request = dataclasses.replace(request, model=capabilities.model)
        run = RemoteRun(request, upstreams, self.pool, self.client, self._pause, state)
        if 3 * _max_frames(request, run.form) * math.prod(run.form.size) > MAX_BYTES:
            clip = f"{request.seconds:g} seconds at {request.width}x{request.height}"
            raise BadInput(f"{clip} do not fit into memory", "make it shorter or smaller", field="seconds")
        return run

    def probe(self) -> None:
        """Check the health of every server, all at once, and record what comes of it.

        Raises:
            ModelError: `upstreams.toml` is wrong.
        """
        if not (self.settings.home / FILE).exists():
            return

        def check(server: Upstream) -> None:
            with suppress(UpstreamError):  # a server whose key is missing here is not at fault
                self.check(server)

        for call in [
            start_call(partial(check, server), "probe") for server in read(self.settings.home).servers
        ]:
            call.result()

    def check(self, server: Upstream) -> Check:
        """Check the health of a server and record what comes of it, or return the last check, if a process
        with this home has made one within `CHECK_SECONDS`.

        Raises:
            UpstreamError: its key is missing or cannot be sent.
        """
        client, health = self.client(server), self.pool.health(server.name)
        last = health.read().last_check
        if last is not None and last.url == server.url and 0 <= self.pool.wall() - last.at < CHECK_SECONDS:
            return last
        start = self.pool.clock()
        try:
            client.check_health()
            good = True
        except UpstreamError:
            good = False
        return health.record_check(server.url, good, self.pool.clock() - start)

    def client(self, upstream: Upstream) -> Client:
        """The client of a server.

        Raises:
            UpstreamError: its key is missing or cannot be sent.
        """
        key = self._variable(upstream.key_env, "") if upstream.key_env else ""
        if upstream.key_env and not key:
            raise UpstreamError(Category.UNUSABLE, f"has no key: {upstream.key_env} is not set")
        # The library would show a key that cannot be sent in its error message.
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            raise UpstreamError(Category.UNUSABLE, f"has a key in {upstream.key_env} that cannot be sent")
        return Client(upstream, key, trust=self._trust, clock=self.pool.clock)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


def _max_frames(request: Request, form: NativeForm) -> int:
    """How many frames a server draws at most."""
    fps = max(form.fps or MAX_FPS, request.fps or 0.0)
    return form.frames or max(1, math.ceil(form.seconds * fps))
