"""A time-stamping authority (RFC 3161): whether it answers, so that one that is away blocks no file, and its
tokens for files that were signed without one.

The library asks it while it signs, without a limit of time. So it is asked for a trial first, in seconds, and
after a failure it is left alone for a while.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import ClassVar

from hinode.errors import HinodeError
from hinode.outbound import Outbound, OutboundError

log = logging.getLogger(__name__)

TRIAL_SECONDS = 3.0
FRESH_SECONDS = 60.0
"""For how long an answer to a trial counts; the authority has one trial a minute of each process at most."""

MAX_ANSWER_BYTES = 1 << 16
GRANTED = (0, 1)
"""Values of PKIStatus with which there is a token."""
_SEQUENCE, _INTEGER = 0x30, 0x02
"""Tags of DER."""

_REQUEST = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_WITH_CERTIFICATE = bytes.fromhex("0101ff")
"""A TimeStampReq in DER: version 1, a SHA-256 between the two, and the wish for the certificate."""
_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}


class TimestampError(HinodeError):
    """The time authority gave no token."""

    code: ClassVar[str] = "timestamp"


_lock = threading.Lock()
_known: dict[str, tuple[bool, float]] = {}


def answers(url: str) -> bool:
    """Whether the authority answers at present; a trial takes `TRIAL_SECONDS` at most."""
    with _lock:
        known, until = _known.get(url, (False, 0.0))
        if time.monotonic() < until:
            return known
        answered = _try(url)
        _known[url] = answered, time.monotonic() + FRESH_SECONDS
        return answered


def mark_failed(url: str) -> None:
    """Leave the authority alone for a while."""
    with _lock:
        _known[url] = False, time.monotonic() + FRESH_SECONDS


def fetch(url: str, digest: str) -> bytes:
    """A token over a SHA-256 in hexadecimal digits: a CMS message in DER, for `openssl ts -verify -token_in`.

    What the authority signed is not checked here, only that it is about this digest.

    Raises:
        TimestampError: the authority does not answer within `TRIAL_SECONDS`, or gives no token.
    """
    body, answered = _REQUEST + bytes.fromhex(digest) + _WITH_CERTIFICATE, bytearray()
    remedy = "see that the address in HINODE_TIME_AUTHORITY is right"
    outbound = Outbound(allow_private=True)
    try:
        answer = outbound.post(
            url,
            body,
            _HEADERS,
            seconds=TRIAL_SECONDS,
            into=answered.extend,
            max_bytes=MAX_ANSWER_BYTES,
        )
    except OutboundError as error:
        raise TimestampError(f"the time authority does not answer: {error}", remedy) from error
    if answer.status != 200:
        raise TimestampError(f"the time authority answers with status {answer.status}", remedy)
    token = _token(bytes(answered))
    if token is None or bytes.fromhex(digest) not in token:
        raise TimestampError("the time authority gives no token", remedy)
    return token


def _token(answer: bytes) -> bytes | None:
    """The token in a TimeStampResp: a sequence of a PKIStatusInfo, which begins with a status, and it."""
    try:
        info, token = _content(_content(answer, _SEQUENCE)[0], _SEQUENCE)
        status, _ = _content(info, _INTEGER)
    except ValueError:
        return None
    return token if int.from_bytes(status) in GRANTED else None


def _content(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first value in DER, which has a tag, and the bytes after it; raises ValueError."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("it has another tag, or none")
    start, length = 2, data[1]
    if length & 0x80:  # so many bytes of the length follow
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if start + length > len(data):
        raise ValueError("it is cut off")
    return data[start : start + length], data[start + length :]


def _try(url: str) -> bool:
    try:
        fetch(url, secrets.token_hex(32))
    except TimestampError as error:
        log.warning("files are signed without a timestamp: %s", error)
        return False
    return True
