"""Notices of takedown as the service keeps them: received, decided about in time, answered and closed."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.files.objects import Objects
from hinode.jobs.rights import copies
from hinode.jobs.rights.copies import Match
from hinode.jobs.rights.enforcement import VIDEO, Action, act
from hinode.jobs.tenants.mail import Mailer
from hinode.jobs.webhooks import outbox
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row
from hinode.records.tables import posts, projects, takedowns, withheld, withheld_files
from hinode.request import MediaFile
from hinode.rights import notices, transparency
from hinode.rights.notices import APPEAL_SECONDS, Claim, Notice, Status
from hinode.rights.people import CLOCK

log = logging.getLogger(__name__)

REMINDER, UPHELD, RESTORED = "takedown.reminder", "takedown.upheld", "takedown.restored"
"""Webhook events: the first for the operator's project, the others for the projects of what is withheld."""
UNDECIDED = "Nobody decided within 47 hours, so the notice was carried out."
MIN_STATEMENT, MAX_STATEMENT = 10, 5000


class UnknownNotice(BadInput):
    """There is no such notice, or the secret is not that of it."""

    code = "not_found"

    def __init__(self, notice_id: str) -> None:
        message = f"there is no notice {quote(notice_id, 80)}"
        super().__init__(message, "check the id", field="takedown_id")


@dataclass(frozen=True)
class Received:
    """A notice that was just received; only now is the `token` known with which its sender may ask for it."""

    notice: Notice
    token: str


