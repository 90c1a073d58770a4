"""Checks of the keys that sign files, and of what screens requests."""

from __future__ import annotations

import datetime as dt
import stat

from hinode.doctor.installation import Installation
from hinode.trust.provenance.authority import FOLDER, SECRET, load_keyring, open_authority
from hinode.trust.provenance.keyring import AuthorityError
from hinode.trust.screening import policy as policies
from hinode.trust.screening.equipment import describe, equip

MIN_DAYS_LEFT = 30
"""Of the certificate that signs. Hinode renews its own earlier, but none of a signer elsewhere."""


def check_keys(installation: Installation) -> str:
    """The keys can sign, their certificate does not end soon, and nobody else can read the secret."""
    settings = installation.settings
    if not settings.trust_signer and load_keyring(settings.home) is None:
        return "made when something is signed first"
    authority = open_authority(settings.home, settings)
    left = (authority.leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)).days
    if left < MIN_DAYS_LEFT:
        message = f"the certificate that signs files ends in {left} days"
        raise AuthorityError(message, "renew it: `hinode trust rotate`, or at the signer that you use")
    authority.sign(b"trial")
    secret = settings.home / FOLDER / SECRET
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        raise AuthorityError(f"others can read {secret}", f"chmod 600 {secret}")
    return f"sign until {authority.leaf.not_valid_after_utc:%Y-%m-%d}"


def check_screening(installation: Installation) -> str:
    """The policy can be read and its guards can be made; says what pictures and sound are screened with."""
    settings = installation.settings
    policy = policies.load(settings.policy)
    return f"policy {policy.version}; {describe(equip(policy, settings))}"
