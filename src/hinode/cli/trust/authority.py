"""`hinode trust`: the keys that sign what leaves Hinode."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import print_table
from hinode.cli.trust.registry import existing_database
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.trust.provenance.keyring import Keyring
    from hinode.trust.provenance.marks import TimestampCounts

trust = typer.Typer(help="Show, renew and export the keys that sign files.", no_args_is_help=True)


@trust.command("init", cls=Command)
def init(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Keys that `hinode trust export --keys` wrote on another machine."
        ),
    ] = None,
) -> None:
    """Make the keys now, or take over those of another machine.

    Keys are made by themselves when something is signed first.
    """
    from hinode.trust.provenance.authority import load_keyring, locked, open_authority, save_keyring
    from hinode.trust.provenance.keyring import Keyring

    settings = _settings()
    if source is None:
        open_authority(settings.home, settings)
    else:
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            message = f"{quote(str(source), 200)} cannot be read: {reason}"
            raise BadInput(message, "name another file", field="from") from error
        imported = Keyring.load(text, source=str(source))
        with locked(settings.home):
            before = load_keyring(settings.home)
            if before is not None and before.identity != imported.identity:
                message = "this home has the keys of another authority"
                remedy = "move its folder trust away first; its roots are needed to verify what it signed"
                raise BadInput(message, remedy, field="from")
            imported.signing_key(_secret(settings))
            save_keyring(settings.home, imported)
    _print_status(as_json=False)


@trust.command("status", cls=Command)
def status(as_json: options.AsJson = False) -> None:
    """Show the authority, its certificates and when they end, and the files that wait for a timestamp."""
    _print_status(as_json=as_json)


@trust.command("rotate", cls=Command)
def rotate(
    root: Annotated[bool, typer.Option("--root", help="Replace the root too.")] = False,
) -> None:
    """Replace the key that signs. What earlier keys signed stays verifiable.

    Servers and workers use the new key from their next start on.
    """
    from contextlib import closing

    from hinode.records.database import Database
    from hinode.trust.provenance.authority import load_keyring, locked, open_authority, save_keyring
    from hinode.trust.provenance.sharing import share

    settings = _settings()
    _check_own_keys(settings)
    with closing(Database(settings.database_url)) as database:
        if not database.sqlite:
            share(database, settings)  # a rotation elsewhere comes first
        open_authority(settings.home, settings)
        with locked(settings.home):
            before = load_keyring(settings.home)
            assert before is not None, "it was opened"
            save_keyring(settings.home, before.rotate(_secret(settings), dt.datetime.now(dt.UTC), root=root))
        if not database.sqlite:
            share(database, settings)
    _print_status(as_json=False)


@trust.command("export", cls=Command)
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default="standard output"),
    ] = None,
    keys: Annotated[
        bool,
        typer.Option("--keys", help="The encrypted private keys too, for `hinode trust init --from`."),
    ] = False,
) -> None:
    """Print the roots in PEM, which others need to verify files.

    With --keys, everything that another machine needs to sign as this one does, besides the secret.
    """
    from hinode.output import replace_file
    from hinode.trust.provenance.authority import open_authority

    settings = _settings()
    authority = open_authority(settings.home, settings)
    if keys:
        _check_own_keys(settings)
        text = _keyring(settings).text
    else:
        text = authority.anchors().decode()
    if output is None:
        print(text, end="")
        return
    with replace_file(output) as part:
        part.touch(mode=0o600 if keys else 0o644)
        part.write_text(text, encoding="utf-8")


@trust.command("timestamp", cls=Command)
def timestamp(
    file: Annotated[Path, typer.Argument(help="File that was signed here.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="TOKEN", help="File to write.", show_default="FILE with .tst behind it"
        ),
    ] = None,
) -> None:
    """Write the timestamp that a file got after it was signed: an RFC 3161 token over its SHA-256.

    OpenSSL checks it: openssl ts -verify -data FILE -in TOKEN -token_in -CAfile ROOT.
    """
    import hashlib

    from hinode.output import replace_file
    from hinode.trust.provenance import marks

    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        message = f"{quote(str(file), 200)} cannot be read: {error.strerror}"
        raise BadInput(message, "name another file", field="file") from error
    mark = None
    with existing_database(_settings()) as database:
        if database is not None:
            with database.read() as connection:
                mark = marks.find(connection, digest)
    if mark is None or mark.timestamp is None:
        message = "the database of this home has no timestamp of this file"
        remedy = "see `hinode trust status` for files that wait; one of most files is in the manifest already"
        raise BadInput(message, remedy, field="file")
    path = output or file.with_name(f"{file.name}.tst")
    with replace_file(path) as part:
        part.write_bytes(mark.timestamp)
    print(path)


def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _secret(settings: Settings) -> bytes:
    from hinode.trust.provenance.authority import read_secret

    return read_secret(settings.home, settings.trust_secret)


def _check_own_keys(settings: Settings) -> None:
    if settings.trust_signer:
        message = "the key is not here: HINODE_TRUST_SIGNER names what signs"
        raise BadInput(message, "rotate or export it there", field="HINODE_TRUST_SIGNER")


def _keyring(settings: Settings) -> Keyring:
    from hinode.trust.provenance.authority import load_keyring

    keyring = load_keyring(settings.home)
    assert keyring is not None, "it was opened"
    return keyring


def _timestamp_counts(settings: Settings) -> TimestampCounts | None:
    """Files that were signed without a timestamp, or None if no database can be asked."""
    from hinode.records.database import DatabaseError
    from hinode.records.upgrades import is_usable
    from hinode.trust.provenance import marks

    with suppress(DatabaseError), existing_database(settings) as database:
        if database is not None:
            with database.read() as connection:
                return marks.count_timestamps(connection) if is_usable(connection) else None
    return None


def _print_status(*, as_json: bool) -> None:
    from cryptography import x509

    from hinode.trust.provenance.authority import open_authority
    from hinode.trust.provenance.certificates import fingerprint

    settings = _settings()
    authority = open_authority(settings.home, settings)
    roots = x509.load_pem_x509_certificates(authority.anchors())
    chain = x509.load_pem_x509_certificates(authority.certificates)
    rows = [
        *(("signs", certificate) for certificate in chain[:1]),
        *(("issues", certificate) for certificate in chain[1:]),
        *(("root", certificate) for certificate in roots),
    ]
    values = [
        {
            "use": use,
            "name": certificate.subject.rfc4514_string(),
            "until": certificate.not_valid_after_utc.date().isoformat(),
            "sha256": fingerprint(certificate),
        }
        for use, certificate in rows
    ]
    counts = _timestamp_counts(settings)
    signer = "a command" if settings.trust_signer else "a key of this home"
    if as_json:
        facts = {
            "signer": signer,
            "time_authority": settings.time_authority or None,
            "timestamps": None if counts is None else dataclasses.asdict(counts),
            "certificates": values,
        }
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(f"signed by {signer}; time authority: {settings.time_authority or 'none'}")
    if counts is not None and any(dataclasses.astuple(counts)):
        print(
            f"files signed without a timestamp: {counts.waiting} wait for one,"
            f" {counts.received} have got one since, {counts.given_up} will get none"
        )
    print_table(
        ("use", "certificate", "until", "sha-256"),
        [(row["use"], row["name"], row["until"], row["sha256"][:16]) for row in values],
    )