class Takedowns:
    """The notices in one database. Safe to use from several threads.

    An actor is the id of a person, or `people.OPERATOR`.
    """

    def __init__(self, database: Database, objects: Objects, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock

    # What strangers do

    def receive(self, claim: Claim, address: str) -> Received:
        """Enter a notice; `address` is where it came from, of which only a digest is stored, or "".

        Raises:
            BadInput: it lacks what the law asks for, or there were too many from there.
        """
        notices.check(claim)
        token, now = secrets.token_urlsafe(24), self.clock()
        origin = _digest(address) if address else ""
        with self.database.write() as connection:
            entries = _entries(connection, claim.locator)
            notice = notices.insert(connection, claim, entries, _digest(token), origin, now)
        return Received(notice, token)

    def status(self, notice_id: str, token: str) -> Notice:
        """A notice, for its sender.

        Raises:
            UnknownNotice: there is none, or the token is another's.
        """
        query = sa.select(takedowns.c.token).where(takedowns.c.id == notice_id)
        with self.database.read() as connection:
            notice = notices.get(connection, notice_id)
            expected = connection.scalar(query) if notice else None
        if notice is None or not hmac.compare_digest(str(expected), _digest(token)):
            raise UnknownNotice(notice_id)
        return notice

    # What reviewers do

    def get(self, notice_id: str) -> Notice:
        """A notice.

        Raises:
            UnknownNotice: there is none.
        """
        with self.database.read() as connection:
            return _existing(notices.get(connection, notice_id), notice_id)

    def page(
        self, *, status: str | None = None, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Notice], bool]:
        """Notices of one status or all in the order of arrival, and whether there are more; see `page_of`."""
        everything = takedowns.c.id.is_not(None)
        query = sa.select(takedowns)
        if status is not None:
            query = query.where(takedowns.c.status == status)
        with self.database.read() as connection:
            rows, more = page_of(connection, query, everything, "notice", after, limit, descending)
        return [Notice.of(row) for row in rows], more

    def matches(self, notice_id: str) -> list[Match]:
        """What a notice is about: of an open one what is there now, of another one what was decided about.

        Raises:
            UnknownNotice: there is none.
        """
        with self.database.read() as connection:
            notice = _existing(notices.get(connection, notice_id), notice_id)
            if notice.status is Status.OPEN:
                return copies.find(connection, list(notice.entries))
            return copies.matches_of(connection, notice_id)

    def uphold(
        self, notice_id: str, actor: str, reason: str = "", *, spare: Collection[str] = ()
    ) -> tuple[Notice, list[str]]:
        """Withhold what a notice is about, with all copies, and let other copies be refused.

        Args:
            reason: for the makers and for the sender.
            spare: ids of matches that stay, such as innocent ones.

        Returns: the notice, and the ids of what is withheld now and was not before.

        Raises:
            UnknownNotice: there is none.
            WrongStatus: it was decided about.
        """
        # Before the transaction that writes: the search reads the fingerprints of all videos.
        found, now = self.matches(notice_id), self.clock()
        with self.database.write() as connection:
            notice = _existing(notices.get(connection, notice_id, lock=True), notice_id)
            copies.enter_matches(connection, notice_id, found)
            matches = [
                match for match in copies.matches_of(connection, notice_id) if match.entry_id not in spare
            ]
            names = [match.entry_id for match in matches]
            until = now + APPEAL_SECONDS
            notice = notices.change(
                connection, notice, Status.UPHELD, actor, now, reason, appeal_ends_at=until
            )
            # What was made from a copy may have innocent parts, whose copies are not refused.
            kept_down = [match.entry_id for match in matches if match.kind != copies.DERIVED]
            copies.keep_down(connection, notice_id, kept_down, now)
            hidden = act(connection, Action.HIDE, names, notice_id, now)
            self._tell(connection, notice_id, UPHELD, now)
        for name in hidden:
            if name.startswith(VIDEO):
                self.objects.delete_preview(name)
        return notice, hidden

    def reject(self, notice_id: str, actor: str, reason: str) -> Notice:
        """Close a notice without taking anything down; it raises as `uphold` does."""
        with self.database.write() as connection:
            notice = _existing(notices.get(connection, notice_id, lock=True), notice_id)
            return notices.change(connection, notice, Status.REJECTED, actor, self.clock(), reason)

    def restore(self, notice_id: str, actor: str, reason: str = "") -> tuple[Notice, list[str]]:
        """Uphold the answer of a maker, or correct a mistake: everything is there again as it was, and copies
        may be used. It raises as `uphold` does.

        Returns: the notice, and the ids of what is there again.
        """
        now = self.clock()
        with self.database.write() as connection:
            notice = _existing(notices.get(connection, notice_id, lock=True), notice_id)
            notice = notices.change(connection, notice, Status.RESTORED, actor, now, reason)
            copies.lift(connection, notice_id)
            self._tell(connection, notice_id, RESTORED, now)
            restored = act(connection, Action.RESTORE, _withheld(connection, notice_id), notice_id, now)
        return notice, restored

    def close(self, notice_id: str, actor: str, reason: str = "") -> Notice:
        """End the appeals of a notice that stays upheld: its evidence is deleted for good. It raises as
        `uphold` does."""
        now = self.clock()
        with self.database.write() as connection:
            notice = _existing(notices.get(connection, notice_id, lock=True), notice_id)
            notice = notices.change(connection, notice, Status.FINAL, actor, now, reason)
            act(connection, Action.ERASE, _withheld(connection, notice_id), notice_id, now)
        return notice

    def evidence(self, notice_id: str, entry_id: str) -> dict[str, MediaFile]:
        """The files of an entry that a notice is about, by role, for reviewers; see `files`.

        Raises:
            UnknownNotice: there is no such notice.
        """
        notice = self.get(notice_id)
        if notice.status is Status.OPEN and entry_id not in notice.entries:
            matching = {match.entry_id for match in self.matches(notice_id)}
            return self.files(notice, entry_id) if entry_id in matching else {}
        return self.files(notice, entry_id)

    def files(self, notice: Notice, entry_id: str) -> dict[str, MediaFile]:
        """The files of an entry that matches a notice, by role: before the decision those that are there,
        after it those that are withheld, and none once appeals have ended."""
        mine = withheld.c.entry_id == withheld_files.c.entry_id, withheld.c.cause_id == notice.id
        query = sa.select(withheld_files).where(
            withheld_files.c.entry_id == entry_id, sa.exists().where(*mine)
        )
        with self.database.read() as connection:
            if notice.status is Status.OPEN:
                return copies.files_of(connection, entry_id)
            rows = connection.execute(query)
            return {row.role: MediaFile(row.digest, row.media_type, row.bytes) for row in rows}

    # What makers do

    def of_project(self, project_id: str) -> list[tuple[Notice, list[str]]]:
        """The notices because of which something of a project is withheld, the newest first, each with the
        ids of its entries."""
        query = sa.select(withheld.c.cause_id, withheld.c.entry_id).where(withheld.c.project_id == project_id)
        names: dict[str, list[str]] = {}
        with self.database.read() as connection:
            for row in connection.execute(query.order_by(withheld.c.cause_id.desc(), withheld.c.entry_id)):
                names.setdefault(row.cause_id, []).append(row.entry_id)
            found = [(notices.get(connection, name), entries) for name, entries in names.items()]
        return [(notice, entries) for notice, entries in found if notice is not None]

    def counter(self, project_id: str, notice_id: str, statement: str, signature: str, actor: str) -> Notice:
        """Enter the answer of a project whose entries are withheld.

        Raises:
            UnknownNotice: nothing of the project is withheld because of it.
            BadInput: the answer is too short, too long or not signed.
            WrongStatus: it was answered or closed.
        """
        if not MIN_STATEMENT <= len(statement.strip()) <= MAX_STATEMENT:
            message = f"the statement has {len(statement.strip())} characters"
            raise BadInput(message, f"give {MIN_STATEMENT} to {MAX_STATEMENT}", field="statement")
        if not 1 <= len(signature.strip()) <= notices.MAX_NAME_LENGTH:
            raise BadInput("the answer is not signed", "sign it with your name", field="signature")
        now = self.clock()
        self.get(notice_id)
        mine = withheld.c.cause_id == notice_id, withheld.c.project_id == project_id
        values = {"counter_project_id": project_id, "counter_statement": statement.strip()}
        with self.database.write() as connection:
            if first_row(connection, sa.select(withheld.c.entry_id).where(*mine).limit(1)) is None:
                raise UnknownNotice(notice_id)
            notice = _existing(notices.get(connection, notice_id, lock=True), notice_id)
            return notices.change(
                connection,
                notice,
                Status.COUNTERED,
                actor,
                now,
                **values,
                counter_signature=signature.strip(),
                counter_at=now,
            )

    # What time does

    def advance(self, mailer: Mailer | None, recipients: Sequence[str]) -> None:
        """Carry out what nobody decided about in 47 hours, end appeals that nobody made in time, and remind
        the operator by webhook and mail."""
        now = self.clock()
        with self.database.read() as connection:
            late, settled = notices.due(connection, now), notices.settled(connection, now)
        for notice_id in late:
            self._quietly(self.uphold, notice_id, CLOCK, UNDECIDED)
        for notice_id in settled:
            self._quietly(self.close, notice_id, CLOCK)
        with self.database.write() as connection:
            reminded = notices.remind(connection, now)
            operator = connection.scalar(sa.select(projects.c.id).order_by(projects.c.id).limit(1))
            for notice in reminded:
                once = f"{notice.id}:reminder:{notice.reminders}"
                if operator is not None:
                    outbox.emit(connection, operator, REMINDER, {"id": notice.id}, once=once, now=now)
        for notice in reminded:
            for recipient in recipients if mailer is not None else ():
                _send(mailer, recipient, notice, now)

    def report(self, begin: float, end: float) -> transparency.Report:
        """The transparency report of a time, in seconds since 1970."""
        with self.database.read() as connection:
            return transparency.report(connection, begin, end)

    def _quietly(self, decide: Callable[..., object], *arguments: Any) -> None:
        try:
            decide(*arguments)
        except notices.WrongStatus:  # somebody decided meanwhile
            log.info("a notice was decided about meanwhile", extra={"notice": arguments[0]})

    def _tell(self, connection: Connection, notice_id: str, event_type: str, now: float) -> None:
        query = sa.select(withheld.c.project_id, withheld.c.entry_id).where(withheld.c.cause_id == notice_id)
        names: dict[str, list[str]] = {}
        for row in connection.execute(query.order_by(withheld.c.entry_id)):
            names.setdefault(row.project_id, []).append(row.entry_id)
        for project_id, entries in sorted(names.items()):
            data = {"id": notice_id, "entries": entries}
            # Both ids together would be longer than an outbox takes.
            once = f"{notice_id}:{event_type}:{project_id[-20:]}"
            outbox.emit(connection, project_id, event_type, data, once=once, now=now)


