"""The queue of the project: what runs and waits, why it waits, and in which order."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, ProjectId
from hinode.api.failures import get_or_404, is_id, not_found
from hinode.api.requests.bodies import BodyReader
from hinode.jobs.scheduling.project_queue import QueueView
from hinode.parsing import Input

router = APIRouter(prefix="/v1/queue", tags=["Queue"])

DEFAULT_LIMIT, MAX_LIMIT = 100, 500
Limit = Annotated[int, Query(ge=0, le=MAX_LIMIT, description="Maximum of waiting videos.")]


class MoveVideo(Input):
    """A waiting video, and the one that it is to start before."""

    id: str = Field(max_length=100, description="The video that moves.")
    before: str | None = Field(
        None, max_length=100, description="A waiting video of the same class; without it, the end."
    )


class RunningVideo(wire.Answer):
    """A video that a worker is making."""

    video: wire.Video
    worker: str | None = Field(description="The id of the worker.")
    eta_seconds: float | None = Field(description="Until it is finished, if that can be said.")


class WaitingVideo(wire.Answer):
    """A video that waits."""

    video: wire.Video
    position: int = Field(ge=1, description="1 is the project's next.")
    reason: Literal[
        "paused",
        "it failed and is tried again later",
        "no worker can run it",
        "the project has its maximum running",
        "others are before it",
        "another model is in memory",
        "waiting for a worker",
    ]
    eta_seconds: float | None = Field(description="Until it is finished, if that can be said.")


class QueueWorker(wire.Answer):
    """A live worker, which may work for other projects too."""

    id: str
    host: str
    engines: tuple[str, ...] | None = Field(description="Those that it can run; null for all.")
    resident: tuple[str, ...] = Field(description="Models in its memory.")
    busy: bool
    job: str | None = Field(description="The video that it is making, if it is of this project.")
    draining: bool
    seen_at: int


class QueueCounts(wire.Answer):
    """How many there are."""

    running: int
    waiting: int
    workers: int


class Queue(wire.Answer):
    """The queue of the project."""

    object: Literal["queue"] = "queue"
    paused: bool
    running: list[RunningVideo]
    waiting: list[WaitingVideo]
    workers: list[QueueWorker]
    counts: QueueCounts

    @classmethod
    def of_view(cls, view: QueueView, context: Context) -> Queue:
        """The queue as it was read, with estimates of now."""
        now = context.clock()
        running = [
            RunningVideo.model_construct(
                video=wire.Video.of_job(job),
                worker=job.worker_id,
                eta_seconds=context.eta(job, now),
            )
            for job in view.running
        ]
        waiting = [
            WaitingVideo.model_construct(
                video=wire.Video.of_job(entry.job),
                position=entry.position,
                reason=entry.reason.value,
                eta_seconds=context.eta(entry.job, now),
            )
            for entry in view.waiting
        ]
        return cls.model_construct(
            paused=view.paused,
            running=running,
            waiting=waiting,
            workers=[QueueWorker.of(worker, job=worker.job_id) for worker in view.workers],
            counts=QueueCounts.model_construct(
                running=len(running), waiting=view.waiting_count, workers=len(view.workers)
            ),
        )


MoveBody = Annotated[MoveVideo, Depends(BodyReader(MoveVideo))]


@router.get("", response_model=Queue)
def get_queue(context: AppContext, project_id: ProjectId, limit: Limit = DEFAULT_LIMIT) -> Response:
    """What runs and what waits, why it waits, and the workers with what they have in memory."""
    return _queue(context, project_id, limit)


@router.post("/pause", response_model=Queue)
def pause_queue(context: AppContext, project_id: ProjectId) -> Response:
    """Start no waiting video of the project; those in progress go on."""
    context.queue.pause(project_id)
    return _queue(context, project_id)


@router.post("/resume", response_model=Queue)
def resume_queue(context: AppContext, project_id: ProjectId) -> Response:
    """Start the waiting videos of the project again."""
    context.queue.resume(project_id)
    return _queue(context, project_id)


@router.post("/order", response_model=Queue)
async def move_video(body: MoveBody, context: AppContext, project_id: ProjectId) -> Response:
    """Let a waiting video start before another one of the project and of its class, or after all of them."""

    def move() -> Response:
        if body.before is not None and not is_id(body.before):
            raise not_found("video", body.before, "before")
        get_or_404(
            lambda project, video: context.queue.move(project, video, body.before),
            project_id,
            body.id,
            "video",
            "id",
        )
        return _queue(context, project_id)

    return await context.run_slow(move)


def _queue(context: Context, project_id: str, limit: int = DEFAULT_LIMIT) -> Response:
    return Queue.of_view(context.queue.view(project_id, limit), context).response()
