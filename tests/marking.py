"""How tests mark the files that they write: with keys in memory."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from hinode.settings import Settings
from hinode.trust.provenance.authority import Authority
from hinode.trust.provenance.keyring import Keyring
from hinode.trust.provenance.marking import Marking

AUTHORITY = Authority.of(
    Keyring.make(b"secret of the tests", dt.datetime.now(dt.UTC)), b"secret of the tests"
)
MARKING = Marking(Settings(Path("no home")), AUTHORITY)
EMBEDDING = Marking(Settings(Path("no home"), embed_prompt=True), AUTHORITY)
"""The same, of people who want the prompt in their files."""