def _existing(notice: Notice | None, notice_id: str) -> Notice:
    if notice is None:
        raise UnknownNotice(notice_id)
    return notice


def _entries(connection: Connection, locator: str) -> list[str]:
    """The ids of videos, files and characters that a locator names; a post names its video."""
    names = notices.locate(locator)
    query = sa.select(posts.c.id, posts.c.video_id).where(posts.c.id.in_(names))
    videos = {row.id: row.video_id for row in connection.execute(query)}
    return list(
        dict.fromkeys(videos.get(name, name) for name in names if name in videos or "post_" not in name)
    )


def _withheld(connection: Connection, notice_id: str) -> list[str]:
    return list(connection.scalars(sa.select(withheld.c.entry_id).where(withheld.c.cause_id == notice_id)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _send(mailer: Mailer | None, recipient: str, notice: Notice, now: float) -> None:
    assert mailer is not None, "there are recipients only with a mailer"
    due = datetime.fromtimestamp(notice.due_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    hours = max(0.0, (notice.due_at - now) / 3600)
    subject = f"Notice of takedown {notice.id}: {hours:.0f} hours left"
    text = (
        f"A notice of takedown ({notice.kind}) waits for a decision until {due}.\n\n"
        f"Decide about it: hinode takedowns show {notice.id}\n\n"
        "One hour before that, what it names is withheld by itself.\n"
    )
    try:
        mailer.send(recipient, subject, text)
    except HinodeError as error:
        log.warning("the reminder of %s was not sent: %s", notice.id, error)
