"""One request, made by another server: find one, have it begin, look how far it is, fetch what it made.

Between two steps the run is nothing but the name of a server and of a job there. Whatever goes wrong at one
server, from a full queue to its death midway, sends the request to the next.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from hinode.background import start_call, wait_for
from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.protocol import Progress, State, timed
from hinode.engines.remote import wire
from hinode.engines.remote.client import Client
from hinode.engines.remote.decoder import UnusableVideo, VideoDecoder
from hinode.engines.remote.dialects import Phase
from hinode.engines.remote.faults import Category, UpstreamError
from hinode.engines.remote.pool import Pool
from hinode.engines.remote.slots import Permit
from hinode.engines.remote.surroundings import Environment
from hinode.engines.remote.upstreams import ENGINE, UNKNOWN, Offer, Upstream
from hinode.engines.remote.wire import Job, NativeForm
from hinode.errors import BadInput, EngineError, OutputError
from hinode.media.soundtrack import UnusableSound
from hinode.request import Request
from hinode.retry import backoff

log = logging.getLogger(__name__)
T = TypeVar("T")
Steps = Generator[Progress, None, T]

TOTAL = 100
MADE, FETCHING = 1, 99
"""Percent at which a job is there, and at which its file is."""

TICK = 0.25
MAX_PAUSE = 1.0
"""Seconds between two steps while a server is awaited: an order to stop is heard between steps."""

POLL_SECONDS = 1.0
FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0
MAX_JOBS = 8
MAX_LOSSES = 2
DOWNLOADS = 3
"""Jobs that one run has made in all, jobs that one server may lose of it, and tries at fetching a file."""

GRACE_SECONDS = 5.0
YOUNG_SECONDS = 5.0
"""A new job that is not known yet is looked for again so long: one machine made it, and another is asked."""
MAX_MESSAGE_LENGTH = 1000


class RemoteRun:
    """A request being made elsewhere; see the module."""

    def __init__(
        self,
        request: Request,
        drawing: NativeForm,
        offer: Offer,
        servers: Sequence[Upstream],
        pool: Pool,
        client: Callable[[Upstream], Client],
        surroundings: Environment,
        state: State | None,
        *,
        patience_seconds: float,
    ) -> None:
        """
        Args:
            request: what to make; it names the model.
            drawing: how it is drawn.
            offer: what the model is offered as.
            servers: those that can make it.
            pool: what is known of them.
            client: gives what asks one of them, or raises a Fault.
            surroundings: time and chance.
            state: where to go on, or None.
            patience_seconds: how long a server may be sought.
        """
        self.request = request
        self.drawing = drawing
        self.model = str(request.model)
        self.offer = offer
        self.servers = servers
        self.patience_seconds = patience_seconds
        self.pool = pool
        self.stage_seconds: dict[str, float] = {}
        self._new_client = client
        self._clock, self._pause = surroundings.clock, surroundings.pause
        self._nonce = surroundings.nonce
        self._done = 0
        self._server: Upstream | None = None
        self._job: Job | None = None
        self._began_at = self._young_until = 0.0
        self._client: Client | None = None
        self._slot: Permit | None = None
        self._call: Future[Any] | None = None
        self._out: dict[str, str] = {}  # servers that are not asked again, and why
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._losses: dict[str, int] = {}
        self._jobs = 0
        self._frames: Frames | None = None
        self._fps = 0.0
        self._sound: Sound | None = None
        self._unheard = ""
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`. "sample" counts in percent of the server's work; one that tells nothing stays
        where it is."""
        yield self._progress()
        try:
            if self._call is not None:
                yield from self._adopt(self._call)
            while self._frames is None:
                if self._job is None:
                    yield from self._place()
                yield from self._follow()
                if self._job is not None:
                    yield from self._collect()
        finally:
            self._let_go()
        yield Progress("decode", len(self._frames), len(self._frames))

    def state(self) -> State:
        """See `Run.state`. It holds no key."""
        values = {
            "server": self._server.name if self._server else "",
            "job": self._job.id if self._job else "",
            "done": self._done,
            "stage_seconds": self.stage_seconds,
        }
        return saved_state.save(ENGINE, self._done, self.request.identity(), values)

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self._frames is None or self._server is None:
            raise EngineError("the clip is not finished", "run all steps first")
        told = self._job.making if self._job else {}
        elsewhere = f"made by {self._server.name} with {self._server.models[self.model]}{self._unheard}"
        read_as = told.get("read_as")
        return Clip(
            self._frames,
            self._fps,
            Provenance(
                engine=ENGINE,
                model=self.model,
                seed=self.request.seed,
                steps=_whole(told.get("steps")) or self.request.steps or 0,
                native_size=(self._frames.shape[2], self._frames.shape[1]),
                stage_seconds=self.stage_seconds,
                understood=_words(told.get("understood")),
                not_understood=_words(told.get("not_understood")),
                read_as=f"{read_as[:MAX_MESSAGE_LENGTH]}; {elsewhere}"
                if isinstance(read_as, str)
                else elsewhere,
                licence=self.offer.licence if self.offer.licence != UNKNOWN else "",
            ),
            self._sound,
        )

    def abandon(self) -> None:
        """See `Elsewhere.abandon`: the server is told that nobody wants the clip any more."""
        client, call = self._client, self._call
        if client is None:
            return
        name = self._job.id if self._job else ""
        if call is not None and self._server is not None and not self._server.dialect.job:
            client.hang_up()
        elif call is not None and not name and wait_for(call, GRACE_SECONDS):
            # It was being asked to begin; only its answer says what there is to give up.
            try:
                made = call.result()
            except Exception:
                made = None
            name = made.id if isinstance(made, Job) else ""
        stopped = client.cancel(name) if name else call is None
        if not stopped:
            log.info("upstream %s may go on with a job that was given up", client.upstream.name)
        self._let_go()
        self._job = self._call = None

    # Finding a server

    def _place(self) -> Steps[None]:
        """Have a job made by the first server that takes it."""
        given_up = self._clock() + self.patience_seconds
        nonce = self._nonce()
        last = "has no free place"
        with timed(self.stage_seconds, "wait"):
            while True:
                soonest = math.inf
                for server in self.pool.order(self._left()):
                    ready = self._not_before.get(server.name, -math.inf)
                    if self._clock() < ready:
                        soonest = min(soonest, ready)
                        continue
                    breaker = self.pool.breaker(server)
                    if breaker.is_open and self._clock() < breaker.ready_at:
                        soonest = min(soonest, breaker.ready_at)
                        continue
                    slot = self.pool.slots(server).take()
                    if slot is None:
                        soonest = self._clock()
                        continue
                    self._slot = slot
                    if not breaker.let_through():
                        self._let_go()
                        continue
                    try:
                        yield from self._create(server, nonce)
                        return
                    except UpstreamError as fault:
                        self._let_go()
                        last = fault.message if fault.kind in (Category.BUSY, Category.DOWN) else last
                        soonest = min(soonest, self._put_off(server, fault))
                if not self._left():
                    raise self._nobody()
                if self._clock() >= given_up:
                    raise EngineError(
                        f"no server took the request in time; the last one {last}", "try again later"
                    )
                wait = soonest - self._clock() if soonest < math.inf else MAX_PAUSE
                yield from self._wait(min(max(wait, TICK), MAX_PAUSE))

    def _left(self) -> list[Upstream]:
        return [server for server in self.servers if server.name not in self._out]

    def _create(self, server: Upstream, nonce: str) -> Steps[None]:
        client = self._new_client(server)
        self._server, self._client = server, client
        if self.pool.unsure(server):
            yield from self._meanwhile(client.alive)
        body = wire.body(self.request, self.drawing, self.offer, server)
        self._begun(server, (yield from self._meanwhile(lambda: client.create(body, nonce))))

    def _begun(self, server: Upstream, job: Job) -> None:
        self.pool.heard(server)
        self._job, self._began_at = job, self._clock()
        self._young_until = self._began_at + YOUNG_SECONDS
        self._done = MADE
        self._jobs += 1
        log.info("upstream %s began", server.name, extra={"upstream": server.name, "remote_job": job.id})

    def _adopt(self, call: Future[Any]) -> Steps[None]:
        """Hear the answer to what was asked just before the run was paused."""
        while not wait_for(call, TICK):
            yield self._progress()
        self._call = None
        with suppress(UpstreamError):
            job = call.result()
            if isinstance(job, Job) and self._job is None:
                self._begun(self._at(), job)

    def _put_off(self, server: Upstream, fault: UpstreamError) -> float:
        """When a server that could not begin is asked again, if ever."""
        log.warning("upstream %s %s", server.name, fault.message)
        if fault.final:
            raise _refused()
        if fault.kind in (Category.REFUSED, Category.UNUSABLE):
            if fault.kind is Category.UNUSABLE:
                self.pool.failed(server)
            self._out[server.name] = fault.kind.value
            return math.inf
        failures = self._failures[server.name] = self._failures.get(server.name, 0) + 1
        if fault.kind is not Category.BUSY:
            self.pool.failed(server)
        wait = (
            backoff(failures, first=FIRST_BACKOFF, maximum=MAX_BACKOFF) if fault.wait is None else fault.wait
        )
        ready = self._clock() + wait
        self._not_before[server.name] = ready
        return ready

    def _nobody(self) -> Exception:
        if self._out and set(self._out.values()) == {Category.REFUSED.value}:
            return BadInput(
                f"no server that makes {self.model} accepts the request",
                "change it; whoever runs this server can read in its log what was wrong",
                field="prompt",
            )
        return EngineError(
            "none of the servers that could make the video did",
            "try again later; whoever runs this server can read in its log why",
        )

    # Waiting for it

    def _follow(self) -> Steps[None]:
        """Look at the job until it is finished; `_job` is None afterwards if it will not be."""
        server, silent_since = self._at(), None
        try:
            client = self._client = self._client or self._new_client(server)
        except UpstreamError as fault:
            self._lose(server, fault.message)
            return
        if self._slot is None:  # gone on with after a pause: the job runs whether there is a place or not
            self._slot = self.pool.slots(server).take()
        self._began_at = self._began_at or self._clock()
        yield self._progress()
        with timed(self.stage_seconds, "sample"):
            while self._job is not None and self._job.phase is not Phase.DONE:
                name = self._job.id
                try:
                    job = yield from self._meanwhile(lambda name=name: client.look(name))  # type: ignore[misc]
                except UpstreamError as fault:
                    silent_since = self._clock() if silent_since is None else silent_since
                    if fault.final:
                        raise _refused() from None
                    young = fault.kind is Category.GONE and self._clock() < self._young_until
                    if fault.kind not in (Category.DOWN, Category.BUSY) and not young:
                        self._lose(server, fault.message)
                        return
                    if self._clock() - silent_since >= server.lost_seconds:
                        self.pool.failed(server)
                        self._lose(server, fault.message, cancel=True)
                        return
                else:
                    silent_since = None
                    self.pool.heard(server)
                    self._job = job
                    if job.phase is Phase.FAILED:
                        self._fail(server, job)
                        return
                    if job.percent is not None:
                        reached = MADE + math.floor(job.percent * (FETCHING - MADE) / TOTAL)
                        self._done = max(self._done, reached)
                if self._clock() - self._began_at >= server.whole_seconds:
                    self._lose(server, "took longer than it may", cancel=True)
                    return
                yield self._progress()
                if self._job.phase is not Phase.DONE:
                    yield from self._wait(server.poll_seconds or client.poll_after or POLL_SECONDS)
            self._done = FETCHING
            yield self._progress()

    def _fail(self, server: Upstream, job: Job) -> None:
        if job.refused:
            raise _refused()
        self._out[server.name] = "failed"
        self._leave()

    def _lose(self, server: Upstream, why: str, *, cancel: bool = False) -> None:
        log.warning("upstream %s %s; the video is begun again elsewhere", server.name, why)
        if cancel and self._client is not None and self._job is not None:
            self._client.cancel(self._job.id)
        losses = self._losses[server.name] = self._losses.get(server.name, 0) + 1
        self._not_before[server.name] = self._clock() + backoff(
            losses + 1, first=FIRST_BACKOFF, maximum=MAX_BACKOFF
        )
        if losses >= MAX_LOSSES:
            self._out[server.name] = "lost"
        self._leave()

    def _leave(self) -> None:
        self._let_go()
        self._job = self._client = None
        self._done, self._began_at = 0, 0.0
        if self._jobs >= MAX_JOBS:
            raise self._nobody()

    # Having it

    def _collect(self) -> Steps[None]:
        """Fetch and decode what was made; `_job` is None afterwards if it cannot be used."""
        server, job, client = self._at(), self._job, self._client
        assert job is not None
        assert client is not None
        try:
            with tempfile.TemporaryFile() as file:
                with timed(self.stage_seconds, "fetch"):
                    for tries_left in reversed(range(DOWNLOADS)):
                        try:
                            file.seek(0)
                            file.truncate()
                            yield from self._meanwhile(lambda: client.fetch(job, file))
                            break
                        except UpstreamError as fault:
                            if fault.kind not in (Category.DOWN, Category.BUSY) or not tries_left:
                                raise
                            yield from self._wait(fault.wait or FIRST_BACKOFF)
                self._job = Job(job.id, job.phase, job.percent, making=job.making)  # without the file in it
                with timed(self.stage_seconds, "decode"):
                    yield from self._decode(
                        VideoDecoder(file, size=self._size(), seconds=self.request.seconds)
                    )
        except UpstreamError as fault:
            self.pool.failed(server)
            self._lose(server, fault.message)
        except UnusableVideo as error:
            log.warning("upstream %s sent a file that %s", server.name, error)
            self.pool.failed(server)
            self._out[server.name] = "unusable"
            self._leave()
        except OSError as error:
            raise OutputError(
                f"there is no room for a video on its way: {error.strerror}",
                "make room in the temporary folder",
            ) from error

    def _decode(self, footage: VideoDecoder) -> Steps[None]:
        try:
            yield Progress("decode", 0, footage.total)
            for count in footage:
                yield Progress("decode", count, footage.total)
            self._sound = None if self.request.sound is False else self._hear(footage)
            self._frames, self._fps = footage.frames, float(footage.fps)
        finally:
            footage.close()

    def _hear(self, footage: VideoDecoder) -> Sound | None:
        """The sound of what was made. Who asked for it would rather have another clip than none of it."""
        self._unheard = ""
        try:
            sound = footage.read_sound()
        except UnusableSound as error:
            if self.request.sound:
                raise UnusableVideo(f"has sound that {error}") from error
            log.warning("upstream %s sent a file whose sound %s", self._at().name, error)
            self._unheard = f", without its sound, which {error}"
            return None
        if self.request.sound and sound is None:
            raise UnusableVideo("has no sound")
        return sound

    def _size(self) -> tuple[int, int]:
        return self.drawing.size if self.request.operation == "generate" else self.request.size

    # What all of it needs

    def _at(self) -> Upstream:
        assert self._server is not None, "a job is somewhere"
        return self._server

    def _progress(self) -> Progress:
        return Progress("sample", self._done, TOTAL)

    def _meanwhile(self, work: Callable[[], T]) -> Steps[T]:
        """Call something slow, with a step every quarter of a second."""
        call = start_call(work, "upstream")
        self._call = call
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

    def _let_go(self) -> None:
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    def _restore(self, state: State) -> None:
        values = saved_state.restore(state, ENGINE, self.request.identity())
        self.stage_seconds.update(values["stage_seconds"])
        server = next((server for server in self.servers if server.name == values["server"]), None)
        if server is not None and values["job"] and server.dialect.job:
            self._server, self._job = server, Job(values["job"], Phase.WORKING)
            self._done, self._jobs = min(max(values["done"], MADE), FETCHING), 1


def _refused() -> BadInput:
    return BadInput(
        "the server that was to make the video does not make such videos",
        "ask for something else",
        field="prompt",
    )


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(word)[:100] for word in value[:MAX_MESSAGE_LENGTH]) if isinstance(value, list) else ()


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**6 else 0
