"""What is known of a file, what is trusted and what was changed, in plain words: a function of values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hinode.trust.provenance.manifest import WATERMARK as ALGORITHM
from hinode.trust.verification.manifests import build
from hinode.trust.verification.reader import NO_ANSWER, Reading
from hinode.trust.verification.values import Finding, Manifest, State, Watermark

NOT_FOUND, NOT_SUPPORTED, REMOTE = "ManifestNotFound", "NotSupported", "Remote"
"""Errors of the C2PA reader."""
VALID = ("Trusted", "Valid")

REPLACED, REMOVED = "manifest.replaced", "manifest.removed"
NOT_IDENTICAL, UNCOVERED = "file.not_identical", "file.uncovered"
INGREDIENT_FAULT, ELSEWHERE, NO_ROOM = "ingredient.fault", "manifest.elsewhere", "format.no_room"

RECORD = "record"
"""The carrier of a watermark that was not looked for, see `Watermark`."""
SIZELESS = ("uuid", "ftyp")
"""Boxes that every file has and that are not worth a line."""


@dataclass(frozen=True)
class Fingerprint:
    """By what the registry of a server knows a file.

    Attributes:
        sha256: of the whole file.
        media_sha256: see `Reading`.
        labels: of the manifests in the file, from the active one on.
        watermarks: ids that were read from its pictures and sound.
    """

    sha256: str
    media_sha256: str | None
    labels: tuple[str, ...]
    watermarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registration:
    """A file that a server made.

    Attributes:
        label: of its manifest.
        sha256: of the whole signed file.
        media_sha256: see `Reading`; None if that is not known.
        watermark: what its watermark carries, or None.
        made_at: when it was signed, in seconds since 1970, or None.
        operation: how it was made, such as "generate", or None.
    """

    label: str
    sha256: str
    media_sha256: str | None = None
    watermark: str | None = None
    made_at: float | None = None
    operation: str | None = None


Lookup = Callable[[Fingerprint], Sequence[Registration]]
"""The files of this server that match a fingerprint in at least one part."""


@dataclass(frozen=True)
class Report:
    """The answer about a file.

    Attributes:
        verdict: the whole in one word.
        text: the whole in a sentence or two.
        manifest: the record in the file or beside it, as a tree.
        findings: what concerns the whole file; faults first.
        watermarks: those that were read, or that the registry names; None if nobody looked for one.
        is_original: whether it is byte for byte a file that this server made; None without a registry.
        has_sidecar: whether the record is in a file beside it.
        size: bytes of the file.
        sha256: of the file, as hexadecimal digits; "" if it could not be read.
    """

    verdict: State
    text: str
    manifest: Manifest | None
    findings: tuple[Finding, ...]
    watermarks: tuple[Watermark, ...] | None
    is_original: bool | None
    has_sidecar: bool
    size: int
    sha256: str


def report(
    reading: Reading, lookup: Lookup | None = None, watermarks: Sequence[Watermark] | None = None
) -> Report:
    """What a reading means.

    Args:
        reading: of the file.
        lookup: the registry of this server, if there is one to ask.
        watermarks: those that were read from the file, or None if nobody looked for one.
    """
    manifest = build(reading.manifests) if reading.manifests is not None else None
    labels = tuple(manifest.labels()) if manifest else ()
    matches: Sequence[Registration] = ()
    if lookup is not None and reading.sha256:
        ids = tuple(mark.id for mark in watermarks or ())
        matches = lookup(Fingerprint(reading.sha256, reading.media_sha256, labels, ids))
    is_original = any(match.sha256 == reading.sha256 for match in matches)
    findings = [] if is_original else _findings_of_registry(reading, manifest, labels, matches)
    if watermarks is None:
        watermarks = _recorded_watermarks(reading, matches)
    verdict = _verdict(reading, manifest)
    if any(finding.code == REPLACED for finding in findings):
        verdict = State.TAMPERED
    if manifest is not None:
        if manifest.state is not verdict:  # the library found something that is not in its list
            manifest = replace(manifest, state=verdict) if not findings else manifest
        findings += _findings_of_ingredients(manifest)
        findings += _findings_of_boxes(reading, manifest)
    if reading.error == REMOTE:
        text = "the file names an address where its record is said to be; this checker does not fetch it"
        findings.append(Finding(ELSEWHERE, text, is_fault=False))
    if reading.is_matroska and manifest is None:
        text = "a WebM or MKV holds no record; if one came beside the file, check both together"
        findings.append(Finding(NO_ROOM, text, is_fault=False))
    return Report(
        verdict=verdict,
        text=_text(verdict, reading, manifest, findings),
        manifest=manifest,
        findings=tuple(sorted(findings, key=lambda finding: not finding.is_fault)),
        watermarks=None if watermarks is None else tuple(watermarks),
        is_original=is_original if lookup is not None else None,
        has_sidecar=reading.has_sidecar,
        size=reading.size,
        sha256=reading.sha256,
    )


def _verdict(reading: Reading, manifest: Manifest | None) -> State:
    if manifest is not None:
        # Two opinions: what the library says in a word, and the failures that it lists.
        if manifest.state is State.TRUSTED and reading.state != "Trusted":
            return State.UNKNOWN_SIGNER if reading.state in VALID else State.DAMAGED
        return manifest.state
    if reading.manifests is not None or (reading.marks and reading.error != REMOTE):
        return State.DAMAGED
    if reading.has_sidecar and reading.size:
        return State.DAMAGED
    if reading.error in (NOT_FOUND, REMOTE) or reading.is_matroska:
        return State.NONE
    return State.UNREADABLE


def _recorded_watermarks(reading: Reading, matches: Sequence[Registration]) -> list[Watermark] | None:
    """Those of files with the same pictures and sound, bit for bit; None if there is no such file."""
    same = [match for match in matches if _has_media_of(reading, match)]
    found = {
        match.watermark: Watermark(ALGORITHM, match.watermark, True, RECORD, match.made_at, match.operation)
        for match in same
        if match.watermark
    }
    return list(found.values()) if same else None


def _has_media_of(reading: Reading, match: Registration) -> bool:
    """Whether the pictures and the sound of a file are those of a registered one, bit for bit."""
    return match.sha256 == reading.sha256 or (
        match.media_sha256 is not None and match.media_sha256 == reading.media_sha256
    )


def _findings_of_registry(
    reading: Reading, manifest: Manifest | None, labels: Sequence[str], matches: Sequence[Registration]
) -> list[Finding]:
    """What the registry of this server says of a file that it did not send out as it is."""
    if not matches:
        return []
    known = [match.label for match in matches if match.label in labels]
    # The surest first: equal media before an equal watermark, which can be copied.
    first = max(matches, key=lambda match: _has_media_of(reading, match))
    made = f"this clip was made here as {first.label}{on_day(first.made_at)}"
    how = "its pictures and sound are the same" if _has_media_of(reading, first) else "it has its watermark"
    if manifest is None:
        return [Finding(REMOVED, f"{made}, and its record was removed ({how})")]
    if not known:
        who = manifest.signer.name if manifest.signer else "somebody"
        text = f"{made}, and {who} replaced its record by another one, which does not name it ({how})"
        return [Finding(REPLACED, text)]
    if manifest.label in known:
        text = (
            "this server signed the record, but the file differs from the one that it made in bytes that no"
            " signature covers, such as padding; pictures and sound are covered"
        )
        return [Finding(NOT_IDENTICAL, text, is_fault=False)]
    return []


def _findings_of_ingredients(manifest: Manifest) -> list[Finding]:
    worst = [entry for entry in manifest.all_ingredients() if entry.state in (State.TAMPERED, State.DAMAGED)]
    return [
        Finding(
            INGREDIENT_FAULT,
            f"a file that it was made from{f', {entry.title},' if entry.title else ''} had been "
            + ("changed after it was signed" if entry.state is State.TAMPERED else "damaged"),
        )
        for entry in worst
    ]


def _findings_of_boxes(reading: Reading, manifest: Manifest) -> list[Finding]:
    """What of the file the signature leaves out."""
    counts: dict[str, int] = {}
    for kind, size in reading.boxes:
        if kind in manifest.uncovered and kind not in SIZELESS:
            counts[kind] = counts.get(kind, 0) + size
    if not sum(counts.values()):
        return []
    parts = ", ".join(
        f"{count:,} bytes in boxes of the type {kind}" for kind, count in counts.items() if count
    )
    text = f"the signature does not cover {parts}; players pass them over"
    return [Finding(UNCOVERED, text, is_fault=False)]


def _text(verdict: State, reading: Reading, manifest: Manifest | None, findings: Sequence[Finding]) -> str:
    """The whole in a sentence or two."""
    signer = _signer_of(manifest)
    replaced = next((finding for finding in findings if finding.code == REPLACED), None)
    removed = next((finding for finding in findings if finding.code == REMOVED), None)
    match verdict:
        case State.TRUSTED:
            text = f"Signed by {signer}, and not changed since."
            if any(finding.code == INGREDIENT_FAULT for finding in findings):
                text += " But a file that it was made from had been changed or damaged."
        case State.UNKNOWN_SIGNER:
            text = f"Not changed since it was signed, but it is not known who {signer} is."
            if manifest is not None and manifest.findings:
                text = f"Not changed since it was signed by {signer}, but {manifest.findings[0].text}."
        case State.TAMPERED:
            fault = (
                manifest.findings[0].text if manifest and manifest.findings else "it is not as it was signed"
            )
            text = f"Do not trust it: {replaced.text if replaced else fault}."
        case State.DAMAGED:
            text = "It has a signed record that cannot be read, so that nothing is known for sure."
        case State.NONE:
            text = (
                "It has no signed record. That says nothing about where it is from: records get lost when a"
                " file is converted or sent through a messenger."
            )
            if removed is not None:
                text = f"It has no signed record any more: {removed.text}."
        case State.UNREADABLE:
            text = f"It cannot be checked: {_reason(reading)}."
    return text


def on_day(made_at: float | None) -> str:
    """The day of a moment in words, in UTC, such as " on 30 November 2026"; "" for None."""
    if made_at is None:
        return ""
    day = dt.datetime.fromtimestamp(made_at, dt.UTC)
    return f" on {day.day} {day:%B %Y}"


def _signer_of(manifest: Manifest | None) -> str:
    if manifest is None or manifest.signer is None:
        return "somebody"
    name, organization = manifest.signer.name, manifest.signer.organization
    return (
        f"{name} ({organization})" if name and organization and name != organization else name or organization
    )


def _reason(reading: Reading) -> str:
    if not reading.size:
        return "the file is empty"
    if reading.error == NO_ANSWER:
        return "reading it takes more time or memory than a file of its kind may take"
    if reading.error == NOT_SUPPORTED:
        return "it is not a video, a picture or a sound of a kind that can hold a record"
    return "the file is cut off or damaged"
