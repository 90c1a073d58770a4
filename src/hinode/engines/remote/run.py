"""One request, made by another server: find one, create the job, follow it, fetch its file.

Between two steps the run is nothing but the name of a server and of a job there. Whatever goes wrong at one
server, from a full queue to its end in the middle of a job, sends the request to the next one.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import secrets
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

from hinode.background import start_call, wait_for
from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.protocol import Progress, State, timed
from hinode.engines.remote import wire
from hinode.engines.remote.candidates import FIRST_BACKOFF, Candidates
from hinode.engines.remote.client import Client
from hinode.engines.remote.decoder import VideoDecoder
from hinode.engines.remote.dialects import Phase
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.lookup import Missing, look_up
from hinode.engines.remote.losses import Losses
from hinode.engines.remote.pool import Pool
from hinode.engines.remote.upstreams import AT, ENGINE, UNKNOWN, Upstream, Upstreams
from hinode.engines.remote.wire import Job, NativeForm
from hinode.errors import BadInput, EngineError, NoPlace, NotAccepted, OutputError
from hinode.media.container import DecodeError
from hinode.media.sound import UnusableSound
from hinode.request import Request

log = logging.getLogger(__name__)
T = TypeVar("T")
Steps = Generator[Progress, None, T]

TOTAL = 100
CREATED, FINISHED = 1, 99
"""Percent at which the server has the job, and at which its file is there."""

TICK = 0.25
MAX_PAUSE = 1.0
"""Seconds between two steps while a server is awaited: a run can be stopped between steps."""

POLL_SECONDS = 1.0
MAX_JOBS = 8
"""Jobs of one run in all."""
DOWNLOADS = 3
"""Attempts to fetch a file."""

GRACE_SECONDS = 5.0
"""How long a cancellation waits for the answer to the creation of the job."""
YOUNG_SECONDS = 5.0
"""How long a new job may be unknown: one machine created it, and another one answers."""
AGAIN = "try again later"
FULL = "has no free place"


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
        # One server that is named is asked once: whoever named it has others, or wants no other.
        self._model, self._pinned = self.model.partition(AT)[0], AT in self.model
        self.offer = upstreams.offers[self._model]
        self.form = NativeForm.of(request, self.offer)
        self.servers = upstreams.servers_for(request)
        self.patience_seconds = upstreams.patience_seconds
        self.pool = pool
        self.stage_seconds: dict[str, float] = {}
        self._new_client = new_client
        self._clock, self._pause = pool.clock, pause
        self._candidates = Candidates(self.servers, pool.clock)
        self._done = 0
        self._server: Upstream | None = None
        self._job: Job | None = None
        self._began_at = self._young_until = 0.0
        self._client: Client | None = None
        self._permit: ExitStack | None = None
        self._call: Future[Any] | None = None
        self._jobs = 0
        self._losses = Losses(self.form.seconds)
        self._frames: Frames | None = None
        self._fps = 0.0
        self._sound: Sound | None = None
        self._sound_note = ""
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`. "sample" counts in percent of the server's work; it stands still for a server
        that does not report any."""
        yield self._progress()
        try:
            if self._call is not None:
                yield from self._adopt(self._call)
            while self._frames is None:
                with suppress(_JobLost):
                    if self._job is None:
                        yield from self._place()
                    yield from self._follow()
                    yield from self._collect()
            self.pool.health(self._current()[0].name).record(True, job=True)
            yield from self._losses.check(self.servers, self._new_client, self._background)
        finally:
            self._release()
        yield Progress("decode", len(self._frames), len(self._frames))

    def state(self) -> State:
        """See `Run.state`. It holds no key."""
        values = {
            "server": self._server.name if self._server else "",
            "job": self._job.id if self._job else "",
            "done": self._done,
            "stage_seconds": self.stage_seconds,
            "losses": self._losses.as_json(),
        }
        return saved_state.save(ENGINE, self._done, self.request.identity(), values)

    def clip(self) -> Clip:
        if self._frames is None or self._server is None:
            raise EngineError("the clip is not finished", "run all steps first")
        note = f"made by {self._server.name} with {self._server.models[self._model]}{self._sound_note}"
        if "seed" not in self._server.dialect.fields:
            note += ", with a seed of its own"
        provenance = Provenance(
            engine=ENGINE,
            model=self.model,
            seed=self.request.seed,
            steps=self.request.steps or 0,
            native_size=(self._frames.shape[2], self._frames.shape[1]),
            stage_seconds=self.stage_seconds,
            read_as=note,
            licence=self.offer.licence if self.offer.licence != UNKNOWN else "",
            provider=self._server.name,
            losses=tuple(self._losses.as_json()),
        )
        answer = self._job.provenance if self._job else {}
        return Clip(self._frames, self._fps, wire.add_answer(provenance, answer), self._sound)

    def abandon(self) -> None:
        """See `Abandonable.abandon`: the job is cancelled on its server."""
        client, call = self._client, self._call
        if client is None:
            return
        name = self._job.id if self._job else ""
        if call is not None and not client.upstream.dialect.job:
            client.hang_up()
        elif call is not None and not name and wait_for(call, GRACE_SECONDS):
            # The job was just being created; only the answer names it.
            result = None if call.exception() else call.result()
            name = result.id if isinstance(result, Job) else ""
        stopped = client.cancel(name) if name else call is None
        if not stopped:
            log.info("upstream %s may continue a job that was abandoned", client.upstream.name)
        self._release()
        self._job = self._call = None

    # Finding a server

    def _place(self) -> Steps[None]:
        """Create a job on the first server that accepts it."""
        deadline = self._clock() + (0.0 if self._pinned else self.patience_seconds)
        nonce = secrets.token_urlsafe()  # the same for every attempt at one job
        problem = FULL
        with timed(self.stage_seconds, "wait"):
            while True:
                next_try = math.inf
                for server in self.pool.order(self._candidates.remaining):
                    breaker = self.pool.breaker(server)
                    ready_at = max(self._candidates.ready_at(server), breaker.ready_at)
                    if self._clock() < ready_at:
                        next_try = min(next_try, ready_at)
                        continue
                    self._permit = self.pool.semaphore(server).acquire()
                    if self._permit is None:
                        next_try = self._clock()
                        continue
                    if not breaker.allow():
                        self._release()
                        problem = "gets no jobs after failures"
                        continue
                    try:
                        yield from self._create(server, nonce)
                        return
                    except UpstreamError as error:
                        self._release()
                        problem = error.message
                        next_try = min(next_try, self._postpone(server, error))
                if not self._candidates.remaining or self._jobs >= MAX_JOBS:
                    raise self._error()
                if self._clock() >= deadline:
                    message = f"no server took the request in time; the last one {problem}"
                    raise NoPlace(message, AGAIN) if problem is FULL else self._not_accepted(message)
                wait = next_try - self._clock() if next_try < math.inf else MAX_PAUSE
                yield from self._wait(min(max(wait, TICK), MAX_PAUSE))

    def _create(self, server: Upstream, nonce: str) -> Steps[None]:
        client = self._new_client(server)
        self._server, self._client = server, client
        if self.pool.breaker(server).needs_health_check():
            yield from self._background(client.check_health)
        body = wire.body(self.request, self.form, self.offer, server)
        try:
            job = yield from self._background(partial(client.create, body, nonce))
        except UpstreamError as error:
            if error.category not in (Category.UNANSWERED, Category.UNREADABLE):
                raise
            job = yield from self._find(server, client, body, nonce, error)
        self._accept(server, job)

    def _find(
        self, server: Upstream, client: Client, body: wire.Body, nonce: str, error: UpstreamError
    ) -> Steps[Job]:
        """The job of a request that was sent and has no usable answer; raises `error` if there is none."""
        log.warning("upstream %s %s, and is asked whether it has the job", server.name, error.message)
        health = self.pool.health(server.name)
        result = yield from look_up(
            client,
            body,
            nonce,
            prompt=self.request.prompt,
            health=health,
            clock=self._clock,
            background=self._background,
            wait=self._wait,
        )
        if isinstance(result, Job):
            return result
        if result is Missing.ABSENT:
            error.category = Category.DOWN
        else:
            self._losses.record(server, self._model, None, error.message)
            if self._is_priced(server):
                message = "a server may have begun the video, and nobody can say whether it did"
                raise EngineError(message, "ask whoever runs this server before you try again", final=True)
        raise error

    def _accept(self, server: Upstream, job: Job) -> None:
        self.pool.breaker(server).record_success()
        self.pool.health(server.name).record(True)
        self.pool.health(server.name).record_job(job.id)
        self._job, self._began_at = job, self._clock()
        self._young_until = self._began_at + YOUNG_SECONDS
        self._done = CREATED
        self._jobs += 1
        log.info(
            "upstream %s has the job", server.name, extra={"upstream": server.name, "remote_job": job.id}
        )

    def _adopt(self, call: Future[Any]) -> Steps[None]:
        """Wait for the answer to a request that was sent just before the run was paused."""
        with suppress(UpstreamError):
            job = yield from self._await(call)
            if isinstance(job, Job) and self._job is None and self._server is not None:
                self._accept(self._server, job)

    def _postpone(self, server: Upstream, error: UpstreamError) -> float:
        """When a server that did not create the job is tried again, if ever."""
        log.warning("upstream %s %s", server.name, error.message)
        if error.final:
            raise _refused()
        if error.category not in (Category.REFUSED, Category.BUSY):
            self.pool.breaker(server).record_failure()
        next_try = self._candidates.postpone(server, error)
        if error.category in (Category.UNANSWERED, Category.UNREADABLE):
            self._jobs += 1
        return next_try

    # Following the job

    def _follow(self) -> Steps[None]:
        """Poll the job until it is finished."""
        (server, job), silent_since = self._current(), None
        try:
            client = self._client = self._client or self._new_client(server)
        except UpstreamError as error:
            self._lose(server, error.message)
        if self._permit is None:  # continued after a pause: the job runs whether there is a place or not
            self._permit = self.pool.semaphore(server).acquire()
        self._began_at = self._began_at or self._clock()
        yield dataclasses.replace(self._progress(), save=True)
        with timed(self.stage_seconds, "sample"):
            while job.phase is not Phase.DONE:
                try:
                    job = yield from self._background(partial(client.poll, job.id))
                except UpstreamError as error:
                    silent_since = self._clock() if silent_since is None else silent_since
                    if error.final:
                        raise _refused() from None
                    # Whatever else an answer says may pass; the job is paid.
                    if error.category is Category.GONE and self._clock() >= self._young_until:
                        self._lose(server, error.message)
                    # A clip that is paid for is waited for.
                    patience = math.inf if self._is_priced(server) else server.lost_seconds
                    if self._clock() - silent_since >= patience:
                        self.pool.breaker(server).record_failure()
                        self._lose(server, error.message, cancel=True)
                else:
                    silent_since = None
                    self.pool.breaker(server).record_success()
                    self._job = job
                    if job.refused:
                        raise _refused()
                    if job.phase is Phase.FAILED:
                        self.pool.health(server.name).record(job.invalid, job=True)
                        self._candidates.exclude(server, "refused" if job.invalid else "failed")
                        self._leave()
                    if job.percent is not None:
                        done = CREATED + math.floor(job.percent * (FINISHED - CREATED) / TOTAL)
                        self._done = max(self._done, done)
                if self._clock() - self._began_at >= server.whole_seconds:
                    self._lose(server, "took longer than it may", cancel=True)
                yield self._progress()
                if job.phase is not Phase.DONE:
                    yield from self._wait(server.poll_seconds or client.poll_after or POLL_SECONDS)
            self._done = FINISHED
            yield self._progress()

    def _lose(self, server: Upstream, reason: str, *, cancel: bool = False) -> NoReturn:
        log.warning("upstream %s %s; another server starts the video again", server.name, reason)
        stopped = False
        if cancel and self._client is not None and self._job is not None:
            stopped = self._client.cancel(self._job.id)
        if not stopped:
            self._losses.record(server, self._model, self._job, reason)
        self._candidates.record_loss(server)
        self._leave()

    def _drop(self, server: Upstream, reason: str) -> NoReturn:
        log.warning("upstream %s %s", server.name, reason)
        self.pool.breaker(server).record_failure()
        self._losses.record(server, self._model, self._job, reason)
        self._candidates.exclude(server, "unusable")
        self._leave()

    def _leave(self) -> NoReturn:
        self._release()
        self._job = self._client = None
        self._done, self._began_at = 0, 0.0
        if self._jobs >= MAX_JOBS:
            raise self._error()
        raise _JobLost

    def _error(self) -> Exception:
        """The error for the person when no server made the video."""
        error = self._candidates.error(self.model)
        if not self._pinned or not isinstance(error, BadInput | EngineError):
            return error
        if self._jobs and self._is_priced(self.servers[0]):
            return EngineError("the server that accepted the video did not deliver it", AGAIN, final=True)
        return self._not_accepted(error.message, final=bool(self._jobs) or isinstance(error, BadInput))

    def _not_accepted(self, message: str, *, final: bool = False) -> NotAccepted:
        note = ", and may make the video in vain" if self._losses.as_json() else ""
        return NotAccepted(message + note, AGAIN, final=final)

    def _is_priced(self, server: Upstream) -> bool:
        """Whether the clips of a server are paid for."""
        return server.prices.get(self._model) is not None

    # Fetching the file

    def _collect(self) -> Steps[None]:
        """Fetch and decode the file."""
        (server, job), client = self._current(), self._client
        assert client is not None
        try:
            with tempfile.TemporaryFile() as file:
                with timed(self.stage_seconds, "fetch"):
                    for attempts_left in reversed(range(DOWNLOADS)):
                        try:
                            yield from self._background(partial(client.fetch, job, file))
                            break
                        except UpstreamError as error:
                            if not attempts_left or not error.is_temporary:
                                raise
                            yield from self._wait(error.wait or FIRST_BACKOFF)
                        if job.link:  # it may have expired, and the next answer has another one
                            with suppress(UpstreamError):
                                job = yield from self._background(partial(client.poll, job.id))
                self._job = dataclasses.replace(job, content="")  # some answers carry the file
                with timed(self.stage_seconds, "decode"):
                    size = self.form.size if self.request.operation == "generate" else self.request.size
                    yield from self._decode(VideoDecoder(file, size=size, seconds=self.request.seconds))
        except UpstreamError as error:
            # What it finished and does not hand over would be lost, and paid, a second time.
            self._drop(server, f"finished the video, and {error.message}")
        except DecodeError as error:
            self._drop(server, f"sent a file that {error}")
        except OSError as error:
            message = f"there is no room for the file of a server: {error.strerror}"
            raise OutputError(message, "make room in the temporary folder") from error

    def _decode(self, decoder: VideoDecoder) -> Steps[None]:
        try:
            yield Progress("decode", 0, decoder.total)
            for count in decoder:
                yield Progress("decode", count, decoder.total)
            self._sound = None if self.request.sound is False else self._read_sound(decoder)
            self._frames, self._fps = decoder.frames, float(decoder.fps)
        finally:
            decoder.close()

    def _read_sound(self, decoder: VideoDecoder) -> Sound | None:
        """The sound of the file. A request for sound prefers another clip to one without it."""
        self._sound_note = ""
        try:
            sound = decoder.read_sound()
        except UnusableSound as error:
            if self.request.sound:
                raise DecodeError(f"has sound that {error}") from error
            log.warning("upstream %s sent a file whose sound %s", self._current()[0].name, error)
            self._sound_note = f", without its sound, which {error}"
            return None
        if self.request.sound and sound is None:
            raise DecodeError("has no sound")
        return sound

    # Steps of all stages

    def _current(self) -> tuple[Upstream, Job]:
        assert self._server is not None
        assert self._job is not None
        return self._server, self._job

    def _progress(self) -> Progress:
        return Progress("sample", self._done, TOTAL)

    def _background(self, work: Callable[[], T]) -> Steps[T]:
        """Call something slow, with a step every quarter of a second."""
        self._call = call = start_call(work, "upstream")
        return (yield from self._await(call))

    def _await(self, call: Future[T]) -> Steps[T]:
        while not wait_for(call, TICK):
            yield self._progress()
        self._call = None
        return call.result()

    def _wait(self, seconds: float) -> Steps[None]:
        while seconds > 0:
            share = min(seconds, MAX_PAUSE)
            self._pause(share)
            seconds -= share
            yield self._progress()

    def _release(self) -> None:
        """Free the place at the server."""
        if self._permit is not None:
            self._permit.close()
            self._permit = None

    def _restore(self, state: State) -> None:
        values = saved_state.restore(state, ENGINE, self.request.identity())
        self.stage_seconds.update(values["stage_seconds"])
        server = next((server for server in self.servers if server.name == values["server"]), None)
        if server is not None and values["job"] and server.dialect.job:
            self._server, self._job = server, Job(values["job"], Phase.WORKING)
            self._done, self._jobs = min(max(values["done"], CREATED), FINISHED), 1
        self._losses.restore(values.get("losses", ()))


def _refused() -> BadInput:
    return BadInput("the server does not make such videos", "change the prompt", field="prompt")
