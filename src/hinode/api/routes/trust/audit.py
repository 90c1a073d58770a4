"""The audit log, for the operator: read it, verify it, take it along."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from pydantic import Field
from starlette.background import BackgroundTask

from hinode.api import wire
from hinode.api.context import AppContext, Operator
from hinode.api.queries import PageQuery
from hinode.errors import BadInput, quote
from hinode.jobs.audit import anchoring
from hinode.trust.audit import log
from hinode.trust.audit.chain import Entry
from hinode.trust.audit.log import Filter
from hinode.trust.audit.verification import Payload

router = APIRouter(prefix="/v1/audit", tags=["Rights"])

MAX_NUMBER = 2**63 - 1
MAX_SECONDS = 2**33
Name = Annotated[str | None, Query(min_length=1, max_length=200)]
Seconds = Annotated[float | None, Query(ge=0, lt=MAX_SECONDS, description="Seconds since 1970.")]


class AuditEntry(wire.Answer):
    """An entry of the audit log."""

    id: str = Field(description="Its number in the log, from 1.")
    object: Literal["audit.entry"] = "audit.entry"
    at: float
    kind: str = Field(description="Such as key.created.")
    actor: str = Field(description="Who did it: a person, a key, a session, a command, or the system.")
    subject: str = Field(description="What it was done to.")
    payload: dict[str, Any] | None = Field(description="null if it was erased.")
    hash: str


class AuditPage(wire.Page[AuditEntry]):
    """A page of the audit log."""


class AuditFinding(wire.Answer):
    """A fault of the log; `number` is that of the entry where it shows."""

    fault: str
    number: int
    message: str


class AuditVerification(wire.Answer):
    """Whether the log is as it was written."""

    object: Literal["audit.verification"] = "audit.verification"
    intact: bool
    entries: int
    erased: int = Field(description="Entries whose payload was erased.")
    unsigned: int = Field(description="Entries that the signed head does not cover yet.")
    findings: list[AuditFinding]


@router.get("", response_model=AuditPage)
def list_entries(
    context: AppContext,
    operator: Operator,
    page: PageQuery,
    kind: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Such as key.created, or key.")
    ] = None,
    actor: Name = None,
    subject: Name = None,
    since: Seconds = None,
    until: Seconds = None,
) -> Response:
    """Entries of the audit log."""
    wanted = Filter(kind, actor, subject, since, until)
    after = None if page["after"] is None else _number(page["after"])
    with context.decisions.database.read() as connection:
        rows, more = log.page(
            connection, wanted, after=after, limit=page["limit"], descending=page["descending"]
        )
    return AuditPage.from_entries(lambda entry: entry, ([_entry(*row) for row in rows], more)).response()


@router.get("/verify", response_model=AuditVerification)
async def verify_log(context: AppContext, operator: Operator) -> Response:
    """Verify that no entry was changed, removed or cut off."""
    trust = context.settings.trust
    report = await context.run_slow(anchoring.check, context.decisions.database, trust)
    findings = [AuditFinding.of(finding, fault=finding.fault.value) for finding in report.findings]
    return AuditVerification.of(report, findings=findings).response()


@router.get(
    "/export",
    response_class=Response,
    responses={
        200: {
            "description": "Lines of JSON, which `hinode audit verify FILE` verifies.",
            "content": {"application/jsonl": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def export_log(context: AppContext, operator: Operator) -> Response:
    """The whole log with its signed head, for verifying elsewhere."""
    folder = tempfile.TemporaryDirectory(prefix="hinode-audit-")
    path = Path(folder.name) / "audit.jsonl"
    trust = context.settings.trust
    try:
        await context.run_slow(anchoring.export, context.decisions.database, trust, path)
    except BaseException:
        folder.cleanup()
        raise
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    done = BackgroundTask(folder.cleanup)
    media_type = "application/jsonl"
    return FileResponse(path, filename=path.name, media_type=media_type, headers=headers, background=done)


def _number(after: str) -> int:
    if after.isascii() and after.isdigit() and int(after) <= MAX_NUMBER:
        return int(after)
    message = f"there is no entry with the id {quote(after)}"
    raise BadInput(message, "give the number of an entry", field="after")


def _entry(entry: Entry, payload: Payload | None) -> AuditEntry:
    return AuditEntry.of(
        entry,
        id=str(entry.number),
        at=entry.at / log.MICRO,
        payload=None if payload is None else json.loads(payload.payload),
    )
