"""One attempt at a delivery: what is posted, how it is signed, and what the answer means.

Events are signed as Standard Webhooks (https://www.standardwebhooks.com) describes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from standardwebhooks import Webhook

from hinode.background import backoff
from hinode.jobs.webhooks.outbox import DELIVERED, FAILED, PENDING
from hinode.outbound import Answer, Outbound
from hinode.records.tables import delivery_attempts

HOUR = 3600.0
RETRY_SECONDS = 72 * HOUR
"""How long after its event a delivery is tried."""
FIRST_DELAY = 5.0
MAX_DELAY = 6 * HOUR
ATTEMPT_SECONDS = 10.0
GONE = 410


@dataclass(frozen=True)
class DeliveryOutcome:
    """What an attempt means for its delivery.

    Attributes:
        status: "delivered", "failed", or "pending" if it is to be tried again.
        next_at: when, in seconds since 1970.
        gone: the endpoint wants no more deliveries.
    """

    status: str
    next_at: float
    gone: bool = False


def post(
    outbound: Outbound, url: str, event: Mapping[str, Any], secrets: tuple[str, ...], now: float
) -> Answer:
    """Post an event to an endpoint: the same bytes under the same id at every attempt.

    Args:
        outbound: sends it.
        url: of the endpoint.
        event: row of the event: id, type, data, created_at.
        secrets: `whsec_…` each; there is a signature for each of them, and a receiver needs only one.
        now: seconds since 1970; receivers refuse a time that is more than five minutes off.

    Raises:
        OutboundError: the URL is not allowed, or there was no answer in time.
    """
    about = {"id": event["id"], "object": "event", "created_at": int(event["created_at"])}
    content = {**about, "type": event["type"], "data": event["data"]}
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    at = datetime.fromtimestamp(int(now), UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(secret).sign(event["id"], at, body) for secret in secrets),
    }
    return outbound.post(url, body.encode(), headers, seconds=ATTEMPT_SECONDS)


def active_secrets(endpoint: sa.RowMapping, now: float) -> tuple[str, ...]:
    """The secrets to sign with at `now`: two for the day after a rotation that kept the old one."""
    if endpoint["old_secret"] and (endpoint["old_secret_until"] or 0.0) > now:
        return endpoint["secret"], endpoint["old_secret"]
    return (endpoint["secret"],)


def retry_delay(attempt: int, fraction: float) -> float:
    """Seconds to wait after a failed attempt: 5, 20, 80, … up to six hours, a quarter more or less.

    Args:
        attempt: number of the failed attempt, from 1.
        fraction: a random number from 0 to 1, so that deliveries which failed together are not tried
            together.
    """
    return backoff(attempt, first=FIRST_DELAY, maximum=MAX_DELAY, factor=4.0, jitter=0.5 * fraction - 0.25)


def decide(
    *, created_at: float, attempt: int, now: float, fraction: float, answer: Answer | None
) -> DeliveryOutcome:
    """Decide what an attempt that ended at `now` means; see `retry_delay`.

    Args:
        created_at: of the delivery, seconds since 1970.
        answer: of the server, or None if there was none.
    """
    if answer and 200 <= answer.status < 300:
        return DeliveryOutcome(DELIVERED, now)
    if answer and answer.status == GONE:
        return DeliveryOutcome(FAILED, now, gone=True)
    deadline = created_at + RETRY_SECONDS
    if now >= deadline:
        return DeliveryOutcome(FAILED, now)
    wait = retry_delay(attempt, fraction)
    retry_after = answer.headers.get("retry-after", "") if answer else ""
    if retry_after.isascii() and retry_after.isdecimal():
        wait = max(wait, min(float(retry_after[:9]), MAX_DELAY))
    return DeliveryOutcome(PENDING, min(now + wait, deadline))


def log_attempt(
    connection: Connection,
    delivery_id: str,
    number: int,
    now: float,
    seconds: float,
    answer: Answer | None,
    error: str | None,
) -> None:
    """Enter an attempt in the log of its delivery, in the caller's transaction."""
    connection.execute(
        delivery_attempts.insert().values(
            delivery_id=delivery_id,
            number=number,
            at=now,
            seconds=seconds,
            status_code=answer.status if answer else None,
            error=error,
        )
    )
