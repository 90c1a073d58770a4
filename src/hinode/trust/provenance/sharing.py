"""One authority for all servers and workers of a database, though each may have a home of its own.

The database of a fleet has the keyring too, with its private keys encrypted by the secret that the machines
share (`HINODE_TRUST_SECRET`). A SQLite file has one home, so it needs none of this.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from hinode.records.database import Database
from hinode.records.rows import first_row, insert_into
from hinode.records.tables import authorities
from hinode.settings import Settings
from hinode.trust.provenance.authority import load_keyring, locked, read_secret, save_keyring
from hinode.trust.provenance.keyring import AuthorityError, Keyring

ROW = 1
REMEDY = (
    "set HINODE_TRUST_SECRET to the same value on all machines of this database; "
    "to take its keys over, move the folder trust of this home away"
)


def share(database: Database, settings: Settings) -> None:
    """Bring the keyrings of a home and of the database to the later one of both.

    Raises:
        AuthorityError: they are of different authorities, or the secret of this machine does not open them.
        OutputError: the keys cannot be written.
    """
    if database.sqlite or settings.trust_signer:
        return
    home, secret = settings.home, settings.trust_secret
    with locked(home), database.write() as connection:
        before = load_keyring(home, secret)
        made = before or Keyring.make(read_secret(home, secret), dt.datetime.now(dt.UTC))
        row = {"number": ROW, "keyring": made.text}
        connection.execute(insert_into(connection, authorities).values(**row).on_conflict_do_nothing())
        found = first_row(connection, sa.select(authorities.c.keyring).with_for_update())
        assert found is not None, "it was inserted"
        stored = Keyring.load(found["keyring"], source="the database")
        _check(stored, before or stored, read_secret(home, secret))
        if before is not None and len(before.generations) > len(stored.generations):
            connection.execute(authorities.update().values(keyring=before.text))
        elif stored.text != (before.text if before else ""):
            save_keyring(home, stored)


def _check(stored: Keyring, own: Keyring, secret: bytes) -> None:
    if stored.identity != own.identity:
        message = (
            f"the keys of this home sign for the authority {own.identity[:16]}, and those of the database "
            f"for {stored.identity[:16]}"
        )
        raise AuthorityError(message, REMEDY)
    try:
        stored.signing_key(secret)
    except AuthorityError as error:
        message = "the secret of this machine does not open the signing keys of the database"
        raise AuthorityError(message, REMEDY) from error
