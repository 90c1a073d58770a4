"""What a worker and its server send each other, in JSON. Both sides read it with these models.

Durations travel and instants do not, so no two clocks have to agree. A worker names its version of this
protocol with every request; `check_version` refuses another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, Field

from hinode import __version__
from hinode.engines.protocol import Cost
from hinode.errors import HinodeError, quote
from hinode.jobs.job import Job, Lease
from hinode.jobs.states import Priority, Status
from hinode.money.quoting.predict import Run, Work
from hinode.money.quoting.runs import Kind, Measured
from hinode.parsing import Boolean, Input, Integer, Number, parse
from hinode.request import MediaFile
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.samples import ClipBlocked, Sample
from hinode.trust.screening.verdict import Action, Finding, Stage, Verdict

VERSION = 3
"""It changes with every change after which a worker and a server would misunderstand each other."""
VERSION_HEADER, SOFTWARE_HEADER = "hinode-worker-protocol", "hinode-version"
MAX_BODY_BYTES = 4 << 20
"""Of a message, which the account of a clip takes most of; files travel by themselves."""

MAX_FILE_BYTES = 600 << 20
MAX_PARTS = 100
"""Of a file that goes straight to the store of the server."""
MAX_SIGNED_BYTES = 1 << 20
"""Of what is signed at once: a claim of C2PA, which has digests of everything else."""
MAX_TRANSCRIPT_LENGTH = 20_000
"""Of what was heard in a clip that is blocked, in characters."""
MAX_MESSAGE_LENGTH = 2000
"""Of the reason why an attempt failed."""

Name = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class VersionSkew(HinodeError):
    """The worker and the server are of versions that do not understand each other."""

    code = "version_skew"


def check_version(protocol: str, software: str) -> None:
    """Check what a worker says of itself in the headers.

    Raises:
        VersionSkew: it speaks another version of the protocol.
    """
    if protocol == str(VERSION):
        return
    older = not protocol.isdigit() or int(protocol[:9]) < VERSION
    whose = "the worker" if older else "the server"
    theirs = f"Hinode {software[:40]}" if software else "another program"
    raise VersionSkew(
        f"the worker is {theirs} with worker protocol {quote(protocol)}, and the server is Hinode"
        f" {__version__} with protocol {VERSION}",
        f"upgrade {whose}",
    )


class Registration(Input):
    """A worker process introduces itself."""

    host: Name
    pid: Count
    engines: Annotated[tuple[Name, ...], Field(max_length=100)]


class Residents(Input):
    """The models in the memory of a worker, "engine/model"."""

    resident: Annotated[tuple[Name, ...], Field(max_length=100)] = ()


class Beat(Input):
    """The progress of a job; see `Store.heartbeat`."""

    stage: Annotated[str, Field(max_length=32)]
    progress: Annotated[Integer, Field(ge=0, le=100)]
    preview: Annotated[Integer, Field(ge=0, lt=1 << 31)]
    ran_for: Annotated[Number, Field(ge=0)]


class Checkpoint(Input):
    """A saved state, which was sent before."""

    digest: Digest
    step: Annotated[Integer, Field(ge=0, lt=1 << 31)]


class Part(Input):
    """A part of a file, which the worker wants to send straight to the store."""

    part: Annotated[Integer, Field(ge=0, lt=MAX_PARTS)]


class Parts(Input):
    """A file whose parts were sent straight to the store."""

    parts: Annotated[Integer, Field(ge=1, le=MAX_PARTS)]


class End(Input):
    """An attempt ended without a video."""

    outcome: Literal["yielded", "unsupported", "storage", "failed", "cancelled"]
    code: Annotated[str, Field(pattern="^[a-z0-9_]{1,64}$")] = "engine"
    message: Annotated[str, Field(max_length=MAX_MESSAGE_LENGTH)] = ""
    final: Boolean = False


class ToSign(Input):
    """Bytes of a manifest that the server signs."""

    data: Annotated[Base64Bytes, Field(max_length=MAX_SIGNED_BYTES)]


class Signer(Input):
    """What signs for the worker; see `trust.provenance.authority.Authority`."""

    certificates: Annotated[str, Field(max_length=100_000)]
    roots: Annotated[str, Field(max_length=10_000_000)]
    embed_prompt: Boolean


class SentFile(Input):
    """A file of a finished job, which was sent before."""

    digest: Digest
    media_type: Literal["video/mp4", "image/webp", "image/jpeg"]
    bytes: Count


class Objection(Input):
    """A finding against a clip; see `trust.screening.verdict.Finding`."""

    category: Name
    rule: Name
    action: Literal["review", "block"]
    stage: Stage
    reading: Name
    field: Name
    score: Annotated[Number, Field(ge=0, le=1)]
    seconds: Annotated[Number, Field(ge=0)] | None = None


class Block(Input):
    """Guards have blocked the clip of a job; see `Store.block`."""

    findings: Annotated[tuple[Objection, ...], Field(min_length=1, max_length=100)]
    policy: Name
    transcript: Annotated[str, Field(max_length=MAX_TRANSCRIPT_LENGTH)] = ""
    frames: SentFile | None = None

    @classmethod
    def of(cls, blocked: ClipBlocked, pictures: MediaFile | None) -> dict[str, Any]:
        """A blocked clip in JSON values; the picture with its frames was sent before."""
        verdict = blocked.verdict
        findings = [
            dataclasses.asdict(finding)
            | {"action": finding.action.name.lower(), "stage": finding.stage.value}
            for finding in verdict.findings
            if finding.action is not Action.ALLOW
        ]
        file = pictures and {
            "digest": pictures.digest,
            "media_type": pictures.media_type,
            "bytes": pictures.bytes,
        }
        transcript = blocked.transcript[:MAX_TRANSCRIPT_LENGTH]
        return {
            "findings": findings,
            "policy": verdict.policy,
            "transcript": transcript,
            **({"frames": file} if file else {}),
        }

    def value(self, policy: Policy) -> ClipBlocked:
        """The blocked clip; `policy` names its categories."""
        findings = (
            Finding(**dict(entry) | {"action": Action[entry.action.upper()]}) for entry in self.findings
        )
        verdict = Verdict(tuple(findings), self.policy)
        return ClipBlocked(policy, verdict, Sample(None), self.transcript)


class SentFiles(Input):
    """The files of a finished job by role."""

    video: SentFile
    thumbnail: SentFile
    spritesheet: SentFile


class Measurement(Input):
    """How long a run took; see `money.quoting.runs`."""

    engine: Annotated[str, Field(max_length=64)]
    model: Name
    hardware: Name
    profile: Annotated[str, Field(max_length=64)] = ""
    tokens: Count
    steps: Annotated[int, Field(ge=0, lt=1 << 31)]
    passes: Annotated[int, Field(ge=0, lt=1 << 31)]
    pixels: Count
    file_pixels: Count
    stage_seconds: Annotated[dict[Name, Annotated[float, Field(ge=0)]], Field(max_length=100)]

    @classmethod
    def of(cls, measured: Measured) -> dict[str, Any]:
        """A run in JSON values."""
        kind, run = measured
        work = {**dataclasses.asdict(run.work.cost), "file_pixels": run.work.file_pixels}
        return {**dataclasses.asdict(kind), **work, "stage_seconds": dict(run.stage_seconds)}

    def value(self) -> Measured:
        """The run."""
        cost = Cost(self.tokens, self.steps, self.passes, self.pixels)
        kind = Kind(self.engine, self.model, self.hardware, self.profile)
        return kind, Run(Work(cost, self.file_pixels), self.stage_seconds)


class Finish(Input):
    """The job is done; see `Store.finish`."""

    files: SentFiles
    provenance: dict[str, Any] = Field(default_factory=dict)
    claim_next: Boolean = False
    measured: Measurement | None = None

    def media_files(self) -> dict[str, MediaFile]:
        """The files by role."""
        return {role: MediaFile(file.digest, file.media_type, file.bytes) for role, file in self.files}


class Assignment(Input):
    """What a worker learns of its job."""

    id: Name
    request: dict[str, Any]
    engine: Name
    model: Name
    preview: int
    epoch: int
    checkpoint: Digest | None = None
    checkpoint_step: int
    crashes: int
    trace: Name | None = None


def assignment(lease: Lease | None) -> dict[str, Any]:
    """A lease, or none, in JSON values."""
    if lease is None:
        return {"job": None}
    return {"job": {name: getattr(lease.job, name) for name in Assignment.model_fields}}


def read_lease(values: Mapping[str, Any], worker_id: str, host: str) -> Lease | None:
    """The lease that `assignment` wrote.

    Raises:
        BadInput: it is none.
    """
    if values.get("job") is None:
        return None
    job = dict(parse(Assignment, values["job"], what="the job", field="job"))
    # What did not travel is no matter of the worker's.
    absent = dict.fromkeys(field.name for field in dataclasses.fields(Job))
    state = {"status": Status.RUNNING, "priority": Priority.INTERACTIVE}
    return Lease(Job(**{**absent, **state, **job}), worker_id, 0.0, host, None)
