"""Webhook endpoints: servers that are notified of finished videos and batches, with their secrets and the log
of deliveries."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode import outbound
from hinode.api import wire
from hinode.api.context import OWNERS, AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.api.requests.forms import Unpacked
from hinode.jobs.webhooks.endpoints import EVENT_TYPES, MAX_NAME_LENGTH, Delivery, Endpoint, EventType
from hinode.parsing import Boolean, Input

router = APIRouter(prefix="/v1", tags=["Webhooks"])

KIND = "webhook endpoint"
PATH = "/webhook_endpoints/{webhook_endpoint_id}"
MAX_TEXT_BYTES = 1 << 16

EventTypes = Annotated[list[EventType], Field(min_length=1), Unpacked]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class CreateWebhookEndpoint(Input):
    """A server to notify of events."""

    name: Name
    url: str = Field(description="https://…, on the internet.")
    event_types: EventTypes


class UpdateWebhookEndpoint(Input):
    """The fields to change; the others stay."""

    name: Name | None = None
    url: str | None = None
    event_types: EventTypes | None = None


class RotateSecret(Input):
    """Whether the secret before stays valid for a while."""

    keep_old_secret_active_for_24_hours: Boolean = False


class SendTestEvent(Input):
    """The type of the sample event."""

    event_type: EventType


class WebhookEndpoint(wire.Answer):
    """A server that is notified of events."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: tuple[EventType, ...]
    created_at: int
    updated_at: int = Field(description="Last change of a field or of the secret.")
    signing_secret_hint: str
    disabled_at: int | None = Field(
        description="When the endpoint answered 410 Gone, which disabled it; an update enables it again."
    )

    @classmethod
    def of_endpoint(cls, endpoint: Endpoint, **values: Any) -> Self:
        """The object of an endpoint."""
        return cls.of(endpoint, signing_secret_hint=endpoint.hint, **values)


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint with a new secret, which is not shown again."""

    signing_secret: str


class WebhookEndpointList(wire.Page[WebhookEndpoint]):
    """A page of endpoints."""


class WebhookEventTypes(wire.Answer):
    """The types of events."""

    object: Literal["list"] = "list"
    data: tuple[EventType, ...]


class WebhookEndpointTest(wire.Answer):
    """The answer of an endpoint to a sample event."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: EventType
    status_code: int
    success: Literal[True] = Field(default=True, description="It answered, with any status_code.")


class WebhookDeliveryAttempt(wire.Answer):
    """One attempt at a delivery."""

    number: int
    at: int
    seconds: float
    status_code: int | None
    error: str | None


class WebhookDelivery(wire.Answer):
    """The delivery of an event to an endpoint, which is attempted for 72 hours."""

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    event_id: str = Field(description="The header webhook-id of the delivery.")
    event_type: EventType
    data: dict[str, Any]
    status: Literal["pending", "delivered", "failed"]
    created_at: int
    next_attempt_at: int | None
    delivered_at: int | None
    attempts: list[WebhookDeliveryAttempt]

    @classmethod
    def of_delivery(cls, delivery: Delivery) -> Self:
        """The object of a delivery."""
        attempts = [
            WebhookDeliveryAttempt.of(attempt, at=int(attempt.at), seconds=round(attempt.seconds, 3))
            for attempt in delivery.attempts
        ]
        return cls.of(delivery, next_attempt_at=delivery.next_at and int(delivery.next_at), attempts=attempts)


class WebhookDeliveryList(wire.Page[WebhookDelivery]):
    """A page of the log of an endpoint."""


def _reader(model: type[Input], *, required: bool = True) -> Any:
    return Depends(BodyReader(model, (JSON,), required=required, max_text_bytes=MAX_TEXT_BYTES))


CreateBody = Annotated[CreateWebhookEndpoint, _reader(CreateWebhookEndpoint)]
UpdateBody = Annotated[UpdateWebhookEndpoint, _reader(UpdateWebhookEndpoint)]
RotateBody = Annotated[RotateSecret, _reader(RotateSecret, required=False)]
TestBody = Annotated[SendTestEvent, _reader(SendTestEvent)]


