"""The credit of the project of a request."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId

router = APIRouter(prefix="/v1", tags=["Project"])


class Lot(wire.Answer):
    """Credit that was bought or granted at once. Amounts are in micro-units: 1,000,000 is one dollar."""

    id: str
    object: Literal["credit"] = "credit"
    currency: str
    available: int
    pending: int = Field(description="What is set aside for videos that are not finished.")
    created_at: int
    expires_at: int | None


class Credits(wire.Answer):
    """The credit of a project, in the order in which it burns. Amounts are in micro-units."""

    object: Literal["credits"] = "credits"
    billing: bool = Field(description="Whether videos are paid for from it; without, they are free.")
    currency: str
    available: int
    pending: int
    data: list[Lot]


@router.get("/credits", response_model=Credits)
def get_credits(context: AppContext, project_id: ProjectId) -> Response:
    """The credit of the project. Credit that has expired is not in it."""
    credit = context.credit.of(project_id)
    return Credits.of(credit, data=[Lot.of(lot) for lot in credit.lots]).response()
