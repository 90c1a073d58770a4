"""Signing a file: the last write of all. What cannot hold a manifest gets one beside it, `FILE.c2pa`."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hinode.errors import HinodeError
from hinode.media.reading.container import HEAD_BYTES
from hinode.output import replace_file
from hinode.trust.provenance import manifest
from hinode.trust.provenance.authority import Authority
from hinode.trust.provenance.ingredients import Inspected, context_settings, inspect
from hinode.trust.provenance.statement import Extent, Statement
from hinode.trust.verification.child import media_digest, read_boxes

log = logging.getLogger(__name__)

SIDECAR = ".c2pa"
OTHER = "application/octet-stream"


class SigningError(HinodeError):
    """A file cannot be signed, and so it is not delivered."""

    code: ClassVar[str] = "signing"


@dataclass(frozen=True)
class Mark:
    """What a signed file can be recognised by.

    Attributes:
        digest: SHA-256 of the signed file, in hexadecimal digits.
        bytes: its size.
        label: of its manifest, such as "urn:c2pa:…".
        watermark_id: what its watermark carries, or None.
        sidecar: the file with the manifest, if it could not go into the file itself.
        ingredients: what was read of each ingredient, in the order of the statement.
        awaits_timestamp: whether a time authority is to confirm the time of the signature and did not yet.
        media_digest: SHA-256 of the packed pictures and sound of an MP4, which no manifest changes; None for
            other files.
    """

    digest: str
    bytes: int
    label: str
    watermark_id: str | None = None
    sidecar: Path | None = None
    ingredients: tuple[Inspected, ...] = ()
    awaits_timestamp: bool = False
    media_digest: str | None = None


def sign(path: Path, statement: Statement, authority: Authority) -> Mark:
    """Sign a file in its place; nothing that was there is lost if that fails.

    Args:
        path: an MP4, PNG, JPEG, WebP, GIF or SVG, which gets the manifest into it; or any other file, which
            stays as it is and gets the manifest beside it, in `FILE.c2pa`.
        statement: what the manifest says.
        authority: signs it.

    Raises:
        SigningError: the library refuses the file or the statement.
        AuthorityError: the authority cannot sign.
        OutputError: the file cannot be written.
    """
    with path.open("rb") as file:
        kind = media_type(file.read(HEAD_BYTES))
    if kind == OTHER:
        sidecar = path.with_name(path.name + SIDECAR)
        with replace_file(sidecar) as part, path.open("rb") as source:
            signed = _sign(source, None, kind, statement, authority)
            part.write_bytes(signed.manifest)
        return _mark(path, signed, statement, sidecar)
    with replace_file(path) as part:
        with path.open("rb") as source, part.open("x+b") as target:
            signed = _sign(source, target, kind, statement, authority)
        return _mark(part, signed, statement)


def sign_bytes(data: bytes, statement: Statement, authority: Authority) -> bytes:
    """A small picture with its manifest in it; see `sign`."""
    target = io.BytesIO()
    _sign(io.BytesIO(data), target, media_type(data), statement, authority)
    return target.getvalue()


def media_type(head: bytes) -> str:
    """The media type of a file that a manifest can go into, by its first bytes; else `OTHER`."""
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] == b"GIF8":
        return "image/gif"
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.lstrip()[:4] == b"<svg":
        return "image/svg+xml"
    return OTHER


@dataclass(frozen=True)
class _Signed:
    manifest: bytes
    label: str
    ingredients: tuple[Inspected, ...]
    awaits_timestamp: bool


def _sign(source: Any, target: Any, kind: str, statement: Statement, authority: Authority) -> _Signed:
    """Write a signed copy of `source` to `target`, or with None for it only make the manifest."""
    import c2pa  # a library of 23 MB, which most commands do without

    label = f"urn:c2pa:{uuid.uuid4()}"
    anchors = authority.anchors()
    inspected = tuple(inspect(item, index, anchors) for index, item in enumerate(statement.ingredients))
    kept = [read.source_type or read.item.source_type for read in inspected if read.item.is_kept]
    now = dt.datetime.now(dt.UTC)
    when = now if statement.created_at is None else dt.datetime.fromtimestamp(statement.created_at, dt.UTC)
    definition = manifest.define(statement, label, kept, when)
    # An ingredient whose certificate has ended, or that was changed, must not fail the file that it is in.
    # So a second try leaves it to readers to find that out, and a third one names it by its digest alone.
    tries = [(True, True, ""), (False, True, ""), (False, False, "")] if inspected else [(True, True, "")]
    if authority.time_authority:
        from hinode.trust.provenance import timestamps  # with the HTTP client

        if timestamps.answers(authority.time_authority):
            tries.insert(0, (True, True, authority.time_authority))
    for number, (verify, with_manifests, time_authority) in enumerate(tries, start=1):
        source.seek(0)
        if target is not None:
            target.seek(0)
            target.truncate()
        try:
            content = _attempt(
                source,
                target,
                kind,
                definition,
                inspected,
                authority,
                verify,
                with_manifests,
                time_authority,
            )
            return _Signed(content, label, inspected, bool(authority.time_authority) and not time_authority)
        except c2pa.C2paError as error:
            if number == len(tries):
                reason = " ".join(str(error).split())[:300]
                raise SigningError(f"the file cannot be signed: {reason}", "report this") from error
            if time_authority:
                timestamps.mark_failed(time_authority)
            log.warning("a file is signed with less: %s", " ".join(str(error).split())[:300])
    raise AssertionError


def _attempt(
    source: Any,
    target: Any,
    kind: str,
    definition: dict[str, Any],
    inspected: Iterable[Inspected],
    authority: Authority,
    verify: bool,
    with_manifests: bool,
    time_authority: str,
) -> bytes:
    import c2pa

    failures: list[Exception] = []

    def callback(data: bytes) -> bytes:
        # The library drops what a callback raises, and says that the signature is invalid.
        try:
            return authority.sign(data)
        except Exception as error:
            failures.append(error)
            raise

    with ExitStack() as stack:
        context = stack.enter_context(
            c2pa.Context.from_dict(context_settings(authority.anchors(), verify=verify))
        )
        chain = authority.certificates.decode()
        signer = stack.enter_context(
            c2pa.Signer.from_callback(callback, c2pa.C2paSigningAlg.ES256, chain, time_authority or None)
        )
        whole = {**definition, "format": kind, "ingredients": []}
        archives: list[bytes] = []
        for index, read in enumerate(inspected):
            if read.archive is not None and with_manifests:
                archives.append(read.archive)
            else:
                whole["ingredients"].append(manifest.ingredient(read.item, index))
        builder = stack.enter_context(c2pa.Builder(whole, context=context))
        for archive in archives:
            builder.add_ingredient_from_archive(io.BytesIO(archive))
        if target is None:
            builder.set_no_embed()
        try:
            content: bytes = builder.sign(signer, kind, source, target or io.BytesIO())
        except c2pa.C2paError:
            if failures:
                raise failures[0] from None
            raise
        return content


def read_mark(path: Path, label: str) -> Mark:
    """What a file that was signed already can be recognised by; `label` is that of its manifest."""
    return _mark(path, _Signed(b"", label, (), False), Statement(Extent.NOTHING))


def _mark(path: Path, signed: _Signed, statement: Statement, sidecar: Path | None = None) -> Mark:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        media = media_digest(file, list(read_boxes(file, path.stat().st_size)))
    return Mark(
        digest,
        path.stat().st_size,
        signed.label,
        statement.watermark_id,
        sidecar,
        signed.ingredients,
        signed.awaits_timestamp,
        media,
    )
