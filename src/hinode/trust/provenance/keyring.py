"""The keys of a signing authority, as one JSON document: certificates in the clear, private keys encrypted.

The document is the same in a file, in the database that several servers share, and in an export. It holds
every generation of certificates. The last one signs; those before it stay anchors for what they signed.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import Field

from hinode.errors import BadInput, HinodeError
from hinode.parsing import Input, parse
from hinode.trust.provenance import certificates
from hinode.trust.provenance.certificates import Issued

VERSION = 1
MAX_GENERATIONS = 1000
MAX_BYTES = 16 << 20
"""Of the document."""

Pem = Annotated[str, Field(max_length=10_000)]


class AuthorityError(HinodeError):
    """The signing authority cannot be used: its keys are damaged, locked by another secret, or others'."""

    code: ClassVar[str] = "signing_authority"


class _Generation(Input):
    root: Pem
    issuer: Pem
    leaf: Pem
    root_key: Pem | None = None
    issuer_key: Pem | None = None
    leaf_key: Pem | None = None


class _Document(Input):
    version: Annotated[int, Field(ge=1)]
    generations: Annotated[tuple[_Generation, ...], Field(min_length=1, max_length=MAX_GENERATIONS)]


@dataclass(frozen=True)
class Keyring:
    """The generations of an authority, the one that signs last.

    A retired generation has no private key of its leaf any more: it cannot sign.
    """

    generations: tuple[_Generation, ...]

    @classmethod
    def make(cls, secret: bytes, now: dt.datetime) -> Keyring:
        """A new root, issuing authority and leaf, with keys that `secret` encrypts."""
        return cls((_generation(certificates.make_root(now), secret, now),))

    @classmethod
    def load(cls, text: str, *, source: str) -> Keyring:
        """Read a document that `text` wrote.

        Raises:
            AuthorityError: it is damaged, or of a newer version; the sentence names `source`.
        """
        remedy = "restore it from a backup, or import an export with `hinode trust init --from FILE`"
        try:
            document = parse(_Document, json.loads(text), what=source)
            keyring = cls(document.generations)
            _ = keyring.leaf, keyring.roots
        except (ValueError, BadInput) as error:
            reason = error.message if isinstance(error, BadInput) else "it is damaged"
            raise AuthorityError(f"the signing keys in {source} cannot be read: {reason}", remedy) from error
        if document.version != VERSION:
            message = f"the signing keys in {source} are of version {document.version}"
            raise AuthorityError(message, "upgrade Hinode")
        return keyring

    @property
    def text(self) -> str:
        """The document; it is the same for equal keyrings."""
        document = _Document(version=VERSION, generations=self.generations)
        return json.dumps(document.model_dump(exclude_none=True), indent=1, sort_keys=True) + "\n"

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The certificate that signs."""
        return x509.load_pem_x509_certificate(self.generations[-1].leaf.encode())

    @cached_property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """Every root, the first one first."""
        pems = dict.fromkeys(generation.root for generation in self.generations)
        return tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in pems)

    @property
    def chain(self) -> bytes:
        """PEM of the leaf and its issuing authority."""
        return (self.generations[-1].leaf + self.generations[-1].issuer).encode()

    @property
    def anchors(self) -> bytes:
        """PEM of every root."""
        return b"".join(root.public_bytes(Encoding.PEM) for root in self.roots)

    @property
    def identity(self) -> str:
        """SHA-256 of the first root, in hexadecimal digits: it stays when keys are rotated."""
        return certificates.fingerprint(self.roots[0])

    def signing_key(self, secret: bytes) -> EllipticCurvePrivateKey:
        """The key that signs; raises AuthorityError if another secret encrypted it."""
        return _decrypt(self.generations[-1].leaf_key, secret)

    def rotate(self, secret: bytes, now: dt.datetime, *, root: bool = False) -> Keyring:
        """The same authority with a new issuing authority and leaf, and with `root` a new root too.

        Raises:
            AuthorityError: another secret encrypted the keys.
        """
        last = self.generations[-1]
        key = _decrypt(last.root_key, secret)  # also with a new root: only the holder may replace it
        before = Issued(x509.load_pem_x509_certificate(last.root.encode()), key)
        retired = last.model_copy(update={"root_key": None, "issuer_key": None, "leaf_key": None})
        current = _generation(certificates.make_root(now) if root else before, secret, now)
        return Keyring((*self.generations[:-1], retired, current))

    def reencrypt(self, secret: bytes, new: bytes) -> Keyring:
        """The same keys, encrypted by another secret."""
        last = self.generations[-1]
        names = ("root_key", "issuer_key", "leaf_key")
        keys = {name: _encrypt(_decrypt(getattr(last, name), secret), new) for name in names}
        return Keyring((*self.generations[:-1], last.model_copy(update=keys)))


def _generation(root: Issued, secret: bytes, now: dt.datetime) -> _Generation:
    issuer = certificates.make_issuer(root, now)
    leaf = certificates.make_leaf(issuer, now)
    return _Generation(
        root=root.pem.decode(),
        issuer=issuer.pem.decode(),
        leaf=leaf.pem.decode(),
        root_key=_encrypt(root.key, secret),
        issuer_key=_encrypt(issuer.key, secret),
        leaf_key=_encrypt(leaf.key, secret),
    )


def _encrypt(key: EllipticCurvePrivateKey, secret: bytes) -> str:
    how = BestAvailableEncryption(secret)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


def _decrypt(pem: str | None, secret: bytes) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key((pem or "").encode(), secret)
    except ValueError as error:
        message = "the secret does not open the signing keys"
        remedy = "set HINODE_TRUST_SECRET to the one that made them, or copy trust/secret from that home"
        raise AuthorityError(message, remedy) from error
    assert isinstance(key, EllipticCurvePrivateKey)
    return key
