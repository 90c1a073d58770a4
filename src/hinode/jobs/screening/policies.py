"""The operator's policy as a text that is checked, replaced whole, and kept in every version."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hinode.errors import BadInput, HinodeError
from hinode.output import replace_file
from hinode.records.database import Database
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event
from hinode.trust.audit.log import Filter
from hinode.trust.screening import policy as policies
from hinode.trust.screening.policy import Policy, PolicyFile

MAX_CHARACTERS = 256 << 10
"""Of a policy that is sent."""
CHANGED = "policy.changed"
FOLDER = "policies"
"""Beside the policy: the texts that it had, VERSION.yaml."""
_VERSION = re.compile("[0-9a-f]{16}")


class StalePolicy(HinodeError):
    """Another policy is in force than the one that was edited."""

    code = "policy_conflict"
    exit_code = 2


@dataclass(frozen=True)
class Change:
    """A version that the policy once had; `at` is in seconds since 1970."""

    version: str
    actor: str
    at: float


class Policies:
    """The policy of one server. Safe to use from several threads."""

    def __init__(self, database: Database, path: Path, clock: Callable[[], float]) -> None:
        """`path` is the operator's file, which need not be there."""
        self.database = database
        self.path = path
        self.clock = clock

    def text(self) -> str:
        """The operator's file, or "" if there is none.

        Raises:
            BadInput: it cannot be read.
        """
        return _read(self.path) or ""

    def text_of(self, version: str) -> str:
        """The operator's file as it was in a version.

        Raises:
            BadInput: there is none of this version.
        """
        known = _VERSION.fullmatch(version) is not None
        text = _read(self._kept(version)) if known else None
        if text is None:
            raise BadInput(f"no policy {version[:80]!r} is kept", "name one of the changes", field="version")
        return text

    def changes(self, limit: int = 20) -> list[Change]:
        """The last versions that were written here, the newest first."""
        with self.database.read() as connection:
            entries, _ = log.page(connection, Filter(kind=CHANGED), after=None, limit=limit)
        return [Change(entry.subject, entry.actor, entry.at / log.MICRO) for entry, _ in entries]

    def check(self, text: str) -> Policy:
        """The policy that a text would be.

        Raises:
            BadInput: a part of it is wrong, or it names other guards than the file: a guard is sent every
                prompt, and a key that it reads from the disk of the server.
        """
        if len(text) > MAX_CHARACTERS:
            message = f"the policy has {len(text):,} characters"
            raise BadInput(message, f"give {MAX_CHARACTERS:,} at most", field="policy")
        file = policies.read(text)
        before = PolicyFile()
        with suppress(BadInput):  # a file that cannot be read can be replaced
            before = policies.read(self.text())
        if file.guards != before.guards:
            remedy = "leave them as they are; whoever runs the server changes them in policy.yaml"
            raise BadInput("guards cannot be changed here", remedy, field="guards")
        return policies.compiled(file)

    def replace(self, text: str, edited: str, actor: str) -> Policy:
        """Put a policy in force, from the next request on.

        Args:
            text: the whole file.
            edited: version of the policy that was in force when the text was edited, or "" if that could not
                be read.
            actor: id of who does it.

        Raises:
            BadInput: as for `check`.
            StalePolicy: another one is in force by now.
            OutputError: it cannot be written; then the policy before is in force.
        """
        policy = self.check(text)
        with self.database.write() as connection:
            # Writers of the log wait for each other, so of two that edited the same version one is refused.
            facts = {"before": edited, "rules": len(policy.rules), "categories": sorted(policy.categories)}
            log.record(connection, Event(CHANGED, actor, policy.version, facts), self.clock())
            present = self.in_force()
            if (present.version if present else "") != edited:
                message = "another policy is in force than the one that was edited"
                raise StalePolicy(message, "load it, and make the change again")
            self._keep_present(edited)
            _write(self._kept(policy.version), text)
            _write(self.path, text)
        return policy

    def in_force(self) -> Policy | None:
        """The policy in force; None if its file cannot be read, so that nothing passes."""
        try:
            return policies.load(self.path)
        except BadInput:
            return None

    def _keep_present(self, version: str) -> None:
        """Keep the file that is there, which somebody may have written by hand."""
        if version and self.path.exists() and not self._kept(version).exists():
            _write(self._kept(version), self.text())

    def _kept(self, version: str) -> Path:
        return self.path.parent / FOLDER / f"{version}.yaml"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise BadInput(
            f"{path.name} cannot be read as UTF-8 text", "save it again", field="policy"
        ) from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(path, durable=True) as part:
        part.write_text(text, encoding="utf-8")
