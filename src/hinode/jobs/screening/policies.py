"""The operator's policy: one for all servers and workers of a database, in every version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.records.database import Database
from hinode.records.tables import policies as table
from hinode.trust.audit.texts import OperatorText, StaleText
from hinode.trust.screening import policy as policies
from hinode.trust.screening.policy import Policy, PolicyFile

MAX_CHARACTERS = 256 << 10
"""Of a policy that is sent."""
FOLDER, COPIES = "policies", "copies"
"""Beside the policy: a folder, and in it the file with the digests. Servers before version 0028 of the tables
wrote each version there, as VERSION.yaml."""
_VERSION = re.compile("[0-9a-f]{16}")


class StalePolicy(StaleText):
    """Another policy is in force than the one that was edited."""

    code = "policy_conflict"


class Policies(OperatorText[Policy]):
    """The policy of one database, seen from one home folder. A file that cannot be read lets nothing pass."""

    table = table
    event = "policy.changed"
    stale = StalePolicy
    max_bytes = policies.MAX_BYTES

    def __init__(self, database: Database, path: Path, clock: Callable[[], float]) -> None:
        """`path` is the copy in the home folder, which need not be there."""
        super().__init__(database, path, path.parent / FOLDER / COPIES, clock)

    def parse(self, text: str) -> Policy:
        return policies.compiled(policies.read(text)) if text else self.absent()

    def absent(self) -> Policy:
        return policies.builtin()

    def facts(self, value: Policy) -> Mapping[str, Any]:
        return {"rules": len(value.rules), "categories": sorted(value.categories)}

    def version(self, text: str, value: Policy) -> str:
        return value.version

    def version_of_fault(self) -> str:
        return ""

    def subject(self, version: str) -> str:
        return version

    def in_force(self) -> Policy | None:
        """The policy in force; None if its file cannot be read, so that nothing passes."""
        try:
            return self.current()
        except BadInput:
            return None

    def text_of(self, version: str) -> str:
        """The text of the policy as it was in a version.

        Raises:
            BadInput: there is none of this version.
        """
        query = sa.select(table.c.text).where(table.c.version == version).order_by(table.c.number.desc())
        with self.database.read() as connection:
            text: str | None = connection.scalar(query.limit(1))
        if text is None and _VERSION.fullmatch(version):
            with suppress(FileNotFoundError, UnicodeError):
                text = (self.path.parent / FOLDER / f"{version}.yaml").read_text(encoding="utf-8")
        if text is None:
            raise BadInput(f"no policy {version[:80]!r} is kept", "name one of the changes", field="version")
        return text

    def check(self, text: str) -> Policy:
        """The policy that a text would be.

        Raises:
            BadInput: a part of it is wrong, or it names other guards than the one in force: a guard is sent
                every prompt, and a key that it reads from the disk of the server.
        """
        if len(text) > MAX_CHARACTERS:
            message = f"the policy has {len(text):,} characters"
            raise BadInput(message, f"give {MAX_CHARACTERS:,} at most", field="policy")
        file = policies.read(text)
        before = PolicyFile()
        with suppress(BadInput):  # a file that cannot be read can be replaced
            before = policies.read(self.text())
        for field in ("guards", "speech"):
            if getattr(file, field) != getattr(before, field):
                remedy = "leave them as they are; whoever runs the server changes them in policy.yaml"
                raise BadInput(f"{field} cannot be changed here", remedy, field=field)
        return policies.compiled(file)

    def replace(self, text: str, edited: str, actor: str) -> Policy:
        """Put a policy in force; `edited` is "" if the one before could not be read. See `check`, too."""
        self.check(text)
        return super().replace(text, edited, actor)
