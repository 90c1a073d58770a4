"""One request, made by another server: find one, create the job, follow it, fetch its file.

Between two steps the run is nothing but the name of a server and of a job there. Whatever goes wrong at one
server, from a full queue to its end in the middle of a job, sends the request to the next one.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from hinode.background import wait_for
from hinode.clip import Clip, Provenance
from hinode.engines import saved_state
from hinode.engines.protocol import Progress, State, timed
from hinode.engines.remote import wire
from hinode.engines.remote.client import Client
from hinode.engines.remote.dialects import Phase
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.pool import Pool
from hinode.engines.remote.run.delivery import Delivery, Undelivered, collect
from hinode.engines.remote.run.search import MAX_JOBS, Place, Search, refused
from hinode.engines.remote.run.steps import Steps, Waiter
from hinode.engines.remote.upstreams import ENGINE, UNKNOWN, Upstream, Upstreams
from hinode.engines.remote.wire import Job
from hinode.errors import EngineError
from hinode.request import Request

log = logging.getLogger(__name__)

TOTAL = 100
CREATED, FINISHED = 1, 99
"""Percent at which the server has the job, and at which its file is there."""

POLL_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""How long a cancellation waits for the answer to the creation of the job."""
YOUNG_SECONDS = 5.0
"""How long a new job may be unknown: one machine created it, and another one answers."""


class _JobLost(Exception):
    """A server will not finish its job; the search for one goes on."""


