"""`hinode consents`, `hinode takedowns` and `hinode uploads`: the rights of people, for the operator."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.rights.consents import Consents
    from hinode.jobs.rights.takedowns import Takedowns
    from hinode.jobs.rights.uploads import UploadPolicy
    from hinode.rights.receipts import Receipt

consents = typer.Typer(help="List, grant, revoke and verify consents of people.", no_args_is_help=True)
takedowns = typer.Typer(help="Decide about notices of takedown, and report on them.", no_args_is_help=True)
uploads = typer.Typer(help="Accept uploads that wait for a review.", no_args_is_help=True)

DAY = 86_400.0
ConsentId = Annotated[str, typer.Argument(metavar="ID", help="Id of the consent, consent_…")]
NoticeId = Annotated[str, typer.Argument(metavar="ID", help="Id of the notice, takedown_…")]
Reason = Annotated[str, typer.Option(help="Why, for the sender and for the makers.")]


@consents.command("list", cls=Command)
def list_consents(as_json: options.AsJson = False) -> None:
    """Print every consent on this server."""
    with _open() as (people, _, _):
        found = people.all()
    if as_json:
        print(json.dumps([dataclasses.asdict(consent) for consent in found]))
        return
    rows = [
        (
            consent.id,
            consent.person,
            consent.character_id,
            consent.status(time.time()),
            consent.access,
            ",".join(consent.uses),
            str(consent.version),
            moment(consent.expires_at),
        )
        for consent in found
    ]
    print_table(("ID", "PERSON", "CHARACTER", "STATUS", "ACCESS", "USES", "VERSION", "EXPIRES"), rows)


@consents.command("grant", cls=Command)
def grant_consent(
    character: Annotated[str, typer.Argument(help="Id of the character, char_…")],
    person: Annotated[str, typer.Option(help="Name of the person who is shown.")],
    project: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name or id.", show_default="the first project"),
    ] = None,
    scope: Annotated[str, typer.Option(help="In words, such as: music videos, no advertising.")] = "",
    uses: Annotated[
        str, typer.Option(metavar="LIST", help="Of generate, remix and publish, separated by commas.")
    ] = "generate,remix,publish",
    access: Annotated[str, typer.Option(help="only_me, named, project or server.")] = "project",
    people: Annotated[
        str, typer.Option(metavar="LIST", help="For --access named: ids and addresses, separated by commas.")
    ] = "",
    days: Annotated[float, typer.Option(help="Days until it expires, 3652 at most.")] = 365.0,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Confirm that the person has agreed, or that you are the person."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Enter the consent of a person to be shown as a character, with a signed receipt."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.rights.consents import STATEMENT, Terms
    from hinode.rights.people import Person

    if not confirm:
        raise BadInput(f"the consent is not confirmed: {STATEMENT}", "add --confirm", field="confirm")
    with _open() as (kept, _, _):
        owner = Tenants(kept.database, time.time).project(project).id
        terms = Terms(person, scope, _list(uses), access, _list(people), time.time() + days * DAY)
        consent = kept.grant(character, terms, Person(owner, owner, manages=True))
    print(json.dumps(dataclasses.asdict(consent)) if as_json else consent.id)


@consents.command("revoke", cls=Command)
def revoke_consent(
    consent: ConsentId,
    everything: Annotated[
        bool, typer.Option("--everything", help="Withhold drafts too, and not only what is published.")
    ] = False,
) -> None:
    """Revoke a consent for ever: unfinished videos fail, and published ones are withheld."""
    from hinode.rights.people import OPERATOR

    with _open() as (people, _, _):
        people.revoke(consent, None, OPERATOR, everything=everything)
    print(f"revoked {consent}")


@consents.command("export", cls=Command)
def export_receipts(
    consent: ConsentId, file: Annotated[Path, typer.Argument(help="File to write, .json")]
) -> None:
    """Write the signed receipts of a consent into a file."""
    from hinode.output import check_writable, replace_file

    with _open() as (people, _, _):
        receipts = people.receipts(consent, None)
    check_writable(file)
    with replace_file(file) as part:
        text = json.dumps([dataclasses.asdict(receipt) for receipt in receipts], indent=1, ensure_ascii=False)
        part.write_text(text + "\n", encoding="utf-8")
    print(file)


@consents.command("verify", cls=Command)
def verify_receipts(
    file: Annotated[Path, typer.Argument(help="Receipts that export wrote.")],
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Public key.", show_default="that of this installation"),
    ] = None,
) -> None:
    """Check that receipts were signed by this installation, are complete and unchanged."""
    from hinode.rights import receipts
    from hinode.rights.receipts import Signer

    public_key = key or Signer(Settings.from_environment(os.environ).home).public_key
    chain = _read_receipts(file)
    receipts.verify(chain, [public_key])
    facts = json.loads(chain[-1].document)
    state = "revoked" if facts["revoked_at"] else f"until {moment(facts['expires_at'])}"
    print(f"{len(chain)} valid receipts of {facts['id']}: {facts['person']}, {state}")


@consents.command("confirm", cls=Command)
def confirm_rights(
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
) -> None:
    """Confirm, for a project, the rights to the pictures and videos that it uploads."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.rights.attestations import STATEMENT
    from hinode.rights.people import OPERATOR

    with _open() as (people, _, _):
        people.confirm(Tenants(people.database, time.time).project(project).id, OPERATOR)
    print(f"confirmed for {project}: {STATEMENT}")


