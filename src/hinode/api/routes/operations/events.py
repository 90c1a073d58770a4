"""Everything that happens in a project, as one stream of server-sent events."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.streams import stream
from hinode.api.streams.events import Event
from hinode.api.streams.feed import Position, Subscription

router = APIRouter(prefix="/v1/events", tags=["Queue"])

ID = re.compile(r"(\d{1,18})-(\d{1,10})-(\d{1,15})")
_DESCRIPTION = (
    "Events video.queued, video.completed and video.failed, whose data is the Video, video.progress, "
    "video.preview, video.deleted, queue.changed, library.changed, storyboard.changed, and resync: read "
    "everything again."
)
_EXAMPLE = (
    "id: 312-2953421234-7\nevent: video.progress\n"
    'data: {"id": "video_…", "status": "in_progress", "progress": 40}\n\n'
)

After = Annotated[
    str | None, Query(max_length=50, description="The id of the last event, as Last-Event-ID has it.")
]
LastEventId = Annotated[str | None, Header(alias="last-event-id", include_in_schema=False)]


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"example": _EXAMPLE}}}},
)
async def stream_project(
    request: Request,
    context: AppContext,
    project_id: ProjectId,
    after: After = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow the project. With the id of the last event, the stream begins with what has happened since."""

    def events(subscription: Subscription) -> AsyncGenerator[str]:
        return _events(context, request, last_event_id or after, subscription)

    return stream.respond(request, context, project_id, events)


async def _events(
    context: Context, request: Request, after: str | None, subscription: Subscription
) -> AsyncGenerator[str]:
    match = ID.fullmatch(after) if after else None
    place = Position(int(match[1]), int(match[2])) if match else None
    # The numbers go on where those of the stream before ended, so that no id is there twice.
    numbers = itertools.count(int(match[3]) + 1 if match else 1)

    def texts(begin: Position, end: Position, events: tuple[Event, ...]) -> str:
        """A whole batch; a client that gets a part of it gets all of it again."""
        last = len(events) - 1
        return "".join(
            event.text(_id(end if index == last else begin, next(numbers)))
            for index, event in enumerate(events)
        )

    here, events = await context.feed.begin(subscription, place)
    if after and place is None:
        events = (Event("resync"),)
    # Without an event too, the client has to know where it is.
    yield texts(place or here, here, events) or f"id: {_id(here, next(numbers))}\n\n"
    async for batch in stream.follow(context, request, subscription):
        if batch is None:
            yield stream.KEEP_ALIVE
        else:
            yield texts(here, batch.position, batch.events)
            here = batch.position


def _id(position: Position, number: int) -> str:
    return f"{position.moment}-{position.versions}-{number}"
