"""The engine that has clips made by other servers."""

from __future__ import annotations

import dataclasses
import math
import ssl
from functools import cached_property

import httpx

from hinode.engines.protocol import Capabilities, Cost, State
from hinode.engines.remote import upstreams
from hinode.engines.remote.client import Client, usable_key
from hinode.engines.remote.decoder import MAX_BYTES
from hinode.engines.remote.faults import Category, UpstreamError
from hinode.engines.remote.pool import Pool
from hinode.engines.remote.run import RemoteRun
from hinode.engines.remote.surroundings import Environment
from hinode.engines.remote.upstreams import ENGINE, Upstream, Upstreams
from hinode.engines.remote.wire import NativeForm
from hinode.errors import BadInput
from hinode.licensing import licences
from hinode.request import Request
from hinode.settings import Settings

FASTEST = 60.0


class RemoteEngine:
    """Has clips made by the servers in HOME/upstreams.toml; the file is read again for each request."""

    name = ENGINE

    def __init__(self, settings: Settings, surroundings: Environment | None = None) -> None:
        """
        Args:
            settings: whose `home` has the file.
            surroundings: clock, chance, and the keys.
        """
        self.settings = settings
        self.surroundings = surroundings or Environment()
        self.pool = Pool(
            settings.home / "upstreams", clock=self.surroundings.clock, chance=self.surroundings.chance
        )

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`; nothing is asked over the network."""
        return self._configured().capabilities(model)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`. The network of the server is unknown, so only pixels count."""
        drawing, frames = self._drawing(request, self._configured())
        steps = request.steps or 1
        return Cost(tokens=frames, steps=steps, passes=steps, pixels=frames * math.prod(drawing.size))

    def start(self, request: Request, state: State | None = None) -> RemoteRun:
        """See `Engine.start`.

        Raises:
            BadInput: the request does not fit, no server can be told all of it, or it is too large.
            EngineError: the state is not one of this request.
            ModelError: `upstreams.toml` is missing or wrong.
        """
        configured = self._configured()
        capabilities = configured.capabilities(request.model)
        licences.check(capabilities.licence, self.settings.home)
        request.check(capabilities)
        request = dataclasses.replace(request, model=capabilities.model)
        servers = configured.servers_for(request)
        drawing, frames = self._drawing(request, configured)
        if 3 * frames * math.prod(drawing.size) > MAX_BYTES:
            raise BadInput(
                f"{request.seconds:g} seconds at {request.width}x{request.height} do not fit into memory",
                "make it shorter or smaller",
                field="seconds",
            )
        return RemoteRun(
            request,
            drawing,
            configured.offers[capabilities.model],
            servers,
            self.pool,
            self._client,
            self.surroundings,
            state,
            patience_seconds=configured.patience_seconds,
        )

    def _configured(self) -> Upstreams:
        return upstreams.read(self.settings.home)

    def _drawing(self, request: Request, configured: Upstreams) -> tuple[NativeForm, int]:
        offer = configured.offers[configured.capabilities(request.model).model]
        drawing = NativeForm.of(request, offer)
        fastest = max(drawing.fps or FASTEST, request.fps or 0.0)
        return drawing, drawing.frames or max(1, math.ceil(drawing.seconds * fastest))

    def _client(self, upstream: Upstream) -> Client:
        """What asks a server.

        Raises:
            Fault: its key is not there.
        """
        key = self.surroundings.environment.get(upstream.key_env, "") if upstream.key_env else ""
        if upstream.key_env and not key:
            raise UpstreamError(Category.UNUSABLE, f"has no key, for {upstream.key_env} is not set")
        if not usable_key(key):
            raise UpstreamError(Category.UNUSABLE, f"has a key in {upstream.key_env} that cannot be sent")
        return Client(upstream, key, trust=self._trust, clock=self.surroundings.clock)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()
