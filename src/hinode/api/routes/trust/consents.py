"""Every consent on the server, for the operator."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hinode.api import wire
from hinode.api.context import AppContext, Operator
from hinode.api.queries import Id, PageQuery
from hinode.api.routes.rights.consents import ConsentObject, ReceiptList, ReceiptObject, RevokeBody
from hinode.rights.consents import Consent

router = APIRouter(prefix="/v1/consents/all", tags=["Rights"])


class ServerConsent(ConsentObject):
    """A consent, in any project."""

    project_id: str


class ServerConsentList(wire.Page[ServerConsent]):
    """A page of consents of all projects."""


@router.get("", response_model=ServerConsentList)
def list_all_consents(context: AppContext, operator: Operator, page: PageQuery) -> Response:
    """The consents of all projects."""
    now = context.clock()
    entries = context.consents.page(None, **page)
    return ServerConsentList.from_entries(lambda consent: _object(consent, now), entries).response()


@router.post("/{consent_id}/revoke", response_model=ServerConsent)
def revoke_any_consent(consent_id: Id, body: RevokeBody, context: AppContext, operator: Operator) -> Response:
    """Revoke a consent of any project for ever, such as when the person asks you to."""
    revoked = context.consents.revoke(consent_id, None, operator.id, everything=body.everything)
    return _object(revoked, context.clock()).response()


@router.get("/{consent_id}/receipts", response_model=ReceiptList)
def list_any_receipts(consent_id: Id, context: AppContext, operator: Operator) -> Response:
    """The signed receipts of a consent of any project."""
    receipts = context.consents.receipts(consent_id, None)
    return ReceiptList(data=[ReceiptObject.of(receipt) for receipt in receipts]).response()


def _object(consent: Consent, now: float) -> ServerConsent:
    return ServerConsent.of(consent, status=consent.status(now))
