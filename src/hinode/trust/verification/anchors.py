"""Whom a checker on this machine trusts."""

from __future__ import annotations

from cryptography import x509

from hinode.errors import BadInput
from hinode.settings import Settings
from hinode.trust.provenance.authority import load_keyring, open_authority


def read_anchors(settings: Settings) -> str:
    """The authorities to trust, as PEM: those of this home, retired ones included, and those of
    `HINODE_VERIFY_ANCHORS`. No keys are made for this.

    Raises:
        AuthorityError: the keys of this home are damaged.
        BadInput: the file of the setting cannot be read, or holds no certificates.
    """
    if settings.trust_signer:
        own = open_authority(settings.home, settings).anchors()
    else:
        keyring = load_keyring(settings.home)
        own = keyring.anchors if keyring is not None else b""
    return own.decode() + _others(settings)


def _others(settings: Settings) -> str:
    path = settings.verify_anchors
    if path is None:
        return ""
    try:
        text = path.read_bytes()
        x509.load_pem_x509_certificates(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificates in PEM"
        field = "HINODE_VERIFY_ANCHORS"
        raise BadInput(f"the file of {field} cannot be read: {reason}", "correct it", field=field) from error
    return "\n" + text.decode("ascii", "replace")
