"""One attempt at a job, from the claim to its end, whichever of its ends that is."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hinode import pipeline
from hinode.clip import Clip
from hinode.engines.protocol import Engine, Progress, Run, State, abandon
from hinode.errors import BadInput, EngineError, HinodeError, OutputError
from hinode.jobs import admit
from hinode.jobs.files.checkpoints import Checkpoints
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Artifact, Lease, LeaseLost
from hinode.jobs.states import Outcome
from hinode.jobs.store import Store
from hinode.jobs.worker.heartbeat import Heartbeat
from hinode.media.video import check_size
from hinode.records.database import DatabaseError
from hinode.request import Request
from hinode.settings import Settings

log = logging.getLogger(__name__)

STAGES = {"load": (0, 1), "text": (1, 2), "sample": (2, 90), "decode": (90, 95), "encode": (95, 99)}
"""How far a job is, in percent, where each stage begins and ends."""

DECODE_RETRIES = 2
PREVIEW_SECONDS = 1.0
INSIST_SECONDS = 60.0
INSIST_PAUSE = 1.0

FAULT = "processing_error"
FAULT_SENTENCE = (
    "something broke while the video was being made; try again, and tell whoever runs this server"
)
OWN_SENTENCE = "this server could not make the video; whoever runs it can read in its log why"

Clock = Callable[[], float]


class _Cancelled(Exception):
    """The person does not want the clip any more."""


class _GivenBack(Exception):
    """The job goes back into its queue: another one is more due, or this worker is asked to stop."""


class Attempt:
    """Carries out a leased job, or as much of it as it is left time for."""

    def __init__(
        self,
        lease: Lease,
        store: Store,
        objects: Objects,
        settings: Settings,
        *,
        stop: threading.Event,
        clock: Clock = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            lease: the job, claimed.
            store: where it is written what becomes of it.
            objects: where its files go.
            settings: how often the state is saved, how long files are kept.
            stop: set when the worker is to end.
            clock: seconds since any moment.
            pause: waits so many seconds.
        """
        self.lease = lease
        self.store = store
        self.objects = objects
        self.settings = settings
        self.stop = stop
        self.clock = clock
        self.pause = pause
        self._stage, self._percent, self._previews = "start", 0, lease.job.preview
        self._shown_at = -PREVIEW_SECONDS
        self._first: int | None = None  # step that this attempt began at
        self._step = 0
        self._saved_at = clock()
        self._checkpoints = Checkpoints(objects)
        self._saved: State | None = None  # the last state, kept for another try at decoding
        self.broke = False  # it ended in an error that nobody foresaw
        self._ready = False  # all steps are taken, and the state after them is saved

    def carry_out(self, engine: Callable[[str], Engine]) -> Outcome | None:
        """Do the work and write down how it ended.

        Args:
            engine: gives the engine of a name.

        Returns:
            How it ended, or None if the job was taken away meanwhile.

        Raises:
            DatabaseError: the end could not be written down for a minute; the job will be done again, from
                its last saved state.
        """
        lease, store = self.lease, self.store
        pulse = Heartbeat(store, lease, slice_seconds=self.settings.slice_seconds, clock=self.clock)
        # The heart stops before the end is written: after it, there is no lease to keep.
        try:
            with pulse:
                made, making = self._make(admit.read(lease.job.request), engine, pulse)
            retention = self.settings.retention_seconds
            return self._end(Outcome.COMPLETED, lambda: store.finish(lease, made, making, retention))
        except LeaseLost:
            log.warning("the video was taken from this worker; its work on it is dropped")
            return None
        except _Cancelled:
            return self._end(Outcome.CANCELLED, lambda: store.cancelled(lease))
        except _GivenBack:
            return self._end(Outcome.YIELDED, lambda: store.give_back(lease, digest=None, step=self._step))
        except DatabaseError:
            raise
        except BadInput as error:
            return self._fail(error.code, str(error), final=True)
        except EngineError as error:
            return self._fail(error.code, str(error))
        except HinodeError as error:
            log.error("%s", error)
            return self._fail(error.code, OWN_SENTENCE)  # the error may name files of this machine
        except Exception:
            log.exception("something broke while the video was being made")
            self.broke = True
            return self._fail(FAULT, FAULT_SENTENCE)

    def _fail(self, code: str, message: str, *, final: bool = False) -> Outcome | None:
        return self._end(
            Outcome.FAILED, lambda: self.store.fail(self.lease, code, message, final=final), code
        )

    def _end(self, outcome: Outcome, write: Callable[[], None], code: str | None = None) -> Outcome | None:
        """Write an end down, for as long as it takes the database to come back, within reason."""
        given_up = self.clock() + INSIST_SECONDS
        while True:
            try:
                write()
                break
            except LeaseLost:
                log.warning("the video was taken from this worker at the end; its work on it is dropped")
                return None
            except DatabaseError as error:
                if self.clock() >= given_up:
                    raise
                log.warning("the end of the attempt could not be written down yet: %s", error)
                self.pause(INSIST_PAUSE)
        if outcome is not Outcome.YIELDED:
            self.objects.hide(self.lease.job.id)
        facts = {"outcome": outcome.value, "step": self._step, **({"error_code": code} if code else {})}
        log.info("attempt ended", extra=facts)
        return outcome

    # The work

    def _make(
        self, request: Request, engine_of: Callable[[str], Engine], pulse: Heartbeat
    ) -> tuple[list[Artifact], dict[str, Any]]:
        request = self._placed(request)
        check_size(request.size)  # now, and not when the frames are there
        engine = engine_of(request.engine)
        run = self._start(engine, request)
        retries = DECODE_RETRIES
        while True:
            try:
                self._drive(run, pulse)
                return self._keep(request, run.clip(), pulse)
            except _Cancelled:
                abandon(run)
                raise
            except (_GivenBack, LeaseLost, BadInput):
                raise
            except Exception as error:
                if not self._ready or not retries:
                    raise
                retries -= 1
                log.warning("decoding failed and is tried again: %s", error, exc_info=True)
                run = engine.start(request, self._saved)

    def _placed(self, request: Request) -> Request:
        """The request with the paths of its references on this machine."""
        for reference in request.references:
            if not self.objects.has(reference.digest):
                raise BadInput(
                    "a file that the video is to be made from is not there any more",
                    "send it again",
                    field=reference.role,
                )
        return dataclasses.replace(
            request,
            references=tuple(
                dataclasses.replace(reference, path=str(self.objects.path(reference.digest)))
                for reference in request.references
            ),
        )

    def _start(self, engine: Engine, request: Request) -> Run:
        job = self.lease.job
        if job.checkpoint is not None:
            try:
                return engine.start(request, self._checkpoints.load(job.checkpoint))
            except (OSError, EngineError) as error:
                # Lost, of another version, or of other weights than those that are here now.
                log.warning("the saved state cannot be used; the video starts from the beginning: %s", error)
                self._checkpoints = Checkpoints(self.objects)
        return engine.start(request)

    def _drive(self, run: Run, pulse: Heartbeat) -> None:
        for progress in run:
            if progress.stage == "sample":
                self._first = progress.done if self._first is None else self._first
                self._step = progress.done
            if progress.stage == "decode" and not self._ready:
                self._save(run)
                self._ready = True
            self._tell(progress, pulse, run)
            if self._step != self._first and progress.stage == "sample" and self._due():
                self._save(run)

    def _due(self) -> bool:
        """Whether to save the state now. After a crash it is done at every step: then either the job comes
        through between two crashes, or it soon shows which step it is that takes workers down."""
        crashed = self.lease.job.crashes > 0
        return crashed or self.clock() - self._saved_at >= self.settings.checkpoint_seconds

    def _tell(self, progress: Progress, pulse: Heartbeat, run: Run | None = None) -> None:
        """Pass on how far the work is, and stop it if that is ordered."""
        begin, end = STAGES.get(progress.stage, (self._percent, self._percent))
        self._stage = progress.stage
        self._percent = max(self._percent, begin + (end - begin) * progress.done // max(1, progress.total))
        if progress.preview is not None:
            self._show(progress)
        orders = pulse.check(self._stage, self._percent, self._previews)
        if orders.cancel:
            raise _Cancelled
        # A job gives way only after a step forward, else two could push each other aside for ever, and only
        # before a step: once all are taken it is quicker to finish than to be loaded again.
        advanced = self._first is not None and self._step > self._first
        before_a_step = progress.stage == "sample" and progress.done < progress.total
        if self.stop.is_set() or (orders.give_way and advanced and before_a_step):
            if advanced and not self._ready and run is not None:
                self._save(run)
            raise _GivenBack

    def _show(self, progress: Progress) -> None:
        if progress.preview is None or self.clock() - self._shown_at < PREVIEW_SECONDS:
            return
        self._shown_at = self.clock()
        try:
            self.objects.show(self.lease.job.id, pipeline.preview(progress.preview))
        except OSError as error:
            log.warning("no preview: %s", error)
        else:
            self._previews += 1

    def _save(self, run: Run) -> None:
        """Keep the state of the run. What cannot be kept now is no reason to give up the work itself."""
        self._saved = run.state()
        self._saved_at = self.clock()
        try:
            digest = self._checkpoints.put(self._saved)
            self.store.checkpoint(self.lease, digest, self._saved.step)
        except (OSError, DatabaseError) as error:
            log.warning("the state of the run could not be saved: %s", error)

    def _keep(self, request: Request, clip: Clip, pulse: Heartbeat) -> tuple[list[Artifact], dict[str, Any]]:
        """Write the files of the finished clip into the store."""
        objects = self.objects
        try:
            with (
                objects.temporary(".mp4") as video,
                objects.temporary(".webp") as thumbnail,
                objects.temporary(".jpg") as spritesheet,
            ):
                result = pipeline.finish(request, clip, video, "mp4", lambda told: self._tell(told, pulse))
                pipeline.write_stills(request, clip, thumbnail, spritesheet)
                made = [
                    self._artifact("video", video, "video/mp4"),
                    self._artifact("thumbnail", thumbnail, "image/webp"),
                    self._artifact("spritesheet", spritesheet, "image/jpeg"),
                ]
        except OSError as error:
            raise OutputError(
                f"the files of a video cannot be put into the store: {error}", "see to its disk"
            ) from error
        return made, {name: value for name, value in result.as_json().items() if name != "path"}

    def _artifact(self, role: str, path: Path, media_type: str) -> Artifact:
        digest, size = self.objects.put(path)
        return Artifact(role, digest, media_type, size)
