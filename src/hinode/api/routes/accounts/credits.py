"""The wallet of the project of a request: its credit, packs, promo codes and statements."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from hinode.api import failures, wire
from hinode.api.context import OWNERS, AppContext, ProjectId
from hinode.api.failures import Refusal
from hinode.api.sign_in import external_url, small_body
from hinode.money.invoices.files import FORMATS, write
from hinode.money.invoices.page import POLICY
from hinode.money.sales import MAX_PACKS
from hinode.parsing import Input

router = APIRouter(prefix="/v1", tags=["Project"])

CODES_PER_MINUTE = 10
"""Attempts of a project to redeem a promo code."""

Month = Annotated[
    str | None, Query(max_length=20, description="The month in UTC, such as 2026-11; by default this one.")
]
Format = Annotated[Literal["pdf", "html"], Query(description="PDF or an HTML page.")]
DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The document.",
        "content": {media_type: {"schema": {"type": "string"}} for media_type in FORMATS.values()},
    }
}


class Lot(wire.Answer):
    """Credit that was bought or granted at once. Amounts are in micro-units: 1,000,000 is one dollar."""

    id: str
    object: Literal["credit"] = "credit"
    currency: str
    available: int
    pending: int = Field(description="What is set aside for videos that are not finished.")
    created_at: int
    expires_at: int | None


class BudgetObject(wire.Answer):
    """A budget of the project, its organisation, its keys or its people. Amounts are in micro-units."""

    id: str
    object: Literal["budget"] = "budget"
    scope: Literal["project", "organisation", "key", "user"]
    name: str = Field(description="Of whom or what it is for.")
    period: Literal["day", "month", "total"]
    amount: int = Field(description="What is charged to its present period.")
    soft: int | None = Field(description="Beyond it a webhook is sent.")
    hard: int | None = Field(description="Beyond it no video is accepted.")


class Credits(wire.Answer):
    """The credit of a project, in the order in which it burns. Amounts are in micro-units."""

    object: Literal["credits"] = "credits"
    billing: bool = Field(description="Whether videos are paid for from it; without, they are free.")
    currency: str
    available: int
    pending: int
    data: list[Lot]
    budgets: list[BudgetObject]


class PackObject(wire.Answer):
    """Credit that is sold at once. Amounts are in micro-units."""

    id: str
    object: Literal["pack"] = "pack"
    name: str
    currency: str
    price: int = Field(description="With the tax.")
    credit: int
    days: int | None = Field(description="For which it can be spent; null: for ever.")


class PackList(wire.Answer):
    """The packs that are for sale."""

    object: Literal["list"] = "list"
    data: list[PackObject] = Field(max_length=MAX_PACKS)
    payable: bool = Field(
        description="Whether this server takes payments; without, its operator adds credit."
    )


class RedeemCode(Input):
    """A promo code."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


class BuyPack(Input):
    """What to buy."""

    pack: Annotated[str, Field(min_length=1, max_length=40, description="Id of the pack.")]


class Checkout(wire.Answer):
    """A payment that has begun."""

    id: str
    object: Literal["checkout"] = "checkout"
    url: str = Field(description="Where the payer goes on. The credit comes after the payment.")
    pack: str
    price: int
    currency: str


class EntryObject(wire.Answer):
    """A movement of credit, in micro-units; above 0 if it came in."""

    id: str
    at: int
    text: str
    job_id: str | None
    amount: int
    balance: int = Field(description="After it.")


class StatementObject(wire.Answer):
    """What came into the credit of a project in a month, and what left it, in micro-units."""

    object: Literal["statement"] = "statement"
    month: str
    currency: str
    opening: int
    closing: int
    data: list[EntryObject]
    digest: str = Field(description="SHA-256 of the statement: the same books give the same.")


RedeemBody = Annotated[RedeemCode, small_body(RedeemCode)]
BuyBody = Annotated[BuyPack, small_body(BuyPack)]


@router.get("/credits", response_model=Credits)
def get_credits(context: AppContext, project_id: ProjectId) -> Response:
    """The credit and the budgets of the project. Credit that has expired is not in it."""
    credit = context.credit.of(project_id)
    entries = context.budgets.of_project(project_id)
    budgets = [BudgetObject.of(entry.budget, name=entry.name) for entry in entries]
    return Credits.of(credit, data=[Lot.of(lot) for lot in credit.lots], budgets=budgets).response()


@router.get("/credits/packs", response_model=PackList)
def list_packs(context: AppContext, project_id: ProjectId) -> Response:
    """The packs of credit that are for sale."""
    sales = context.wallet.sales
    packs = [
        PackObject.of(pack, currency=sales.currency, price=pack.price_micro, credit=pack.credit_micro)
        for pack in sales.packs
    ]
    return PackList(data=packs, payable=context.wallet.payments.available).response()


@router.post("/credits/redeem", response_model=Lot, dependencies=[OWNERS])
async def redeem_code(body: RedeemBody, context: AppContext, project_id: ProjectId) -> Response:
    """Redeem a promo code, once for the project."""
    rate = context.codes.take(project_id, CODES_PER_MINUTE)
    if rate.wait:
        message = "there were too many attempts to redeem a code; try again later"
        headers = failures.retry_after(rate.wait)
        raise Refusal(429, message, code="rate_limit_exceeded", type=failures.RATE_LIMIT, headers=headers)
    lot = await anyio.to_thread.run_sync(context.wallet.redeem, project_id, body.code)
    return Lot.of(lot).response()


@router.post("/credits/checkout", response_model=Checkout, dependencies=[OWNERS])
async def buy_pack(body: BuyBody, request: Request, context: AppContext, project_id: ProjectId) -> Response:
    """Begin the payment for a pack of credit."""
    page = f"{external_url(request)}/#/wallet"
    payment, url = await context.run_slow(context.wallet.buy, project_id, body.pack, page)
    return Checkout.of(payment, pack=payment.pack_id, url=url).response({"cache-control": "no-store"})


@router.get("/credits/statement", response_model=StatementObject)
def get_statement(context: AppContext, project_id: ProjectId, month: Month = None) -> Response:
    """What came into the credit of the project in a month, and what left it."""
    period = context.wallet.period(month)
    statement = context.wallet.statement(project_id, period)
    entries = [EntryObject.of(entry, at=int(entry.at)) for entry in statement.entries]
    return StatementObject.of(statement, month=period.name, data=entries).response()


@router.get("/credits/statement/content", response_class=Response, responses=DOCUMENT)
def get_statement_content(
    context: AppContext, project_id: ProjectId, month: Month = None, format: Format = "pdf"
) -> Response:
    """The statement of a month as PDF or as an HTML page."""
    period = context.wallet.period(month)
    name = context.tenants.project(project_id).name
    document = context.wallet.statement_page(project_id, name, period)
    text = write(document, format, context.wallet.sales.font)
    return document_response(text, format, f"statement-{period.name}")


def document_response(text: bytes, kind: str, name: str) -> Response:
    """A page or a PDF, which runs nothing."""
    headers = {
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
        "content-security-policy": POLICY,
    }
    if kind == "pdf":  # browsers show no PDF under a policy with `sandbox`
        headers["content-disposition"] = f'attachment; filename="{name}.pdf"'
    return Response(text, media_type=FORMATS[kind], headers=headers)
