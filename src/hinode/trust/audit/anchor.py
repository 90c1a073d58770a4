"""Signed heads: what is known outside the log about how long it is.

A head is written after the entries that it covers are committed. So after a crash or on a full disk the log
may be longer than its head, which is no fault, and never shorter, which is one.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
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
    load_pem_public_key,
)

from hinode.errors import HinodeError
from hinode.output import replace_file
from hinode.trust.audit.chain import Head, canonical

KEY_FILE, HEAD_FILE = "audit.pem", "audit-head.json"

Sign = Callable[[bytes], bytes]


class AuditError(HinodeError):
    """The audit log, its key or its head cannot be used."""

    code = "audit"


@dataclass(frozen=True)
class Anchor:
    """Signed statements about a log.

    Attributes:
        head: the newest head.
        days: the head at the end of each day that is over, the oldest first.
        signature: over both.
        public_key: PEM of the key that signed.
    """

    head: Head
    days: tuple[Head, ...]
    signature: bytes
    public_key: str

    def message(self) -> bytes:
        """What is signed."""
        return _message(self.head, self.days)

    def is_signed(self) -> bool:
        """Whether the signature is that of the key."""
        key = load_pem_public_key(self.public_key.encode())
        try:
            assert isinstance(key, Ed25519PublicKey)
            key.verify(self.signature, self.message())
        except (InvalidSignature, AssertionError):
            return False
        return True

    def as_json(self) -> dict[str, Any]:
        """The anchor in JSON values."""
        return {
            "head": asdict(self.head),
            "days": [asdict(day) for day in self.days],
            "signature": base64.b64encode(self.signature).decode(),
            "public_key": self.public_key,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Anchor:
        """Read an anchor; raises AuditError if a part is missing or wrong."""
        try:
            return cls(
                Head(**values["head"]),
                tuple(Head(**day) for day in values["days"]),
                base64.b64decode(values["signature"], validate=True),
                str(values["public_key"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AuditError("the signed head of the audit log is damaged", "restore a copy of it") from error


def _message(head: Head, days: tuple[Head, ...]) -> bytes:
    return canonical({"audit": 1, "head": asdict(head), "days": [asdict(day) for day in days]})


def advance(before: Anchor | None, head: Head, sign: Sign, public_key: str) -> Anchor:
    """The anchor after a log has grown to `head`; the head of a day that is over stays for ever."""
    days = before.days if before else ()
    if before is not None and 0 < before.head.day < head.day:
        days = (*days, before.head)
    return Anchor(head, days, sign(_message(head, days)), public_key)


def read(path: Path) -> Anchor | None:
    """The anchor in a file, or None if there is none.

    Raises:
        AuditError: it is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        message = f"the signed head of the audit log, {path}, cannot be read"
        raise AuditError(message, "restore a copy of it") from error
    if not isinstance(values, dict):
        raise AuditError("the signed head of the audit log is damaged", "restore a copy of it")
    return Anchor.from_json(values)


def write(path: Path, anchor: Anchor) -> None:
    """Write an anchor, durably; raises OutputError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(path, durable=True) as part:
        part.write_text(json.dumps(anchor.as_json(), indent=1) + "\n", encoding="utf-8")


def open_key(folder: Path, prepare: Callable[[Sign, str], None] = lambda sign, key: None) -> tuple[Sign, str]:
    """The signing function and the public key of an installation, which are made the first time.

    The key is readable by its owner only. Of two processes that make one at once, both get the same.
    `prepare` is called with a new key before it is there.

    Raises:
        AuditError: the key cannot be read or written.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = Ed25519PrivateKey.generate()
            data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            part = folder / f".{KEY_FILE}.{os.getpid()}"
            part.touch(mode=0o600)
            part.write_bytes(data)
            prepare(key.sign, _public(key))
            try:
                os.link(part, path)  # unlike a renaming, it never replaces the key of another process
            except FileExistsError:
                pass
            finally:
                part.unlink()
        loaded = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        message = f"the key of the audit log, {path}, cannot be used: {error}"
        raise AuditError(message, "restore it from a backup") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise AuditError(f"the key {path} is not an Ed25519 key", "restore it from a backup")
    return loaded.sign, _public(loaded)


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
