"""Webhook endpoints: who is told when videos and batches are ready, with which secret, and what was told."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from hinode.api import failures, wire
from hinode.api.context import AppContext, CurrentIdentity
from hinode.api.described import described
from hinode.api.failures import NotFound
from hinode.api.requests import bodies, fields
from hinode.api.requests.fields import Fields
from hinode.api.wire import After, Id, Limit
from hinode.errors import BadInput
from hinode.jobs.webhooks import endpoints
from hinode.jobs.webhooks.endpoints import Delivery, Endpoint

router = APIRouter(prefix="/v1", tags=["Webhooks"])

MAX_TEXT_BYTES = 1 << 16
EventType = Literal[
    "batch.cancelled", "batch.completed", "batch.expired", "batch.failed", "video.completed", "video.failed"
]


class WebhookEndpoint(BaseModel):
    """Someone who is told of events."""

    id: str
    object: Literal["webhook_endpoint"]
    name: str
    url: str
    event_types: list[EventType]
    created_at: int
    updated_at: int = Field(description="Last change of what is above or of the secret.")
    signing_secret_hint: str
    disabled_at: int | None = Field(
        description="When it answered 410 Gone; it is told nothing more until it is updated."
    )


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint whose secret is new. It is not shown again."""

    signing_secret: str


