"""Webhooks of the payment provider, which carry its signature in place of a key."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from hinode.api import failures, wire
from hinode.api.context import AppContext
from hinode.api.requests.multipart import too_large
from hinode.money.payments.stripe import HEADER

router = APIRouter(prefix="/payments", tags=["Project"])

MAX_BODY_BYTES = 256 << 10
_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": failures.Error, "description": "It is not signed, or too old."}
}


class WebhookReceipt(wire.Answer):
    """What a webhook caused."""

    object: Literal["webhook_receipt"] = "webhook_receipt"
    outcome: Literal["booked", "known", "ignored"]


_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "description": "An event of Stripe."}}},
}


@router.post(
    "/stripe",
    response_model=WebhookReceipt,
    responses=_REFUSALS,
    openapi_extra={"requestBody": _BODY},
)
async def receive_webhook(request: Request, context: AppContext) -> Response:
    """Receive a webhook of Stripe. It needs no key; its signature is checked."""
    body = bytearray()
    async for piece in request.stream():  # as it was sent: the signature is over these bytes
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise too_large("the body", MAX_BODY_BYTES)
    signature = request.headers.get(HEADER, "")
    outcome = await context.run_slow(context.wallet.payments.receive, bytes(body), signature)
    return WebhookReceipt(outcome=outcome.value).response()
