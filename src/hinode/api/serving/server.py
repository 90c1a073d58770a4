"""The HTTP server of `hinode serve`: uvicorn's, which begins to listen and stops in an order of our own."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import uvicorn
from fastapi import FastAPI

from hinode.api.serving.connections import Connection, LoopErrors

log = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that wait to be accepted."""
DEFER_SECONDS = 10
"""How long Linux keeps a connection that has sent nothing to itself: a client that is slow by a moment would
give way to silent ones before its request is read."""
ACCEPTED_TOGETHER = 16
"""Connections that are accepted before others may give way to them; each has a descriptor at once."""
SHUTDOWN_SECONDS = 5
"""For requests in progress when the port is closed."""
KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection, so that they close it."""
TICK_SECONDS = 0.1
CLOSE_HEADER = (b"connection", b"close")


class Server(uvicorn.Server):
    """uvicorn's server; `begin` runs when it has started, and `end` while it drains for `drain_seconds` and
    closes connections."""

    def __init__(
        self, app: FastAPI, begin: Callable[[], None], end: Callable[[], None], drain_seconds: float
    ) -> None:
        config = uvicorn.Config(
            app, http=Connection, log_config=None, access_log=False, server_header=False, ws="none"
        )
        config.timeout_keep_alive = KEEP_ALIVE_SECONDS
        config.timeout_graceful_shutdown = SHUTDOWN_SECONDS
        config.backlog = ACCEPTED_TOGETHER  # for asyncio both, and `startup` sets the other one again
        super().__init__(config)
        self._begin = begin
        self._end = end
        self._drain_seconds = drain_seconds
        self._side = ThreadPoolExecutor(1, thread_name_prefix="serve")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; uvicorn itself would also raise the signal again after its shutdown, before ours is over."""
        self.force_exit = self.should_exit  # the second signal
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(LoopErrors())
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
        if self.started:
            await asyncio.get_running_loop().run_in_executor(self._side, self._begin)
            # A full collection looks at everything that was loaded, and no request is answered for 0.2 s.
            gc.collect()
            gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ended = asyncio.get_running_loop().run_in_executor(self._side, self._end)
        try:
            await self._drain()
            await super().shutdown(sockets)
            if self.force_exit:  # after which uvicorn would cancel it, and log a traceback
                await self.lifespan.shutdown()
        finally:
            await ended

    async def _drain(self) -> None:
        """Answer requests for a while, each on a connection that is closed afterwards."""
        if not self._drain_seconds:
            return
        log.info("draining; a second signal ends it", extra={"seconds": self._drain_seconds})
        self.config.encoded_headers.append(CLOSE_HEADER)
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        while not self.force_exit and loop.time() < end:
            await self.on_tick(0)  # which dates the answers
            await asyncio.sleep(TICK_SECONDS)
