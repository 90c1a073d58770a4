"""The response that is a stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing, suppress

import anyio
from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hinode.api.context import Context
from hinode.api.failures import RATE_LIMIT, Refusal
from hinode.api.streams.feed import Batch, Subscription
from hinode.jobs.job import OverQuota
from hinode.records.database import DatabaseError

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
KEEP_ALIVE_SECONDS = 15.0
"""A stream sends something at least that often, so that no proxy closes it as idle."""
KEEP_ALIVE = ": keep-alive\n\n"
RETRY = "retry: 3000\n"
"""Milliseconds after which a client connects again, in its first event: browsers differ in what they wait
without it."""

Events = Callable[[Subscription], AsyncGenerator[str]]
"""The texts of a stream, the first of them at once, from the changes of its project."""


def respond(request: Request, context: Context, project_id: str, events: Events) -> Response:
    """The answer to a request for a stream of the changes of a project."""
    if request.method == "HEAD":
        return Response(media_type=MEDIA_TYPE, headers=HEADERS)
    return EventStream(context, project_id, events)


class EventStream(StreamingResponse):
    """A stream of events, counted from before its first byte to its end, whatever ends it."""

    def __init__(self, context: Context, project_id: str, events: Events) -> None:
        super().__init__((), media_type=MEDIA_TYPE, headers=HEADERS)
        self.context = context
        self.project_id = project_id
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            try:
                stack.enter_context(self.context.streams.acquire(self.project_id))
            except OverQuota as error:
                headers = {"retry-after": "10"}
                raise Refusal(
                    429, str(error), code="too_many_streams", type=RATE_LIMIT, headers=headers
                ) from error
            subscription = stack.enter_context(self.context.feed.subscribe(self.project_id))
            async with aclosing(self.events(subscription)) as events:
                # Before the headers: what a client reads after them is no older than the stream.
                first = await anext(events, "")
                self.body_iterator = _with_first(first, events)
                await super().__call__(scope, receive, send)


async def follow(
    context: Context, request: Request, subscription: Subscription
) -> AsyncIterator[Batch | None]:
    """The batches of a subscription, and None after a silence, until the server stops or the credentials of
    the request are no longer valid."""
    spoke_at = anyio.current_time()
    while not context.stopping.is_set():
        await subscription.wait(context.event_seconds)
        with suppress(DatabaseError):  # the next look may succeed
            if context.stopping.is_set() or not await request.state.key_is_valid():
                return
            await context.feed.look(context.event_seconds)
        batches: list[Batch | None] = [*subscription.take()]
        if not batches and anyio.current_time() - spoke_at >= KEEP_ALIVE_SECONDS:
            batches.append(None)
        for batch in batches:
            yield batch
            spoke_at = anyio.current_time()


async def _with_first(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    if first:
        yield RETRY + first
    async for text in rest:
        yield text
