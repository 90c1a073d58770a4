"""The spans of one attempt at a job: the attempt, the wait in the queue, stages, and steps of sampling.

Names and attributes are those of OpenTelemetry's conventions for generative AI where there are some. The wait
has the times of the database, everything else those of this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hinode import logs, tracing
from hinode.engines.protocol import Progress
from hinode.jobs.job import Lease

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

OPERATION = "generate_content"
NANOSECONDS = 1e9


class Spans:
    """Makes the spans of an attempt from what its run reports; does nothing while traces are off."""

    def __init__(self, lease: Lease, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` gives nanoseconds since 1970."""
        self._lease = lease
        self._clock = clock
        self._tracer: Tracer | None = tracing.tracer()
        self._at = clock()  # of the last report: what was done since then belongs to the next one
        self._step = lease.job.checkpoint_step
        self._attempt: Span | None = None
        self._stage: tuple[str, Span] | None = None

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the block as the attempt; the log lines inside have the ids of its trace."""
        if self._tracer is None:
            yield
            return
        job = self._lease.job
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": job.engine,
            "gen_ai.request.model": job.model,
            "gen_ai.request.seed": job.request["seed"],
            "gen_ai.output.type": "video",
            "hinode.job.id": job.id,
            "hinode.job.operation": job.operation,
            "hinode.job.seconds": job.seconds,
            "hinode.attempt": job.epoch,
            "hinode.worker.id": self._lease.worker_id,
        }
        name, context = f"{OPERATION} {job.model}", tracing.context_of(job.trace)
        with self._tracer.start_as_current_span(
            name, context, attributes=attributes, record_exception=False
        ) as span:
            if job.epoch == 1:  # later attempts have waited for other reasons too
                self._record("queue", job.queued_at * NANOSECONDS, self._lease.claimed_at * NANOSECONDS)
            self._attempt = span
            self._at = self._clock()
            try:
                with logs.about(**tracing.ids()):
                    yield
            finally:
                self._end_stage()

    def report(self, progress: Progress) -> None:
        """Record the work since the last report as part of a stage, and in sampling as a step."""
        if self._tracer is None or self._attempt is None:
            return
        now = self._clock()
        if self._stage is None or self._stage[0] != progress.stage:
            self._end_stage()
            self._stage = progress.stage, self._tracer.start_span(progress.stage, start_time=self._at)
        if progress.stage == "sample" and progress.done > self._step:
            from opentelemetry.trace import set_span_in_context

            attributes = {"hinode.step": progress.done, "hinode.steps": progress.total}
            context = set_span_in_context(self._stage[1])
            self._record("denoise step", self._at, now, context=context, attributes=attributes)
            self._step = progress.done
        self._at = now

    def outcome(self, outcome: str, code: str | None) -> None:
        """Enter how the attempt ended, and the code of its error."""
        if self._attempt is None:
            return
        self._attempt.set_attribute("hinode.outcome", outcome)
        if code is not None:
            from opentelemetry.trace import StatusCode

            self._attempt.set_attribute("error.type", code)
            self._attempt.set_status(StatusCode.ERROR)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage[1].end(self._at)
            self._stage = None

    def _record(self, name: str, start: float, end: float, **options: Any) -> None:
        assert self._tracer is not None
        self._tracer.start_span(name, start_time=int(start), **options).end(int(max(start, end)))
