"""One attempt at a job, from the claim to its end."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from hinode import engines, pipeline
from hinode.background import backoff
from hinode.clip import Clip
from hinode.engines.protocol import Engine, Progress, Run, State, abandon, timed
from hinode.errors import BadInput, DeviceError, EngineError, HinodeError, OutputError
from hinode.jobs.files.checkpoints import DISCARD_AGE, Checkpoints
from hinode.jobs.files.objects import FULL, Objects, StoreError
from hinode.jobs.job import Lease, LeaseLost
from hinode.jobs.rows import UnknownRequestField, read_request
from hinode.jobs.states import Outcome
from hinode.jobs.worker.heartbeat import Heartbeat
from hinode.jobs.worker.service import LOCAL, UNREACHABLE, JobService, Pace
from hinode.jobs.worker.spans import Spans
from hinode.media.writing.video import check_size
from hinode.money.meters.meter import Meter
from hinode.money.quoting import quotes, runs
from hinode.money.quoting.stages import STAGES
from hinode.request import MediaFile, Request
from hinode.rights import fingerprint
from hinode.rights.fingerprint import Fingerprint
from hinode.settings import Settings
from hinode.trust.provenance import marks
from hinode.trust.provenance.keyring import AuthorityError
from hinode.trust.provenance.marking import Marking
from hinode.trust.provenance.signing import SigningError
from hinode.trust.provenance.statement import Statement, state_preview
from hinode.trust.screening import samples
from hinode.trust.screening.equipment import equip

log = logging.getLogger(__name__)

T = TypeVar("T")

DECODE_RETRIES = 2
PREVIEW_SECONDS = 1.0
END_SECONDS, END_PAUSE, MAX_END_PAUSE = 60.0, 1.0, 5.0
"""For how long, and how often, the end of an attempt is entered again while the jobs cannot be reached."""
SIGNING = (AuthorityError, SigningError)
STOP_SECONDS = 20.0
"""The same, of a worker that is to end."""

UNEXPECTED_ERROR = "processing_error"
UNEXPECTED_ERROR_MESSAGE = (
    "something broke while the video was being made; try again, and tell whoever runs this server"
)
INTERNAL_ERROR_MESSAGE = "this server could not make the video; whoever runs it can read in its log why"


class _Cancelled(Exception):
    """The job is to be cancelled."""


class _Yielded(Exception):
    """The job goes back into its queue: it is preempted, or this worker is to end."""


class Attempt:
    """Carries out a claimed job, or as much of it as there is time for."""

    def __init__(
        self,
        lease: Lease,
        store: JobService,
        objects: Objects,
        settings: Settings,
        *,
        stop: threading.Event,
        claim_next: bool,
        pace: Pace = LOCAL,
    ) -> None:
        """
        Args:
            stop: set when the worker is to end.
            claim_next: whether the next job is claimed together with the end of this one.
            pace: how often it asks.
        """
        self.lease = lease
        self.store = store
        self.objects = objects
        self.settings = settings
        self.stop = stop
        self.claim_next = claim_next
        self.pace = pace
        self.next_lease: Lease | None = None  # on the job that was claimed together with the end of this one
        self.unexpected_error = False  # whether it ended with an exception that is no `HinodeError`
        self.device_error = False  # whether the accelerator failed for everything that follows
        self.disk_error = False  # whether it ended because files could not be written
        self._stage, self._percent, self._previews = "start", 0, lease.job.preview
        self._previewed_at = -PREVIEW_SECONDS
        self._first: int | None = None  # step that this attempt began at
        self._step = 0
        self._saved_at = time.monotonic()
        self._spans = Spans(lease)
        self._checkpoints = Checkpoints(objects)
        self._request: Request | None = None  # with the paths of its references
        self._saved: State | None = None  # the last state, for another try at decoding
        self._checkpoint = lease.job.checkpoint  # digest of the last state that was entered
        self._measured: runs.Measured | None = None
        self._meter = Meter.of(settings)
        self._fingerprint: Fingerprint | None = None
        self._evidence: MediaFile | None = None  # frames of a clip that a guard has blocked
        self._ready = False  # all steps are done, and the state after them is saved

    def carry_out(self, engine: Callable[[str], Engine]) -> Outcome | None:
        """Do the work with the `engine` of the request, and enter how it ended.

        Returns: how it ended, or None if the lease was lost.

        Raises:
            DatabaseError, ServerAway: the end could not be entered for too long; the job will be done again,
                from its last saved state.
        """
        with self._spans.recorded():
            return self._carry_out(engine)

    def _carry_out(self, engine: Callable[[str], Engine]) -> Outcome | None:
        lease, store = self.lease, self.store
        slice_seconds = self.settings.slice_seconds
        heartbeat = Heartbeat(store, lease, slice_seconds=slice_seconds, interval=self.pace.beat)
        # The heartbeat stops before the end is entered: after it there is no lease to renew.
        try:
            with heartbeat:
                files, provenance = self._work(read_request(lease.job.request), engine, heartbeat)
            return self._end(Outcome.COMPLETED, lambda: self._finish(files, provenance))
        except LeaseLost as error:
            log.warning("%s", error)
            return None
        except _Cancelled:
            return self._end(Outcome.CANCELLED, lambda: store.acknowledge_cancel(lease))
        except _Yielded:
            return self._give_back(Outcome.YIELDED)
        except UnknownRequestField as error:
            log.warning("the job is left to a worker of a later version: %s", error)
            return self._give_back(Outcome.UNSUPPORTED)
        except UNREACHABLE:
            raise
        except (StoreError, AuthorityError) as error:
            return self._postpone(str(error))
        except samples.ClipBlocked as error:
            return self._block(error)
        except BadInput as error:
            return self._fail(error.code, str(error), final=True)
        except EngineError as error:
            self.device_error = isinstance(error, DeviceError)
            return self._fail(error.code, str(error), final=error.final)
        except HinodeError as error:
            log.error("%s", error)
            return self._fail(error.code, INTERNAL_ERROR_MESSAGE)  # the error may name files of this machine
        except OSError as error:
            if error.errno in FULL:  # of the folder for temporary files
                return self._postpone(str(error))
            return self._break()
        except Exception:
            return self._break()

    # The end

    def _break(self) -> Outcome | None:
        log.exception("something broke while the video was being made")
        self.unexpected_error = True
        return self._fail(UNEXPECTED_ERROR, UNEXPECTED_ERROR_MESSAGE)

    def _postpone(self, fault: str) -> Outcome | None:
        """Give the job back: it is not to blame for a full disk, or for a signer that is away."""
        log.error("the job goes back into its queue: %s", fault)
        self.disk_error = True
        return self._end(Outcome.STORAGE, lambda: self.store.postpone(self.lease, INTERNAL_ERROR_MESSAGE))

    def _finish(self, files: dict[str, MediaFile], provenance: dict[str, Any]) -> None:
        retention = self.settings.retention_seconds
        claim_next = self.claim_next and not self.stop.is_set()
        self.next_lease = self.store.finish(
            self.lease,
            files,
            provenance,
            retention,
            claim_next=claim_next,
            measured=self._measured,
            fingerprint=self._fingerprint,
        )

    def _give_back(self, outcome: Outcome) -> Outcome | None:
        return self._end(outcome, lambda: self.store.give_back(self.lease, outcome))

    def _fail(self, code: str, message: str, *, final: bool = False) -> Outcome | None:
        return self._end(
            Outcome.FAILED, lambda: self.store.fail(self.lease, code, message, final=final), code
        )

    def _block(self, blocked: samples.ClipBlocked) -> Outcome | None:
        return self._end(
            Outcome.FAILED, lambda: self.store.block(self.lease, blocked, self._evidence), blocked.code
        )

    def _end(self, outcome: Outcome, enter: Callable[[], None], code: str | None = None) -> Outcome | None:
        """Enter an end, as `_repeat` does."""
        try:
            self._repeat(enter)
        except LeaseLost as error:
            log.warning("%s", error)
            return None
        if outcome not in (Outcome.YIELDED, Outcome.UNSUPPORTED, Outcome.STORAGE):
            self.objects.delete_preview(self.lease.job.id)
        self._spans.outcome(outcome.value, code)
        facts = {"outcome": outcome.value, "step": self._step, **({"error_code": code} if code else {})}
        log.info("attempt ended", extra=facts)
        return outcome

    def _repeat(self, call: Callable[[], T]) -> T:
        """The result of a call, which is repeated for a while if the jobs cannot be reached."""
        began, failures = time.monotonic(), 0
        while True:
            try:
                return call()
            except UNREACHABLE as error:
                failures += 1
                patience = END_SECONDS if self.pace.away is None else self.pace.away
                if self.stop.is_set():
                    patience = min(patience, STOP_SECONDS)
                if time.monotonic() - began >= patience:
                    raise
                log.warning("the attempt goes on later: %s", error)
                pause = backoff(failures, first=END_PAUSE, maximum=MAX_END_PAUSE)
                # Once `stop` is set, waiting for it would be no pause.
                if self.stop.wait(0.0 if self.stop.is_set() else pause):
                    time.sleep(min(pause, END_PAUSE))

    # The work

    def _work(
        self, request: Request, engine_of: Callable[[str], Engine], heartbeat: Heartbeat
    ) -> tuple[dict[str, MediaFile], dict[str, Any]]:
        if self.stop.is_set():
            raise _Yielded
        check_size(request.size)  # now, and not when the frames are there
        with ExitStack() as inputs:
            request = self._repeat(partial(self._with_paths, request, inputs))
            self._request = request
            return self._render(request, engine_of, heartbeat)

    def _render(
        self, request: Request, engine_of: Callable[[str], Engine], heartbeat: Heartbeat
    ) -> tuple[dict[str, MediaFile], dict[str, Any]]:
        engine = engine_of(request.engine)
        run = self._start(engine, request)
        retries = DECODE_RETRIES
        while True:
            try:
                self._drive(run, heartbeat)
                return self._store_files(request, run.clip(), heartbeat)
            except _Cancelled:
                abandon(run)
                raise
            except (_Yielded, LeaseLost, BadInput, StoreError, DeviceError, *SIGNING, *UNREACHABLE):
                raise
            except Exception as error:
                if not self._ready or not retries:
                    raise
                retries -= 1
                log.warning("decoding failed and is tried again: %s", error, exc_info=True)
                abandon(run)  # before the new run takes memory
                run = engine.start(request, self._saved)

    def _with_paths(self, request: Request, inputs: ExitStack) -> Request:
        """The request with the paths of its references on this machine, valid until `inputs` is closed."""
        paths: dict[str, str] = {}
        for reference in request.references:
            if not self.objects.has(reference.digest):
                message = "a file that the video is to be made from is not there any more"
                raise BadInput(message, "send it again", field=reference.role)
            if reference.digest not in paths:
                paths[reference.digest] = str(inputs.enter_context(self.objects.held(reference.digest)))
        references = (
            dataclasses.replace(reference, path=paths[reference.digest]) for reference in request.references
        )
        return dataclasses.replace(request, references=tuple(references))

    def _start(self, engine: Engine, request: Request) -> Run:
        job = self.lease.job
        if job.checkpoint is not None:
            try:
                state = self._repeat(partial(self._checkpoints.load, job.checkpoint))
                return engine.start(request, state)
            except (OSError, EngineError) as error:
                # Lost, of another version, or of other weights than those that are here now.
                log.warning("the saved state cannot be used; the video starts from the beginning: %s", error)
                self._checkpoints = Checkpoints(self.objects)
        return engine.start(request)

    def _drive(self, run: Run, heartbeat: Heartbeat) -> None:
        for progress in run:
            if progress.stage == "sample":
                self._first = progress.done if self._first is None else self._first
                self._step = progress.done
            if progress.stage == "decode" and not self._ready:
                self._save(run)
                self._ready = True
            if progress.save:
                self._save(run)
            self._report(progress, heartbeat, run)
            if self._step != self._first and progress.stage == "sample" and self._due():
                self._save(run)

    def _due(self) -> bool:
        """Whether to save the state now. After a crash it is saved at every step: then either the job comes
        through between two crashes, or it soon shows which step takes workers down."""
        crashed = self.lease.job.crashes > 0
        return crashed or time.monotonic() - self._saved_at >= self.settings.checkpoint_seconds

    def _report(self, progress: Progress, heartbeat: Heartbeat, run: Run | None = None) -> None:
        """Report progress to the service, and stop if it says so."""
        self._spans.report(progress)
        self._meter.lap(progress.stage)
        begin, end = STAGES.get(progress.stage, (self._percent, self._percent))
        self._stage = progress.stage
        self._percent = max(self._percent, begin + (end - begin) * progress.done // max(1, progress.total))
        self._put_preview(progress)
        reply = heartbeat.check(self._stage, self._percent, self._previews)
        if reply.cancel:
            raise _Cancelled
        # A job is preempted only after a step forward, else two could push each other aside for ever, and
        # only before a step: once all are done it is quicker to finish than to be loaded again.
        advanced = self._first is not None and self._step > self._first
        before_a_step = progress.stage == "sample" and progress.done < progress.total
        if self.stop.is_set() or (reply.preempt and advanced and before_a_step):
            if advanced and not self._ready and run is not None:
                self._save(run)
            raise _Yielded

    def _put_preview(self, progress: Progress) -> None:
        if progress.preview is None or time.monotonic() - self._previewed_at < PREVIEW_SECONDS:
            return
        self._previewed_at = time.monotonic()
        try:
            statement = self._preview_statement
            picture = pipeline.preview(progress.preview, statement, marking=self._marking)
            self.objects.put_preview(self.lease.job.id, picture)
        except (OSError, OutputError, StoreError, *SIGNING, *UNREACHABLE) as error:
            log.warning("the preview could not be written: %s", error)
        else:
            self._previews += 1

    @cached_property
    def _marking(self) -> Marking:
        """How the files are marked: a worker of a server has no keys, and the server signs."""
        authority = self._repeat(partial(self.store.authority, self.lease))
        if authority is not None:
            once = authority.sign
            authority = dataclasses.replace(authority, sign=lambda data: self._repeat(partial(once, data)))
        return Marking(self.settings, authority)

    @cached_property
    def _preview_statement(self) -> Statement:
        """The statement on previews; the model and its licence are in that on the clip."""
        assert self._request is not None, "the work has begun"
        return self._marking.shorten(state_preview(self._request))

    def _save(self, run: Run) -> None:
        """Store the state of the run, make it the job's, and remove the one before it.

        What cannot be saved now is no reason to give up the work itself.
        """
        self._saved = run.state()
        self._saved_at = time.monotonic()
        try:
            digest = self._checkpoints.put(self._saved)
            self.store.checkpoint(self.lease, digest, self._saved.step)
            before, self._checkpoint = self._checkpoint, digest
            if before is not None and not self.store.is_referenced(before):
                self.objects.discard(before, older_than=DISCARD_AGE)
        except (OSError, StoreError, *UNREACHABLE) as error:
            log.warning("the state of the run could not be saved: %s", error)

    def _store_files(
        self, request: Request, clip: Clip, heartbeat: Heartbeat
    ) -> tuple[dict[str, MediaFile], dict[str, Any]]:
        """Write the files of the finished clip into the store, if the guards let it pass."""
        objects = self.objects
        self._screen(clip)
        with (
            objects.temporary(".mp4") as video,
            objects.temporary(".webp") as thumbnail,
            objects.temporary(".jpg") as spritesheet,
        ):
            report = partial(self._report, heartbeat=heartbeat)
            result = pipeline.finish(request, clip, video, "mp4", report, marking=self._marking)
            seconds = dict(result.provenance.stage_seconds)
            with timed(seconds, "store"):
                stills = pipeline.write_stills(request, clip, thumbnail, spritesheet, marking=self._marking)
                self._fingerprint = fingerprint.of_clip(clip.frames, clip.fps)
                files = {
                    "video": self._put(video, "video/mp4"),
                    "thumbnail": self._put(thumbnail, "image/webp"),
                    "spritesheet": self._put(spritesheet, "image/jpeg"),
                }
            self._spans.report(Progress("store", 1, 1))
            self._meter.lap("store")
        self._measure(request, seconds)
        values = result.as_json() | marks.facts_of(dict(zip(files, (result.mark, *stills), strict=True)))
        values["watermark_id"] = result.watermark.id or None
        used = self._meter.usage(self.settings, external=engines.is_external(request.engine))
        values["usage"] = used.as_json()
        return files, {name: value for name, value in values.items() if name not in ("path", "manifest")}

    def _screen(self, clip: Clip) -> None:
        """Ask the guards about a clip; raises ClipBlocked unless a reviewer has approved it."""
        policy = self._repeat(partial(self.store.policy, self.lease))
        try:
            samples.check(policy, equip(policy, self.settings), clip)
        except samples.ClipBlocked as blocked:
            if blocked.frames is None:  # in the gravest category
                raise
            if self._repeat(lambda: self.store.is_approved(self.lease)):
                return
            picture = pipeline.evidence(blocked.frames, self._preview_statement, marking=self._marking)
            self._evidence = self._put(picture, "image/jpeg")
            raise

    def _measure(self, request: Request, stage_seconds: dict[str, float]) -> None:
        """Remember how long the run took, for the prediction of later ones."""
        try:
            self._measured = quotes.measured(request, self.settings, stage_seconds)
        except HinodeError as error:  # such as a model that was removed meanwhile
            log.warning("the time of the run is not recorded: %s", error)

    def _put(self, path: Path | bytes, media_type: str) -> MediaFile:
        digest, size = self._repeat(partial(self.objects.put, path))
        return MediaFile(digest, media_type, size)