@router.get("/webhook_event_types", response_model=WebhookEventTypes)
def list_event_types() -> Response:
    """The types of events that endpoints can be notified of."""
    return WebhookEventTypes.model_construct(data=EVENT_TYPES).response()


@router.post("/webhook_endpoints", response_model=WebhookEndpointWithSecret, dependencies=[OWNERS])
def create_webhook_endpoint(body: CreateBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add an endpoint. Only this answer has its secret."""
    endpoint, secret = context.endpoints.create(
        project_id, name=body.name, url=body.url, event_types=body.event_types
    )
    return WebhookEndpointWithSecret.of_endpoint(endpoint, signing_secret=secret).response()


@router.get("/webhook_endpoints", response_model=WebhookEndpointList)
def list_webhook_endpoints(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The endpoints of the project that the API key belongs to."""
    entries = context.endpoints.page(project_id, **page)
    return WebhookEndpointList.from_entries(WebhookEndpoint.of_endpoint, entries).response()


@router.get(PATH, response_model=WebhookEndpoint)
def get_webhook_endpoint(webhook_endpoint_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """An endpoint, without its secret."""
    endpoint = get_or_404(context.endpoints.get, project_id, webhook_endpoint_id, KIND)
    return WebhookEndpoint.of_endpoint(endpoint).response()


@router.post(PATH, response_model=WebhookEndpoint, dependencies=[OWNERS])
def update_webhook_endpoint(
    webhook_endpoint_id: Id, body: UpdateBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Change an endpoint; one that was disabled is enabled again."""
    update = partial(context.endpoints.update, name=body.name, url=body.url, event_types=body.event_types)
    endpoint = get_or_404(update, project_id, webhook_endpoint_id, KIND)
    return WebhookEndpoint.of_endpoint(endpoint).response()


@router.delete(PATH, response_model=wire.Deleted, dependencies=[OWNERS])
def delete_webhook_endpoint(webhook_endpoint_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete an endpoint; deliveries to it that are pending fail."""
    get_or_404(context.endpoints.delete, project_id, webhook_endpoint_id, KIND)
    return wire.Deleted(id=webhook_endpoint_id, object="webhook_endpoint.deleted").response()


@router.post(f"{PATH}/rotate_secret", response_model=WebhookEndpointWithSecret, dependencies=[OWNERS])
def rotate_webhook_secret(
    webhook_endpoint_id: Id, body: RotateBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Give an endpoint a new secret, which only this answer has. The old one may stay active for 24 hours, in
    which events have a signature of each."""
    rotate = partial(context.endpoints.rotate, keep_old=body.keep_old_secret_active_for_24_hours)
    endpoint, secret = get_or_404(rotate, project_id, webhook_endpoint_id, KIND)
    return WebhookEndpointWithSecret.of_endpoint(endpoint, signing_secret=secret).response()


@router.post(f"{PATH}/test", response_model=WebhookEndpointTest, dependencies=[OWNERS])
async def test_webhook_endpoint(
    webhook_endpoint_id: Id, body: TestBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Send a sample event to an endpoint now, and return its answer."""

    def send(project_id: str, endpoint_id: str) -> outbound.Answer | None:
        with context.endpoint_tests.acquire(project_id):
            return context.endpoints.test(project_id, endpoint_id, body.event_type)

    answer = await context.run_slow(get_or_404, send, project_id, webhook_endpoint_id, KIND)
    return WebhookEndpointTest(
        webhook_endpoint_id=webhook_endpoint_id, event_type=body.event_type, status_code=answer.status
    ).response()


@router.get(f"{PATH}/deliveries", response_model=WebhookDeliveryList)
def list_webhook_deliveries(
    webhook_endpoint_id: Id, context: AppContext, project_id: ProjectId, page: PageQuery
) -> Response:
    """The deliveries to an endpoint in the last 30 days."""
    deliveries = partial(context.endpoints.deliveries, **page)
    entries = get_or_404(deliveries, project_id, webhook_endpoint_id, KIND)
    return WebhookDeliveryList.from_entries(WebhookDelivery.of_delivery, entries).response()
