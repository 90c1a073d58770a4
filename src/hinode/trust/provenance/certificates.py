"""X.509 certificates of a signing authority: root, issuing authority, and the leaf that signs manifests.

All keys are on the curve P-256, and all signatures are ECDSA with SHA-256 (ES256). The profile of the leaf is
that of C2PA 2.4, section 14.5: end entity, digitalSignature, emailProtection, an organisation in the subject.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_DAYS, ISSUER_DAYS, LEAF_DAYS = 30 * 365, 20 * 365, 10 * 365
"""A signature without a timestamp is valid as long as its leaf is, so a leaf lives long."""
SKEW = dt.timedelta(hours=1)
"""By which the clocks of two machines may differ."""
ORGANISATION = "Hinode"


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def make_root(now: dt.datetime) -> Issued:
    """A self-signed root, which may sign issuing authorities."""
    return _issue("Hinode root", ROOT_DAYS, now, issuer=None, path_length=1)


def make_issuer(root: Issued, now: dt.datetime) -> Issued:
    """An issuing authority, which signs leaves."""
    return _issue("Hinode issuing authority", ISSUER_DAYS, now, issuer=root, path_length=0)


def make_leaf(issuer: Issued, now: dt.datetime) -> Issued:
    """An end entity, which signs manifests."""
    return _issue("Hinode signer", LEAF_DAYS, now, issuer=issuer, path_length=None)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _issue(
    name: str, days: int, now: dt.datetime, *, issuer: Issued | None, path_length: int | None
) -> Issued:
    key = generate_private_key(SECP256R1())
    serial = x509.random_serial_number()
    # Two authorities of the same name are told apart by a part of the serial number.
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {serial % 2**32:08x}"),
        ]
    )
    signer = key if issuer is None else issuer.key
    is_authority = path_length is not None
    end = now + dt.timedelta(days=days)
    if issuer is not None:
        end = min(end, issuer.certificate.not_valid_after_utc)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return Issued(builder.sign(signer, hashes.SHA256()), key)