class RemoteRun:
    """See `Run` and the module."""

    def __init__(
        self,
        request: Request,
        upstreams: Upstreams,
        pool: Pool,
        new_client: Callable[[Upstream], Client],
        pause: Callable[[float], None],
        state: State | None,
    ) -> None:
        """
        Args:
            request: what to make; it names the model.
            new_client: makes the client of a server, or raises an UpstreamError.

        Raises:
            BadInput: no server accepts all of the request.
            UnusableState: the state is not one of this request.
        """
        self.request = request
        self.model = str(request.model)
        self.pool = pool
        self.stage_seconds: dict[str, float] = {}
        self._new_client = new_client
        self._clock = pool.clock
        self._place = Place()
        self._waiter = Waiter(pause, self._progress)
        self._search = Search(request, upstreams, pool, self._place, self._waiter, new_client)
        self.form, self.offer, self.servers = self._search.form, self._search.offer, self._search.servers
        self._losses = self._search.losses
        self._done = 0
        self._began_at = self._young_until = 0.0
        self._delivery: Delivery | None = None
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`. "sample" counts in percent of the server's work; it stands still for a server
        that does not report any."""
        yield self._progress()
        try:
            if self._waiter.call is not None:
                yield from self._adopt(self._waiter.call)
            while (delivery := self._delivery) is None:
                with suppress(_JobLost):
                    if self._place.job is None:
                        with timed(self.stage_seconds, "wait"):
                            job = yield from self._search.place()
                            self._accept(job)
                    yield from self._follow()
                    yield from self._collect()
            self.pool.health(self._place.current()[0].name).record(True, job=True)
            yield from self._losses.check(self.servers, self._new_client, self._waiter)
        finally:
            self._place.release()
        yield Progress("decode", len(delivery.frames), len(delivery.frames))

    def state(self) -> State:
        """See `Run.state`. It holds no key."""
        values = {
            "server": self._place.server.name if self._place.server else "",
            "job": self._place.job.id if self._place.job else "",
            "done": self._done,
            "stage_seconds": self.stage_seconds,
            "losses": self._losses.as_json(),
        }
        return saved_state.save(ENGINE, self._done, self.request.identity(), values)

    def clip(self) -> Clip:
        delivery, server = self._delivery, self._place.server
        if delivery is None or server is None:
            raise EngineError("the clip is not finished", "run all steps first")
        note = f"made by {server.name} with {server.models[self._search.model]}{delivery.sound_note}"
        if "seed" not in server.dialect.fields:
            note += ", with a seed of its own"
        provenance = Provenance(
            engine=ENGINE,
            model=self.model,
            seed=self.request.seed,
            steps=self.request.steps or 0,
            native_size=(delivery.frames.shape[2], delivery.frames.shape[1]),
            stage_seconds=self.stage_seconds,
            read_as=note,
            licence=self.offer.licence if self.offer.licence != UNKNOWN else "",
            provider=server.name,
            losses=tuple(self._losses.as_json()),
        )
        provenance = wire.add_answer(provenance, delivery.job.provenance)
        return Clip(delivery.frames, delivery.fps, provenance, delivery.sound)

    def abandon(self) -> None:
        """See `Abandonable.abandon`: the job is cancelled on its server."""
        client, call = self._place.client, self._waiter.call
        if client is None:
            return
        name = self._place.job.id if self._place.job else ""
        if call is not None and not client.upstream.dialect.job:
            client.hang_up()
        elif call is not None and not name and wait_for(call, GRACE_SECONDS):
            # The job was just being created; only the answer names it.
            result = None if call.exception() else call.result()
            name = result.id if isinstance(result, Job) else ""
        stopped = client.cancel(name) if name else call is None
        if not stopped:
            log.info("upstream %s may continue a job that was abandoned", client.upstream.name)
        self._place.release()
        self._place.job = self._waiter.call = None

    def _accept(self, job: Job) -> None:
        server = self._place.server
        assert server is not None
        self.pool.breaker(server).record_success()
        self.pool.health(server.name).record(True)
        self.pool.health(server.name).record_job(job.id)
        self._place.job, self._began_at = job, self._clock()
        self._young_until = self._began_at + YOUNG_SECONDS
        self._done = CREATED
        self._search.jobs += 1
        log.info(
            "upstream %s has the job", server.name, extra={"upstream": server.name, "remote_job": job.id}
        )

    def _adopt(self, call: Future[Any]) -> Steps[None]:
        """Wait for the answer to a request that was sent just before the run was paused."""
        with suppress(UpstreamError):
            job = yield from self._waiter.join(call)
            if isinstance(job, Job) and self._place.job is None and self._place.server is not None:
                self._accept(job)

    def _follow(self) -> Steps[None]:
        """Poll the job until it is finished."""
        (server, job), silent_since = self._place.current(), None
        try:
            client = self._place.client = self._place.client or self._new_client(server)
        except UpstreamError as error:
            self._lose(server, error.message)
        if self._place.permit is None:
            # Continued after a pause: the job runs whether there is a place or not.
            self._place.permit = self.pool.semaphore(server).acquire()
        self._began_at = self._began_at or self._clock()
        yield dataclasses.replace(self._progress(), save=True)
        with timed(self.stage_seconds, "sample"):
            while job.phase is not Phase.DONE:
                try:
                    job = yield from self._waiter.background(partial(client.poll, job.id))
                except UpstreamError as error:
                    silent_since = self._clock() if silent_since is None else silent_since
                    if error.final:
                        raise refused() from None
                    # Whatever else an answer says may pass; the job is paid.
                    if error.category is Category.GONE and self._clock() >= self._young_until:
                        self._lose(server, error.message)
                    # A clip that is paid for is waited for.
                    patience = math.inf if self._search.is_priced(server) else server.lost_seconds
                    if self._clock() - silent_since >= patience:
                        self.pool.breaker(server).record_failure()
                        self._lose(server, error.message, cancel=True)
                else:
                    silent_since = None
                    self.pool.breaker(server).record_success()
                    self._place.job = job
                    if job.refused:
                        raise refused()
                    if job.phase is Phase.FAILED:
                        self.pool.health(server.name).record(job.invalid, job=True)
                        self._search.candidates.exclude(server, "refused" if job.invalid else "failed")
                        self._leave()
                    if job.percent is not None:
                        done = CREATED + math.floor(job.percent * (FINISHED - CREATED) / TOTAL)
                        self._done = max(self._done, done)
                if self._clock() - self._began_at >= server.whole_seconds:
                    self._lose(server, "took longer than it may", cancel=True)
                yield self._progress()
                if job.phase is not Phase.DONE:
                    yield from self._waiter.wait(server.poll_seconds or client.poll_after or POLL_SECONDS)
            self._done = FINISHED
            yield self._progress()

    def _lose(self, server: Upstream, reason: str, *, cancel: bool = False) -> NoReturn:
        log.warning("upstream %s %s; another server starts the video again", server.name, reason)
        stopped = False
        if cancel and self._place.client is not None and self._place.job is not None:
            stopped = self._place.client.cancel(self._place.job.id)
        if not stopped:
            self._losses.record(server, self._search.model, self._place.job, reason)
        self._search.candidates.record_loss(server)
        self._leave()

    def _drop(self, server: Upstream, reason: str) -> NoReturn:
        log.warning("upstream %s %s", server.name, reason)
        self.pool.breaker(server).record_failure()
        self._losses.record(server, self._search.model, self._place.job, reason)
        self._search.candidates.exclude(server, "unusable")
        self._leave()

    def _leave(self) -> NoReturn:
        self._place.release()
        self._place.job = self._place.client = None
        self._done, self._began_at = 0, 0.0
        if self._search.jobs >= MAX_JOBS:
            raise self._search.error()
        raise _JobLost

    def _collect(self) -> Steps[None]:
        """Fetch and decode the file."""
        (server, job), client = self._place.current(), self._place.client
        assert client is not None
        size = self.form.size if self.request.operation == "generate" else self.request.size
        try:
            self._delivery = yield from collect(
                client, job, self.request, size, self._waiter, self.stage_seconds
            )
            self._place.job = self._delivery.job
        except Undelivered as error:
            self._drop(server, str(error))

    def _progress(self) -> Progress:
        return Progress("sample", self._done, TOTAL)

    def _restore(self, state: State) -> None:
        values = saved_state.restore(state, ENGINE, self.request.identity())
        self.stage_seconds.update(values["stage_seconds"])
        server = next((server for server in self.servers if server.name == values["server"]), None)
        if server is not None and values["job"] and server.dialect.job:
            self._place.server, self._place.job = server, Job(values["job"], Phase.WORKING)
            self._done, self._search.jobs = min(max(values["done"], CREATED), FINISHED), 1
        self._losses.restore(values.get("losses", ()))