@takedowns.command("list", cls=Command)
def list_notices(
    status: Annotated[
        str | None,
        typer.Option(help="open, upheld, rejected, countered, restored or final.", show_default="all"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Notices at most, the newest first.")] = 100,
    as_json: options.AsJson = False,
) -> None:
    """Print notices of takedown."""
    with _open() as (_, notices, _):
        found = notices.page(status=status, after=None, limit=limit)[0]
    if as_json:
        print(json.dumps([dataclasses.asdict(notice) for notice in found]))
        return
    rows = [
        (notice.id, notice.kind, notice.status.value, moment(notice.created_at), moment(notice.due_at))
        for notice in found
    ]
    print_table(("ID", "KIND", "STATUS", "RECEIVED", "DUE"), rows)


@takedowns.command("show", cls=Command)
def show_notice(notice: NoticeId, as_json: options.AsJson = False) -> None:
    """Print a notice, and everything on this server that it is about."""
    with _open() as (_, notices, _):
        found, matches = notices.get(notice), notices.matches(notice)
    if as_json:
        values = dataclasses.asdict(found) | {"matches": [dataclasses.asdict(match) for match in matches]}
        print(json.dumps(values))
        return
    for name in ("id", "kind", "name", "contact", "locator", "statement", "reason"):
        print(f"{name}: {getattr(found, name)}")
    print(f"status: {found.status.value}, due {moment(found.due_at)}")
    if found.counter_statement:
        print(f"answer: {found.counter_statement} (signed {found.counter_signature})")
    rows = [(match.entry_id, match.kind, f"{match.similarity:.0%}") for match in matches]
    print_table(("ENTRY", "MATCH", "SIMILARITY"), rows)


@takedowns.command("decide", cls=Command)
def decide(
    notice: NoticeId,
    decision: Annotated[str, typer.Argument(help="uphold, reject, restore or close.")],
    reason: Reason = "",
    spare: Annotated[
        str, typer.Option(metavar="LIST", help="Ids of matches that stay, separated by commas.")
    ] = "",
) -> None:
    """Uphold a notice with all copies, reject it, restore everything, or end its appeals for good."""
    from hinode.rights.people import OPERATOR

    with _open() as (_, notices, _):
        match decision:
            case "uphold":
                _, names = notices.uphold(notice, OPERATOR, reason, spare=_list(spare))
            case "reject":
                names = [notices.reject(notice, OPERATOR, reason).id]
            case "restore":
                _, names = notices.restore(notice, OPERATOR, reason)
            case "close":
                names = [notices.close(notice, OPERATOR, reason).id]
            case _:
                message = f"there is no decision {quote(decision)}"
                raise BadInput(message, "give uphold, reject, restore or close", field="decision")
    print("\n".join(names))


@takedowns.command("report", cls=Command)
def report(
    days: Annotated[float, typer.Option(min=1, help="Until now.")] = 365.0, as_json: options.AsJson = False
) -> None:
    """Print the transparency report of the last days. It names nobody."""
    with _open() as (_, notices, _):
        now = time.time()
        found = notices.report(now - days * DAY, now)
    if as_json:
        print(json.dumps(dataclasses.asdict(found)))
        return
    print(f"Notices of takedown from {moment(found.begin)} to {moment(found.end)}")
    states = ("open", "upheld", "rejected", "countered", "restored", "final")
    rows = [
        (row.kind, str(row.received), *(str(row.status.get(state, 0)) for state in states))
        for row in found.rows
    ]
    print_table(("KIND", "RECEIVED", *(state.upper() for state in states)), rows)
    hours = "-" if found.median_hours is None else f"{found.median_hours:.1f} h"
    longest = "-" if found.longest_hours is None else f"{found.longest_hours:.1f} h"
    print(f"time to a decision: median {hours}, longest {longest}; after 48 hours: {found.late}")
    print(f"carried out because nobody had decided: {found.automatic}")
    matched = ", ".join(f"{count} {kind}" for kind, count in sorted(found.withheld.items()))
    print(f"withheld at present: {matched or 'nothing'}")
    print(f"answered: {found.answered}; restored: {found.restored}")
    print(f"consents granted: {found.consents}; revoked: {found.revoked}")


@uploads.command("list", cls=Command)
def list_reviews(as_json: options.AsJson = False) -> None:
    """Print the uploads that wait for a review."""
    with _open() as (_, _, policy):
        found = policy.pending(limit=1000)[0]
    if as_json:
        print(json.dumps([dataclasses.asdict(review) for review in found]))
        return
    rows = [
        (review.id, review.project_id, review.media_type, str(review.bytes), moment(review.created_at))
        for review in found
    ]
    print_table(("ID", "PROJECT", "TYPE", "BYTES", "RECEIVED"), rows)


@uploads.command("decide", cls=Command)
def decide_review(
    review: Annotated[str, typer.Argument(metavar="ID", help="Id of the review, review_…")],
    accept: Annotated[bool, typer.Option("--accept/--reject", help="Whether the file may be used.")],
) -> None:
    """Accept an upload for its project, or reject it."""
    from hinode.rights.people import OPERATOR

    with _open() as (_, _, policy):
        policy.decide(review, accept, OPERATOR)
    print(f"{'accepted' if accept else 'rejected'} {review}")


@contextmanager
def _open() -> Iterator[tuple[Consents, Takedowns, UploadPolicy]]:
    """The consents, notices and uploads of the server of the settings."""
    from hinode.jobs.files.stores import open_store
    from hinode.jobs.rights.consents import Consents
    from hinode.jobs.rights.takedowns import Takedowns
    from hinode.jobs.rights.uploads import UploadPolicy
    from hinode.rights.receipts import Signer

    settings = Settings.from_environment(os.environ)
    with open_database() as database:
        objects = open_store(settings, time.time)
        yield (
            Consents(database, objects, Signer(settings.home), time.time),
            Takedowns(database, objects, time.time),
            UploadPolicy(database, settings.likeness),
        )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _read_receipts(file: Path) -> list[Receipt]:
    from hinode.rights.receipts import Receipt

    try:
        receipts = [Receipt(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
        if receipts:
            return receipts
    except (OSError, ValueError, TypeError):
        pass
    message = f"{quote(str(file), 200)} has no receipts"
    raise BadInput(message, "give a file that `hinode consents export` wrote", field="file")
