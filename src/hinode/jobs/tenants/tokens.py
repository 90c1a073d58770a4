"""Secrets that this server makes, of which the database holds only digests, and tokens that work once.

SHA-256 is enough for them because each has 256 random bits: there is nothing to guess, so a slow hash would
make every request slower and no attack harder.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.records import ids
from hinode.records.rows import first_row
from hinode.records.tables import one_time_tokens

LETTERS = string.ascii_letters + string.digits
SECRET_LETTERS = 43  # of 62 each: 256 bits
MAX_SECRET_LENGTH = 200
RETENTION_SECONDS = 86_400.0  # for which a token that is over stays in the table

Purpose = Literal["link", "invitation", "reset"]
SECONDS: dict[Purpose, float] = {"link": 3600.0, "invitation": 7 * 86_400.0, "reset": 3600.0}
"""For how long a token of each purpose works."""


class SignInError(HinodeError):
    """What a person signs in with is wrong, over, or used up."""

    code = "sign_in_failed"


def new_secret(prefix: str = "") -> str:
    """A secret of 256 random bits in letters and digits, behind its prefix."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(SECRET_LETTERS))


def digest_of(secret: str) -> str | None:
    """What the database holds of a secret; None of a text that cannot be one."""
    if not secret.isascii() or len(secret) > MAX_SECRET_LENGTH:
        return None
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def issue(
    connection: Connection, project_id: str, purpose: Purpose, now: float, user_id: str | None = None
) -> str:
    """Make a token that works once, for `SECONDS[purpose]`; of a user it replaces those of the same purpose.

    Args:
        connection: in a writing transaction.
        project_id: the project that it leads into.
        purpose: what it is good for.
        now: seconds since 1970.
        user_id: whom it stands for; None for an owner without an account.
    """
    table = one_time_tokens.c
    over = table.expires_at < now - RETENTION_SECONDS
    if user_id is not None:
        over |= (table.user_id == user_id) & (table.purpose == purpose)
    connection.execute(one_time_tokens.delete().where(over))
    token = new_secret()
    connection.execute(
        one_time_tokens.insert().values(
            id=ids.make("token_", now),
            project_id=project_id,
            user_id=user_id,
            purpose=purpose,
            digest=digest_of(token),
            expires_at=now + SECONDS[purpose],
        )
    )
    return token


def spend(connection: Connection, token: str, purposes: tuple[Purpose, ...], now: float) -> sa.RowMapping:
    """Use a token up and return its row; of two requests with one token, one gets it.

    Raises:
        SignInError: there is no such token for these purposes, or it is over or used up.
    """
    table, digest = one_time_tokens.c, digest_of(token)
    update = (
        one_time_tokens.update()
        .where(
            table.digest == digest,
            table.purpose.in_(purposes),
            table.used_at.is_(None),
            table.expires_at > now,
        )
        .values(used_at=now)
        .returning(one_time_tokens)
    )
    row = first_row(connection, update) if digest else None
    if row is None:
        remedy = "print another with `hinode link`"
        if "link" not in purposes:
            remedy = "ask an owner of the project for another"
        raise SignInError("this link was used already, or is too old", remedy)
    return row


def revoke(connection: Connection, user_id: str) -> None:
    """Make every token of a user worthless."""
    connection.execute(one_time_tokens.delete().where(one_time_tokens.c.user_id == user_id))
