"""Signed files for the tests of the checker: a chain of certificates, and small videos."""

from __future__ import annotations

import datetime as dt
import io
import json
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ALGORITHM = "org.hinode.watermark.1"
Issued = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def issue(
    name: str, issuer: Issued | None = None, *, path_length: int | None = None, seconds: float = 3e6
) -> Issued:
    """A key and its certificate, valid from a day ago on; with `path_length` that of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio of the tests"),
        ]
    )
    above, certificate = issuer or (key, None)
    now = dt.datetime.now(dt.UTC)
    is_authority = path_length is not None
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    usage |= {"key_cert_sign": True, "crl_sign": True} if is_authority else {"digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(certificate.subject if certificate else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(seconds=seconds))
        .add_extension(x509.BasicConstraints(is_authority, path_length), True)
        .add_extension(x509.KeyUsage(**usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False)
    )
    if not is_authority:
        extension = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(extension, False)
    return key, builder.sign(above, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


@dataclass
class Studio:
    """Somebody who signs: a root, an issuing authority, and a leaf."""

    name: str = "Studio One"
    seconds: float = 3e6
    """For which the leaf is valid."""

    @cached_property
    def root(self) -> Issued:
        return issue(f"{self.name} root", path_length=1)

    @cached_property
    def issuing(self) -> Issued:
        return issue(f"{self.name} issuing", self.root, path_length=0)

    @cached_property
    def leaf(self) -> Issued:
        return issue(self.name, self.issuing, seconds=self.seconds)

    @property
    def anchors(self) -> str:
        return pem(self.root[1])

    def _sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self.leaf[0].sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign(
        self,
        data: bytes,
        *,
        parent: bytes | None = None,
        media_type: str = "video/mp4",
        embed: bool = True,
        remote: str = "",
        chain: bool = True,
        verify: bool = True,
        time_authority: str | None = None,
        more: list[dict[str, Any]] | None = None,
    ) -> bytes:
        """A file with a manifest in it; with `embed` False, the manifest alone."""
        trust = {"trust": {"user_anchors": self.anchors}}
        checks = {"verify_trust": True, "verify_after_sign": verify, "remote_manifest_fetch": False}
        context = c2pa.Context.from_dict({**trust, "verify": checks})
        certificates = pem(self.leaf[1]) + (pem(self.issuing[1]) if chain else "")
        signer = c2pa.Signer.from_callback(
            self._sign, c2pa.C2paSigningAlg.ES256, certificates, time_authority
        )
        created: list[dict[str, Any]] = [
            {
                "action": "c2pa.created",
                "digitalSourceType": SOURCE_TYPE,
                "softwareAgent": {"name": "native/book", "version": "1"},
            },
            {"action": "c2pa.watermarked.bound"},
        ]
        blocks = [{"scope": {}, "value": "AAECAwQFBgc="}]
        assertions: list[dict[str, Any]] = [
            {
                "label": "c2pa.ai-disclosure",
                "created": True,
                "data": {
                    "modelType": "c2pa.types.model.pytorch",
                    "modelName": "native/book",
                    "contentProfile": {"humanOversightLevel": "prompt_guided"},
                },
            },
            *(more or []),
        ]
        if parent is None:
            actions = {"allActionsIncluded": True, "actions": created}
            assertions += [
                {"label": "c2pa.actions.v2", "created": True, "data": actions},
                {"label": "c2pa.soft-binding", "created": True, "data": {"alg": ALGORITHM, "blocks": blocks}},
            ]
        definition = {
            "title": "kite.mp4",
            "claim_generator_info": [{"name": "Hinode", "version": "1.0", "specVersion": "2.4"}],
            "assertions": assertions,
        }
        builder = c2pa.Builder(definition, context)
        if parent is not None:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            ingredient = json.dumps({"title": "parent.mp4", "relationship": "parentOf"})
            builder.add_ingredient(ingredient, media_type, io.BytesIO(parent))
        if not embed:
            builder.set_no_embed()
        if remote:
            builder.set_remote_url(remote)
        target = io.BytesIO()
        manifest: bytes = builder.sign(signer, media_type, io.BytesIO(data), target)
        return target.getvalue() if embed or remote else manifest


def video(path: Path, frames: int = 12, *, fragmented: bool = False) -> bytes:
    """A small MP4, whose pictures differ by `frames`."""
    flags = "frag_keyframe+empty_moov" if fragmented else "faststart"
    with av.open(str(path), "w", options={"movflags": flags}) as target:
        stream = target.add_stream("libx264", rate=24, options={"g": "6"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            picture = np.full((48, 64, 3), (index * 20 + frames) % 255, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode())
    return path.read_bytes()


def box(kind: bytes, content: bytes = b"") -> bytes:
    """A box of an MP4."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def find_box(data: bytes, kind: bytes) -> int:
    """Where the content of the first box of the top level with a type begins."""
    at = 0
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if name == kind:
            return at + 8
        at += size
    raise AssertionError(f"no box {kind!r}")


def flip(data: bytes, at: int) -> bytes:
    """The same with another bit in one byte."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
