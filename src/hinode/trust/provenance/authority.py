"""The authority that signs what leaves Hinode. It is made at first use, without a question.

    HOME/trust/secret       what the private keys are encrypted by, unless HINODE_TRUST_SECRET is set
    HOME/trust/keys.json    the certificates and the encrypted keys; see `keyring`

A signer elsewhere, such as an HSM, takes the place of the private keys: a command signs, and a file has its
certificates. Then Hinode never sees the key.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from hinode.errors import OutputError
from hinode.output import replace_file
from hinode.settings import Settings
from hinode.trust.provenance.keyring import AuthorityError, Keyring

FOLDER, SECRET, KEYS = "trust", "secret", "keys.json"
SECRET_BYTES = 32
SIGNER_SECONDS = 30.0
"""How long the command of a signer may take."""
RENEWAL = dt.timedelta(days=60)
"""So long before its end a leaf is replaced, since one that has ended cannot sign."""

Sign = Callable[[bytes], bytes]
"""Signs bytes with ES256; the signature is r and s of 32 bytes each."""


@dataclass(frozen=True)
class Authority:
    """What signs: certificates, and a function that has the key.

    Attributes:
        certificates: PEM of the leaf and of its issuing authorities, the leaf first, without the root.
        roots: PEM of every root, also of retired ones.
        sign: signs bytes; raises AuthorityError if it cannot.
        time_authority: address of an RFC 3161 time-stamping authority, or "".
    """

    certificates: bytes
    roots: bytes
    sign: Sign = field(repr=False)
    time_authority: str = ""

    @classmethod
    def of(cls, keyring: Keyring, secret: bytes, time_authority: str = "") -> Authority:
        """An authority that signs with the key of a keyring, which is decrypted at the first signature."""

        @cache
        def key() -> ec.EllipticCurvePrivateKey:
            return keyring.signing_key(secret)

        def sign(data: bytes) -> bytes:
            return raw_signature(key().sign(data, ec.ECDSA(hashes.SHA256())))

        return cls(keyring.chain, keyring.anchors, sign, time_authority)

    def anchors(self) -> bytes:
        """PEM of all roots that signatures of this authority lead to, retired ones included."""
        return self.roots

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that signs."""
        return x509.load_pem_x509_certificate(self.certificates)


def open_authority(home: Path, settings: Settings | None = None) -> Authority:
    """The authority of a home; it is made if there is none, by one of the processes that ask at once.

    Args:
        home: folder of the state of Hinode.
        settings: with a secret, a signer elsewhere and a time authority; None for none of them.

    Raises:
        AuthorityError: the keys are damaged, or encrypted by another secret.
        OutputError: they cannot be written.
    """
    time_authority = settings.time_authority if settings else ""
    if settings is not None and settings.trust_signer:
        return _authority_elsewhere(home, settings, time_authority)
    secret = settings.trust_secret if settings else ""
    keyring = load_keyring(home, secret)
    if keyring is None or keyring.leaf.not_valid_after_utc - RENEWAL < dt.datetime.now(dt.UTC):
        keyring = _make_or_renew(home, secret)
    return Authority.of(keyring, read_secret(home, secret), time_authority)


def load_keyring(home: Path, secret: str = "") -> Keyring | None:
    """The keys of a home, or None if it has none yet; raises AuthorityError if they are damaged."""
    path = home / FOLDER / KEYS
    try:
        return Keyring.load(path.read_text(encoding="utf-8"), source=str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {error.strerror}", "correct its permissions") from error


def save_keyring(home: Path, keyring: Keyring) -> None:
    """Write the keys of a home; the caller holds `locked`."""
    with replace_file(home / FOLDER / KEYS, durable=True) as part:
        _write_private(part, keyring.text)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the folder of the keys against other processes; it is made if need be."""
    from filelock import FileLock  # rarely needed, and slow to import

    folder = home / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make {folder}: {error.strerror or error}"
        raise OutputError(message, "choose another HINODE_HOME") from error
    with FileLock(folder / ".lock"):
        yield


def read_secret(home: Path, secret: str = "") -> bytes:
    """What encrypts the keys of a home: `secret`, or what is in its file, which is made if need be."""
    if secret:
        return secret.encode()
    path = home / FOLDER / SECRET
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        with replace_file(path, durable=True) as part:
            _write_private(part, secrets.token_hex(SECRET_BYTES) + "\n")
        return path.read_bytes().strip()


def _make_or_renew(home: Path, secret: str) -> Keyring:
    now = dt.datetime.now(dt.UTC)
    with locked(home):
        keyring = load_keyring(home, secret)  # another process may have been first
        if keyring is None:
            keyring = Keyring.make(read_secret(home, secret), now)
        elif keyring.leaf.not_valid_after_utc - RENEWAL < now:
            keyring = keyring.rotate(read_secret(home, secret), now)
        save_keyring(home, keyring)
        return keyring


def _authority_elsewhere(home: Path, settings: Settings, time_authority: str) -> Authority:
    path = settings.trust_certificates
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes()) if path else []
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificates in PEM"
        message = f"the certificates of the signer in {path} cannot be read: {reason}"
        raise AuthorityError(message, "correct HINODE_TRUST_CERTIFICATES") from error
    if len(chain) < 2 or chain[-1].subject != chain[-1].issuer:
        message = "HINODE_TRUST_CERTIFICATES does not name the chain of the signer"
        raise AuthorityError(message, "give a PEM file with the leaf first and its root last")
    pems = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    before = load_keyring(home)
    command = shlex.split(settings.trust_signer)
    roots = pems[-1] + (before.anchors if before else b"")
    return Authority(b"".join(pems[:-1]), roots, lambda data: _run_signer(command, data), time_authority)


def _run_signer(command: list[str], data: bytes) -> bytes:
    """The signature that a command writes to standard output for what it reads, raw or DER."""
    remedy = "see that the command of HINODE_TRUST_SIGNER works"
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SIGNER_SECONDS, check=True)
        return raw_signature(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # Not the text of the error: it has the command, and a command may have a key in it.
        if isinstance(error, subprocess.CalledProcessError):
            reason = f"it ends with status {error.returncode}"
        elif isinstance(error, subprocess.TimeoutExpired):
            reason = f"it takes more than {SIGNER_SECONDS:.0f} seconds"
        else:
            reason = getattr(error, "strerror", None) or "what it writes is no signature"
        raise AuthorityError(f"the signer of files does not sign: {reason}", remedy) from error


def raw_signature(signature: bytes) -> bytes:
    """A signature on P-256 as r and s of 32 bytes each; raises ValueError if it is neither that nor DER."""
    if len(signature) == 64:
        return signature
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
