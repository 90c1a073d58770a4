"""A checker of MP4s with a C2PA manifest that is written from the specification alone, without its library.

Sources: C2PA 2.4 (the manifest store in JUMBF, claims, hashed URIs, `c2pa.hash.bmff.v3`, files of ISO BMFF),
ISO 19566-5 (JUMBF), RFC 9052 and 9360 (COSE_Sign1, x5chain), RFC 5280. It reads what a generator of video
writes: manifests of the standard form, ES256, hashes by SHA-256, exclusions of boxes of the top level.
Whatever else it meets, it refuses.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.trust.verification import cbor

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
STORE, MANIFEST = b"c2pa", b"c2ma"
PREFIX = "self#jumbf="
ALGORITHM, CHAIN = 1, 33
"""Labels of headers of COSE."""
ES256 = -7
BINDING = "c2pa.hash.bmff.v3"


class Refused(Exception):
    """Why a file is not accepted."""


def require(condition: object, reason: str) -> None:
    if not condition:
        raise Refused(reason)


@dataclass
class Superbox:
    """A box of JUMBF that holds others: its type and label, the bytes after its head, and what it holds."""

    kind: bytes
    label: str
    payload: bytes
    children: list[Superbox] = field(default_factory=list)
    contents: list[tuple[bytes, bytes]] = field(default_factory=list)

    def child(self, label: str) -> Superbox:
        found = [entry for entry in self.children if entry.label == label]
        require(len(found) == 1, f"there are {len(found)} of {label} in {self.label}")
        return found[0]

    def cbor(self) -> Any:
        require(len(self.contents) == 1 and self.contents[0][0] == b"cbor", f"{self.label} is not CBOR")
        try:
            return cbor.decode(self.contents[0][1])
        except ValueError as error:
            raise Refused(f"{self.label}: {error}") from error


def boxes(data: bytes, start: int = 0) -> Iterator[tuple[bytes, int, int, int]]:
    """The boxes of ISO BMFF: type, where it begins, where its content begins, where it ends."""
    at = start
    while at < len(data):
        require(at + 8 <= len(data), "the file ends in the head of a box")
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = at + 8
        if size == 1:
            require(at + 16 <= len(data), "the file ends in the head of a box")
            size, content = struct.unpack(">Q", data[at + 8 : at + 16])[0], at + 16
        elif size == 0:
            size = len(data) - at
        require(content <= at + size <= len(data), "a box is larger than the file")
        yield kind, at, content, at + size
        at += size


def read_superbox(payload: bytes, depth: int = 0) -> Superbox:
    """The box whose content is `payload`; its description comes first."""
    require(depth < 20, "the boxes of the manifest are too deep")
    parts = list(boxes(payload))
    require(parts and parts[0][0] == b"jumd", "a box of JUMBF has no description")
    description = payload[parts[0][2] : parts[0][3]]
    require(len(description) > 17 and description[16] & 3 == 3, "a box of JUMBF has no label")
    label, end, _ = description[17:].partition(b"\0")
    require(end, "a label does not end")
    box = Superbox(description[:4], label.decode(), payload)
    for kind, _, content, stop in parts[1:]:
        if kind == b"jumb":
            box.children.append(read_superbox(payload[content:stop], depth + 1))
        elif kind != b"free":
            box.contents.append((kind, payload[content:stop]))
    return box


def read_store(data: bytes) -> Superbox:
    """The store of manifests of an MP4."""
    found = [
        data[content:end]
        for kind, _, content, end in boxes(data)
        if kind == b"uuid" and data[content : content + 16] == C2PA_BOX
    ]
    require(len(found) == 1, f"there are {len(found)} boxes with manifests")
    # After the type: version and flags, the purpose, and the place of a Merkle tree.
    purpose, end, rest = found[0][20:].partition(b"\0")
    require(end and purpose == b"manifest", "the box is for another purpose")
    outer = list(boxes(rest[8:]))
    require(outer and outer[0][0] == b"jumb", "there is no store of manifests")
    _, _, content, stop = outer[0]
    store = read_superbox(rest[8:][content:stop])
    require(store.kind == STORE and store.label == "c2pa", "there is no store of manifests")
    return store


def check(data: bytes, roots: list[x509.Certificate], now: dt.datetime | None = None) -> list[str]:
    """Check an MP4.

    Args:
        data: the file.
        roots: the authorities to trust.
        now: the moment at which certificates have to be valid.

    Returns:
        The labels of the manifests, the active one first.

    Raises:
        Refused: it is not accepted.
    """
    store = read_store(data)
    require(store.children, "there is no manifest")
    active = store.children[-1]
    labels: list[str] = []
    _check_manifest(active, store, roots, now or dt.datetime.now(dt.UTC), labels)
    bindings = [box for box in active.child("c2pa.assertions").children if box.label == BINDING]
    require(len(bindings) == 1, "the manifest is not bound to the file once")
    _check_binding(bindings[0].cbor(), data)
    return labels


def _check_manifest(
    manifest: Superbox, store: Superbox, roots: list[x509.Certificate], now: dt.datetime, labels: list[str]
) -> None:
    require(manifest.kind == MANIFEST, "a manifest is of another kind")
    require(manifest.label not in labels, "a manifest leads back to itself")
    labels.append(manifest.label)
    claim_box = manifest.child("c2pa.claim.v2")
    claim = claim_box.cbor()
    require(_target(claim["signature"]) == f"/c2pa/{manifest.label}/c2pa.signature", "another signature")
    _check_signature(manifest.child("c2pa.signature").cbor(), claim_box.contents[0][1], roots, now)
    assertions = manifest.child("c2pa.assertions")
    named = [*claim["created_assertions"], *claim.get("gathered_assertions", [])]
    names = []
    for reference in named:
        path = _target(reference["url"]).removeprefix(f"/c2pa/{manifest.label}/")
        folder, _, name = path.partition("/")
        require(folder == "c2pa.assertions", f"{path} is not among the assertions")
        _check_hash(assertions.child(name), reference)
        names.append(name)
    require(
        sorted(names) == sorted(box.label for box in assertions.children),
        "there are assertions that are not signed",
    )
    for box in assertions.children:
        if box.label.partition("__")[0] == "c2pa.ingredient.v3":
            ingredient = box.cbor()
            if reference := ingredient.get("activeManifest"):
                below = store.child(_target(reference["url"]).removeprefix("/c2pa/"))
                _check_hash(below, reference)
                if below.label not in labels:
                    _check_manifest(below, store, roots, now, labels)


def _target(url: str) -> str:
    require(url.startswith(PREFIX), f"{url} leads out of the file")
    return url.removeprefix(PREFIX)


def _check_hash(box: Superbox, reference: dict[str, Any]) -> None:
    require(reference.get("alg", "sha256") == "sha256", "another kind of hash")
    require(hashlib.sha256(box.payload).digest() == reference["hash"], f"{box.label} was changed")


def _check_signature(signature: Any, claim: bytes, roots: list[x509.Certificate], now: dt.datetime) -> None:
    require(isinstance(signature, cbor.Tag) and signature.number == 18, "there is no COSE_Sign1")
    protected, unprotected, payload, raw = signature.value
    headers = cbor.decode(protected)
    require(headers.get(ALGORITHM) == ES256, "another algorithm than ES256")
    require(payload is None and len(raw) == 64, "the signature is not of a detached payload")
    chain = headers.get(CHAIN, unprotected.get(CHAIN) or unprotected.get("x5chain"))
    certificates = [
        x509.load_der_x509_certificate(der) for der in ([chain] if isinstance(chain, bytes) else chain)
    ]
    _check_chain(certificates, roots, now)
    key = certificates[0].public_key()
    require(isinstance(key, ec.EllipticCurvePublicKey), "the key is of another kind")
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    signed = cbor.encode(["Signature1", protected, b"", claim])
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise Refused("the signature does not fit the claim") from error


def _check_chain(chain: list[x509.Certificate], roots: list[x509.Certificate], now: dt.datetime) -> None:
    leaf, *authorities = chain
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    require(usage.digital_signature and not usage.key_cert_sign, "the certificate is not for signatures")
    require(ExtendedKeyUsageOID.EMAIL_PROTECTION in purposes, "the certificate is for another purpose")
    require(not constraints.ca, "an authority signed the claim itself")
    for certificate in chain:
        require(
            certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc,
            "a certificate is not valid at this time",
        )
    for below, above in zip(chain, authorities, strict=False):
        require(_is_issued(below, above), "the certificates are no chain")
    last = chain[-1]
    require(any(last == root or _is_issued(last, root) for root in roots), "the signer is not known")


def _is_issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    constraints = above.extensions.get_extension_for_class(x509.BasicConstraints).value
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return constraints.ca


def _check_binding(binding: dict[str, Any], data: bytes) -> None:
    """The hash of the boxes of the top level that are not left out, each after the number of its place."""
    require(binding.get("alg") == "sha256" and "hash" in binding, "the file is bound in another way")
    for exclusion in binding["exclusions"]:
        extra = {name for name, value in exclusion.items() if value is not None} - {"xpath", "data"}
        require(not extra, f"an exclusion with {extra}")
        require(exclusion["xpath"].count("/") == 1, "an exclusion below the top level")
    digest = hashlib.sha256()
    for kind, start, _, end in boxes(data):
        if not any(_is_excluded(exclusion, kind, data[start:end]) for exclusion in binding["exclusions"]):
            digest.update(struct.pack(">Q", start))
            digest.update(data[start:end])
    require(digest.digest() == binding["hash"], "the file was changed")


def _is_excluded(exclusion: dict[str, Any], kind: bytes, box: bytes) -> bool:
    if exclusion["xpath"] != f"/{kind.decode('latin-1')}":
        return False
    return all(
        box[part["offset"] : part["offset"] + len(part["value"])] == bytes(part["value"])
        for part in exclusion.get("data") or ()
    )
