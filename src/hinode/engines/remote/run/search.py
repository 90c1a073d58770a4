"""The search for a server that accepts a request, and the errors when there is none."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from hinode.engines.remote import wire
from hinode.engines.remote.client import Client
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.pool import Pool
from hinode.engines.remote.run.candidates import Candidates
from hinode.engines.remote.run.lookup import Missing, look_up
from hinode.engines.remote.run.losses import Losses
from hinode.engines.remote.run.steps import MAX_PAUSE, TICK, Steps, Waiter
from hinode.engines.remote.upstreams import AT, Upstream, Upstreams
from hinode.engines.remote.wire import Job, NativeForm
from hinode.errors import BadInput, EngineError, NoPlace, NotAccepted
from hinode.request import Request

log = logging.getLogger(__name__)

MAX_JOBS = 8
"""Jobs of one run in all."""
AGAIN = "try again later"
FULL = "has no free place"


@dataclass
class Place:
    """Where a request is at the moment: the server that has it or is asked, the client of that server, the
    job there once it has one, and the permit for a place at it."""

    server: Upstream | None = None
    client: Client | None = None
    job: Job | None = None
    permit: ExitStack | None = None

    def current(self) -> tuple[Upstream, Job]:
        """The server and the job, which are there."""
        assert self.server is not None
        assert self.job is not None
        return self.server, self.job

    def release(self) -> None:
        """Free the place at the server."""
        if self.permit is not None:
            self.permit.close()
            self.permit = None


class Search:
    """Finds servers for one request, again after each that loses its job.

    Attributes:
        servers: those that have the model.
        candidates: those of them that may still be asked.
        losses: what servers may make in vain.
        jobs: how many jobs the run has had, those whose creation was not answered included.
    """

    def __init__(
        self,
        request: Request,
        upstreams: Upstreams,
        pool: Pool,
        place: Place,
        waiter: Waiter,
        new_client: Callable[[Upstream], Client],
    ) -> None:
        """
        Args:
            request: names the model.
            place: is kept up to date.
            new_client: makes the client of a server, or raises an UpstreamError.

        Raises:
            BadInput: no server accepts all of the request.
        """
        self.request = request
        # One server that is named is asked once: whoever named it has others, or wants no other.
        self.model, self._pinned = str(request.model).partition(AT)[0], AT in str(request.model)
        self.offer = upstreams.offers[self.model]
        self.form = NativeForm.of(request, self.offer)
        self.servers = upstreams.servers_for(request)
        self.candidates = Candidates(self.servers, pool.clock)
        self.losses = Losses(self.form.seconds)
        self.jobs = 0
        self._patience_seconds = upstreams.patience_seconds
        self._pool = pool
        self._place = place
        self._waiter = waiter
        self._new_client = new_client
        self._clock = pool.clock

    def place(self) -> Steps[Job]:
        """Create a job on the first server that accepts it; `Place` then has the server and a permit.

        Raises:
            NoPlace, NotAccepted, EngineError, BadInput: no server accepts it.
        """
        deadline = self._clock() + (0.0 if self._pinned else self._patience_seconds)
        nonce = secrets.token_urlsafe()  # the same for every attempt at one job
        problem = FULL
        while True:
            next_try = math.inf
            for server in self._pool.order(self.candidates.remaining):
                breaker = self._pool.breaker(server)
                ready_at = max(self.candidates.ready_at(server), breaker.ready_at)
                if self._clock() < ready_at:
                    next_try = min(next_try, ready_at)
                    continue
                self._place.permit = self._pool.semaphore(server).acquire()
                if self._place.permit is None:
                    next_try = self._clock()
                    continue
                if not breaker.allow():
                    self._place.release()
                    problem = "gets no jobs after failures"
                    continue
                try:
                    return (yield from self._create(server, nonce))
                except UpstreamError as error:
                    self._place.release()
                    problem = error.message
                    next_try = min(next_try, self._postpone(server, error))
            if not self.candidates.remaining or self.jobs >= MAX_JOBS:
                raise self.error()
            if self._clock() >= deadline:
                message = f"no server took the request in time; the last one {problem}"
                raise NoPlace(message, AGAIN) if problem is FULL else self._not_accepted(message)
            wait = next_try - self._clock() if next_try < math.inf else MAX_PAUSE
            yield from self._waiter.wait(min(max(wait, TICK), MAX_PAUSE))

    def is_priced(self, server: Upstream) -> bool:
        """Whether the clips of a server are paid for."""
        return server.prices.get(self.model) is not None

    def error(self) -> Exception:
        """The error for the person when no server made the video."""
        error = self.candidates.error(str(self.request.model))
        if not self._pinned or not isinstance(error, BadInput | EngineError):
            return error
        if self.jobs and self.is_priced(self.servers[0]):
            return EngineError("the server that accepted the video did not deliver it", AGAIN, final=True)
        return self._not_accepted(error.message, final=bool(self.jobs) or isinstance(error, BadInput))

    def _create(self, server: Upstream, nonce: str) -> Steps[Job]:
        client = self._new_client(server)
        self._place.server, self._place.client = server, client
        if self._pool.breaker(server).needs_health_check():
            yield from self._waiter.background(client.check_health)
        body = wire.body(self.request, self.form, self.offer, server)
        try:
            return (yield from self._waiter.background(partial(client.create, body, nonce)))
        except UpstreamError as error:
            if error.category not in (Category.UNANSWERED, Category.UNREADABLE):
                raise
            return (yield from self._find(server, client, body, nonce, error))

    def _find(
        self, server: Upstream, client: Client, body: wire.Body, nonce: str, error: UpstreamError
    ) -> Steps[Job]:
        """The job of a request that was sent and has no usable answer; raises `error` if there is none."""
        log.warning("upstream %s %s, and is asked whether it has the job", server.name, error.message)
        health = self._pool.health(server.name)
        result = yield from look_up(
            client,
            body,
            nonce,
            prompt=self.request.prompt,
            health=health,
            clock=self._clock,
            waiter=self._waiter,
        )
        if isinstance(result, Job):
            return result
        if result is Missing.ABSENT:
            error.category = Category.DOWN
        else:
            self.losses.record(server, self.model, None, error.message)
            if self.is_priced(server):
                message = "a server may have begun the video, and nobody can say whether it did"
                raise EngineError(message, "ask whoever runs this server before you try again", final=True)
        raise error

    def _postpone(self, server: Upstream, error: UpstreamError) -> float:
        """When a server that did not create the job is tried again, if ever."""
        log.warning("upstream %s %s", server.name, error.message)
        if error.final:
            raise refused()
        if error.category not in (Category.REFUSED, Category.BUSY):
            self._pool.breaker(server).record_failure()
        next_try = self.candidates.postpone(server, error)
        if error.category in (Category.UNANSWERED, Category.UNREADABLE):
            self.jobs += 1
        return next_try

    def _not_accepted(self, message: str, *, final: bool = False) -> NotAccepted:
        note = ", and may make the video in vain" if self.losses.as_json() else ""
        return NotAccepted(message + note, AGAIN, final=final)


def refused() -> BadInput:
    """The error that a server does not make what the person asks for."""
    return BadInput("the server does not make such videos", "change the prompt", field="prompt")
