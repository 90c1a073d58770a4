"""Receipts of consents: canonical JSON, signed with an Ed25519 key of this installation (RFC 8032).

Each version of a consent has a receipt, which names the SHA-256 of the one before it, so that none can be
left out of a list of them unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hinode.errors import BadInput, HinodeError

FILE = Path("trust") / "consents.pem"
"""In the home. Whoever has it can sign consents of this installation."""
TYPE = "hinode.consent"


class KeyFileError(HinodeError):
    """The key that signs receipts cannot be read or made."""

    code = "consent_key"


@dataclass(frozen=True)
class Receipt:
    """A signed version of a consent.

    Attributes:
        document: the JSON that was signed, letter by letter.
        signature, public_key: in hexadecimal.
    """

    version: int
    document: str
    signature: str
    public_key: str
    signed_at: float

    @property
    def digest(self) -> str:
        """The SHA-256 of the document, which the next receipt names."""
        return hashlib.sha256(self.document.encode()).hexdigest()


@dataclass(frozen=True)
class Signer:
    """Signs the receipts of the installation with this home; the first signature makes the key."""

    home: Path

    def sign(self, version: int, facts: Mapping[str, Any], now: float) -> Receipt:
        """The receipt of a version, signed at `now` (seconds since 1970).

        Raises:
            KeyFileError: the key cannot be read or made.
        """
        document = canonical({"type": TYPE, "schema": 1, "version": version, **facts})
        signature = self._key.sign(document.encode()).hex()
        return Receipt(version, document, signature, self.public_key, now)

    @cached_property
    def public_key(self) -> str:
        """The public key in hexadecimal."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        path = self.home / FILE
        try:
            if not path.exists():
                _make(path)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            remedy = "restore it from a backup; without it old receipts can still be verified"
            raise KeyFileError(f"the key {path} cannot be used: {error}", remedy) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"the key {path} is not an Ed25519 key", "restore it from a backup")
        return key


def canonical(value: Mapping[str, Any]) -> str:
    """JSON in one form only: sorted keys, no spaces. Values are text, integers, truth values, lists, null."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def verify(receipts: Sequence[Receipt], public_keys: Sequence[str]) -> None:
    """Check the receipts of one consent, from version 1 on without a gap.

    Args:
        receipts: in the order of their versions.
        public_keys: those of the installation, in hexadecimal.

    Raises:
        BadInput: one was changed, left out, or signed by somebody else.
    """
    before = ""
    for number, receipt in enumerate(receipts, start=1):
        facts = json.loads(receipt.document)
        if (facts.get("type"), facts.get("version"), receipt.version) != (TYPE, number, number):
            raise _invalid(number, "is missing, or is no receipt of a consent")
        if facts.get("previous") != before:
            raise _invalid(number, "does not follow the one before it")
        if receipt.public_key not in public_keys:
            raise _invalid(number, "was signed with a key that is not one of this installation")
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
        try:
            key.verify(bytes.fromhex(receipt.signature), receipt.document.encode())
        except (InvalidSignature, ValueError) as error:
            raise _invalid(number, "was changed after it was signed") from error
        before = receipt.digest


def _invalid(number: int, what: str) -> BadInput:
    return BadInput(
        f"receipt {number} {what}", "ask the server that issued it for the receipts", field="receipt"
    )


def _make(path: Path) -> None:
    """Make a key; of several processes that do so at once, the first one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # A rename would replace a key that has signed something by now.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
