"""Passwords: argon2id hashes with the parameters of RFC 9106 for little memory (64 MiB)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hinode.errors import BadInput

MIN_LENGTH, MAX_LENGTH = 10, 200
"""Characters of a password."""

_HASHER = PasswordHasher()


def hash_password(password: str, email: str = "") -> str:
    """The hash of a new password, with its salt and parameters.

    Raises:
        BadInput: it is too short, too long, or the email address itself.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        message = f"password has {len(password)} characters"
        raise BadInput(message, f"give {MIN_LENGTH} to {MAX_LENGTH}", field="password")
    if password.lower() == email:
        raise BadInput("password is the email address", "choose another", field="password")
    return _HASHER.hash(_encoded(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether a password has this hash. Without a hash it takes as long, and the answer is False."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return _HASHER.verify(stored or _nobody(), _encoded(password)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def _encoded(password: str) -> bytes:
    # Keyboards write one letter in several ways, such as é as one character or as two.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _HASHER.hash("a hash to compare with where there is no account")
