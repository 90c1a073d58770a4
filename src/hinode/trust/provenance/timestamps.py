"""Whether a time-stamping authority (RFC 3161) answers, so that one that is away blocks no file.

The library asks it while it signs, without a limit of time. So it is asked for a trial first, in seconds, and
after a failure it is left alone for a while.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time

from hinode.outbound import Outbound, OutboundError

log = logging.getLogger(__name__)

TRIAL_SECONDS = 3.0
FRESH_SECONDS = 60.0
"""For how long an answer to a trial counts; the authority has one trial a minute of each process at most."""

_REQUEST = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_WITH_CERTIFICATE = bytes.fromhex("0101ff")
"""A TimeStampReq in DER: version 1, a SHA-256 between the two, and the wish for the certificate."""
_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}

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


def _try(url: str) -> bool:
    body = _REQUEST + secrets.token_bytes(32) + _WITH_CERTIFICATE
    try:
        answer = Outbound(allow_private=True).post(url, body, _HEADERS, seconds=TRIAL_SECONDS)
    except OutboundError as error:
        log.warning("the time authority does not answer, and files are signed without a timestamp: %s", error)
        return False
    if answer.status != 200:
        log.warning("the time authority answers with status %d; files have no timestamp", answer.status)
    return answer.status == 200
