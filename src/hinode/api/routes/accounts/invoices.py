"""The invoices of the project of a request, and to whom they are addressed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import OWNERS, AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.routes.accounts.credits import DOCUMENT, Format, document_response
from hinode.api.sign_in import small_body
from hinode.jobs.storyboards.document import Text
from hinode.money.invoices import invoice
from hinode.money.invoices.files import write
from hinode.money.invoices.recipients import (
    MAX_ADDRESS_LENGTH,
    MAX_NAME_LENGTH,
    MAX_TAX_ID_LENGTH,
    Recipient,
)
from hinode.parsing import Input

router = APIRouter(prefix="/v1/invoices", tags=["Project"])

KIND = "invoice"


class InvoiceLine(wire.Answer):
    """A payment, or what was paid back, with the tax, in micro-units."""

    at: int
    text: str
    gross: int


class InvoiceObject(wire.Answer):
    """An invoice or a credit note. Amounts are in micro-units; those of a credit note are negative."""

    id: str = Field(description="Its number.")
    object: Literal["invoice"] = "invoice"
    kind: Literal["invoice", "credit_note"]
    corrects: str | None = Field(description="The invoice that a credit note is about.")
    issued_at: int
    begins_at: int = Field(description="Of the period.")
    ends_at: int
    currency: str
    net: int
    tax: int
    gross: int
    tax_name: str
    tax_rate: str = Field(description="In percent.")
    seller: str
    recipient: str
    lines: list[InvoiceLine]
    digest: str = Field(description="SHA-256 of all that the invoice says.")


class InvoiceList(wire.Page[InvoiceObject]):
    """A page of invoices and credit notes, by the time of their issue."""


class SetRecipient(Input):
    """To whom invoices are addressed."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    address: Annotated[Text, Field(min_length=1, max_length=MAX_ADDRESS_LENGTH)] = Field(
        description="In lines, with the country."
    )
    tax_id: Annotated[str, Field(max_length=MAX_TAX_ID_LENGTH)] = ""


class RecipientObject(wire.Answer):
    """To whom invoices are addressed, from the next one on; empty until somebody says so."""

    object: Literal["recipient"] = "recipient"
    name: str
    address: str
    tax_id: str
    tax_rate: str | None = Field(description="In percent, where the operator set another one than usual.")
    tax_note: str


RecipientBody = Annotated[SetRecipient, small_body(SetRecipient)]


# Before the routes whose addresses accept any word as a number.
@router.get("/recipient", response_model=RecipientObject)
def get_recipient(context: AppContext, project_id: ProjectId) -> Response:
    """To whom the invoices of the project are addressed."""
    recipient = context.wallet.invoices.recipient(project_id) or Recipient(project_id, "", "")
    return RecipientObject.of(recipient).response()


@router.put("/recipient", response_model=RecipientObject, dependencies=[OWNERS])
def set_recipient(body: RecipientBody, context: AppContext, project_id: ProjectId) -> Response:
    """Say to whom the invoices of the project are addressed, from the next one on."""
    recipient = context.wallet.invoices.set_recipient(project_id, body.name, body.address, body.tax_id)
    return RecipientObject.of(recipient).response()


@router.get("", response_model=InvoiceList)
def list_invoices(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The invoices and credit notes of the project."""
    return InvoiceList.from_entries(_object, context.wallet.invoices.page(project_id, **page)).response()


@router.get("/{invoice_id}", response_model=InvoiceObject)
def get_invoice(invoice_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """An invoice or a credit note."""
    return _object(get_or_404(context.wallet.invoices.find, project_id, invoice_id, KIND)).response()


@router.get("/{invoice_id}/content", response_class=Response, responses=DOCUMENT)
def get_invoice_content(
    invoice_id: Id, context: AppContext, project_id: ProjectId, format: Format = "pdf"
) -> Response:
    """An invoice or a credit note as PDF or as an HTML page."""
    found = get_or_404(context.wallet.invoices.find, project_id, invoice_id, KIND)
    text = write(invoice.document(found), format, context.wallet.sales.font)
    return document_response(text, format, f"{found.kind.value.replace('_', '-')}-{found.id}")


def _object(found: invoice.Invoice) -> InvoiceObject:
    return InvoiceObject.of(
        found,
        kind=found.kind.value,
        tax_name=found.parties.tax_name,
        tax_rate=found.parties.tax_rate,
        seller=found.parties.seller,
        recipient=found.parties.name,
        lines=[InvoiceLine.of(line, at=int(line.at)) for line in found.lines],
    )