class WebhookEndpointList(BaseModel):
    """A page of endpoints."""

    object: Literal["list"]
    data: list[WebhookEndpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedWebhookEndpoint(BaseModel):
    """That an endpoint is gone."""

    id: str
    object: Literal["webhook_endpoint.deleted"]
    deleted: Literal[True]


class WebhookEventTypes(BaseModel):
    """What there is to be told of."""

    object: Literal["list"]
    data: list[EventType]


class WebhookEndpointTest(BaseModel):
    """What an endpoint answered to a sample event."""

    object: Literal["webhook_endpoint.test"]
    webhook_endpoint_id: str
    event_type: EventType
    status_code: int
    success: Literal[True] = Field(description="That it answered at all; see status_code.")


class DeliveryAttempt(BaseModel):
    """One try at a delivery."""

    number: int
    at: int
    seconds: float
    status_code: int | None
    error: str | None


class WebhookDelivery(BaseModel):
    """An event on its way to an endpoint; it is tried for 72 hours."""

    id: str
    object: Literal["webhook_delivery"]
    event_id: str = Field(description="What the receiver gets as webhook-id.")
    event_type: EventType
    data: dict[str, Any]
    status: Literal["pending", "delivered", "failed"]
    created_at: int
    next_attempt_at: int | None
    delivered_at: int | None
    attempts: list[DeliveryAttempt]


class WebhookDeliveryList(BaseModel):
    """A page of the log of an endpoint."""

    object: Literal["list"]
    data: list[WebhookDelivery]
    first_id: str | None
    last_id: str | None
    has_more: bool


class CreateWebhookEndpoint(BaseModel):
    """An endpoint to be told of events."""

    name: str = Field(min_length=1, max_length=200)
    url: str = Field(description="https://…, on the internet.")
    event_types: list[EventType] = Field(min_length=1)


class UpdateWebhookEndpoint(BaseModel):
    """What is to change; the rest stays."""

    name: str | None = Field(None, min_length=1, max_length=200)
    url: str | None = None
    event_types: list[EventType] | None = Field(None, min_length=1)


class RotateSecret(BaseModel):
    """How the secret is to change."""

    keep_old_secret_active_for_24_hours: bool = False


class TestWebhookEndpoint(BaseModel):
    """Which event is to be sent as a sample."""

    event_type: EventType


@router.get("/webhook_event_types", response_model=WebhookEventTypes)
def list_event_types(caller: CurrentIdentity) -> JSONResponse:
    """The types of events that endpoints can be told of."""
    return JSONResponse({"object": "list", "data": list(endpoints.EVENT_TYPES)})


@router.post(
    "/webhook_endpoints",
    response_model=WebhookEndpointWithSecret,
    openapi_extra=described(CreateWebhookEndpoint),
)
async def create_webhook_endpoint(
    request: Request, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Add an endpoint. Only this answer has its secret."""

    def create() -> JSONResponse:
        given = body.fields()
        endpoint, secret = here.endpoints.create(
            caller.project_id,
            name=_needed(given, "name"),
            url=_needed(given, "url"),
            event_types=_event_types(given) or [],
        )
        return JSONResponse({**shape(endpoint), "signing_secret": secret})

    async with bodies.received(request, here.objects, most_text=MAX_TEXT_BYTES) as body:
        return await here.slowly(create)


@router.get("/webhook_endpoints", response_model=WebhookEndpointList)
def list_webhook_endpoints(
    here: AppContext, caller: CurrentIdentity, after: After = None, limit: Limit = wire.DEFAULT_LIMIT
) -> JSONResponse:
    """The endpoints of the project that the API key belongs to, the newest first."""
    found, more = here.endpoints.page(caller.project_id, after=wire.after(after), limit=limit)
    return JSONResponse(wire.page(found, more, shape))


@router.get("/webhook_endpoints/{webhook_endpoint_id}", response_model=WebhookEndpoint)
def get_webhook_endpoint(webhook_endpoint_id: Id, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """An endpoint, without its secret."""
    name = _id(webhook_endpoint_id)
    endpoint = here.endpoints.get(caller.project_id, name)
    if endpoint is None:
        raise _missing(name)
    return JSONResponse(shape(endpoint))


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}",
    response_model=WebhookEndpoint,
    openapi_extra=described(UpdateWebhookEndpoint),
)
async def update_webhook_endpoint(
    webhook_endpoint_id: Id, request: Request, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Change an endpoint; one that was disabled is told of events again."""
    name = _id(webhook_endpoint_id)

    def update() -> JSONResponse:
        given = body.fields()
        endpoint = here.endpoints.update(
            caller.project_id,
            name,
            name=given.text("name"),
            url=given.text("url"),
            event_types=_event_types(given),
        )
        if endpoint is None:
            raise _missing(name)
        return JSONResponse(shape(endpoint))

    async with bodies.received(request, here.objects, most_text=MAX_TEXT_BYTES) as body:
        return await here.slowly(update)


@router.delete("/webhook_endpoints/{webhook_endpoint_id}", response_model=DeletedWebhookEndpoint)
def delete_webhook_endpoint(
    webhook_endpoint_id: Id, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Remove an endpoint; what was still to be delivered to it is given up."""
    name = _id(webhook_endpoint_id)
    if not here.endpoints.delete(caller.project_id, name):
        raise _missing(name)
    return JSONResponse(wire.deleted("webhook_endpoint", name))


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/rotate_secret",
    response_model=WebhookEndpointWithSecret,
    openapi_extra=described(RotateSecret, required=False),
)
async def rotate_webhook_secret(
    webhook_endpoint_id: Id, request: Request, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Give an endpoint a new secret, which only this answer has. The old one may stay good for 24 hours, in
    which events carry a signature of each."""
    name = _id(webhook_endpoint_id)

    def rotate() -> JSONResponse:
        keep_old = _switch(body.fields(), "keep_old_secret_active_for_24_hours")
        rotated = here.endpoints.rotate(caller.project_id, name, keep_old=keep_old)
        if rotated is None:
            raise _missing(name)
        endpoint, secret = rotated
        return JSONResponse({**shape(endpoint), "signing_secret": secret})

    async with bodies.received(request, here.objects, most_text=MAX_TEXT_BYTES) as body:
        return await here.slowly(rotate)


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/test",
    response_model=WebhookEndpointTest,
    openapi_extra=described(TestWebhookEndpoint),
)
async def test_webhook_endpoint(
    webhook_endpoint_id: Id, request: Request, here: AppContext, caller: CurrentIdentity
) -> JSONResponse:
    """Send an endpoint a sample event now, and tell what it answers."""
    name = _id(webhook_endpoint_id)

    def test() -> JSONResponse:
        event_type = _needed(body.fields(), "event_type")
        with here.tests.one(caller.project_id):
            answer = here.endpoints.test(caller.project_id, name, event_type)
        if answer is None:
            raise _missing(name)
        return JSONResponse(
            {
                "object": "webhook_endpoint.test",
                "webhook_endpoint_id": name,
                "event_type": event_type,
                "status_code": answer.status,
                "success": True,
            }
        )

    async with bodies.received(request, here.objects, most_text=MAX_TEXT_BYTES) as body:
        return await here.slowly(test)


@router.get("/webhook_endpoints/{webhook_endpoint_id}/deliveries", response_model=WebhookDeliveryList)
def list_webhook_deliveries(
    webhook_endpoint_id: Id,
    here: AppContext,
    caller: CurrentIdentity,
    after: After = None,
    limit: Limit = wire.DEFAULT_LIMIT,
) -> JSONResponse:
    """What an endpoint was told in the last 30 days and what came of it, the newest first."""
    name = _id(webhook_endpoint_id)
    page = here.endpoints.deliveries(caller.project_id, name, after=wire.after(after), limit=limit)
    if page is None:
        raise _missing(name)
    return JSONResponse(wire.page(*page, delivery_shape))


def shape(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as an object."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "created_at": int(endpoint.created_at),
        "updated_at": int(endpoint.updated_at),
        "signing_secret_hint": endpoint.hint,
        "disabled_at": _moment(endpoint.disabled_at),
    }


def delivery_shape(delivery: Delivery) -> dict[str, Any]:
    """A delivery as an object."""
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "data": delivery.data,
        "status": delivery.status,
        "created_at": int(delivery.created_at),
        "next_attempt_at": _moment(delivery.next_at),
        "delivered_at": _moment(delivery.delivered_at),
        "attempts": [
            {
                "number": attempt.number,
                "at": int(attempt.at),
                "seconds": round(attempt.seconds, 3),
                "status_code": attempt.status_code,
                "error": attempt.error,
            }
            for attempt in delivery.attempts
        ],
    }


def _moment(at: float | None) -> int | None:
    return None if at is None else int(at)


def _id(name: str) -> str:
    if not wire.is_id(name):
        raise _missing(name)
    return name


def _missing(name: str) -> NotFound:
    return failures.not_found("webhook endpoint", name, "webhook_endpoint_id")


def _needed(given: Fields, name: str) -> str:
    text = given.text(name)
    if text is None:
        raise BadInput(f"{name} is missing", "send it as text", field=name)
    return text


def _event_types(given: Fields) -> list[str] | None:
    value = fields.unpacked(given.get("event_types"))
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadInput(
            "event_types is not a list of texts", 'give one such as ["video.completed"]', field="event_types"
        )
    return value


def _switch(given: Fields, name: str) -> bool:
    value = given.get(name)
    if value is None or value in (False, "false"):
        return False
    if value in (True, "true"):
        return True
    raise BadInput(f"{name} is neither true nor false", "give one of them", field=name)
