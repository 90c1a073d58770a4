"""Budgets of the whole server, for its operator: per key, person, project, organisation and model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from hinode.api import wire
from hinode.api.context import AppContext, Context, Operator
from hinode.api.economics.wire import BudgetList, OperatorBudget, SetBudget
from hinode.api.queries import Id
from hinode.api.sign_in import small_body
from hinode.money.amounts import parse_amount
from hinode.money.budgets import Period, Scope

router = APIRouter(prefix="/v1/budgets", tags=["Operation"])


@router.get("", response_model=BudgetList)
def list_budgets(context: AppContext, operator: Operator) -> Response:
    """Every budget, and what is charged to its present window."""
    return _budgets(context)


@router.put("", response_model=BudgetList)
def put_budget(
    operator: Operator, body: Annotated[SetBudget, small_body(SetBudget)], context: AppContext
) -> Response:
    """Set a budget: beyond `soft` an event is sent, beyond `hard` no video is accepted."""
    soft, hard = (
        None if text is None else parse_amount(text, field)
        for field, text in (("soft", body.soft), ("hard", body.hard))
    )
    context.budgets.put(Scope(body.scope), body.subject, Period(body.period), soft=soft, hard=hard)
    return _budgets(context)


@router.delete("/{budget_id}", response_model=wire.Deleted)
def remove_budget(budget_id: Id, context: AppContext, operator: Operator) -> Response:
    """Remove a budget. What it limited is free of it at once."""
    context.budgets.remove(budget_id)
    return wire.Deleted(id=budget_id, object="budget.deleted").response()


def _budgets(context: Context) -> Response:
    entries = [OperatorBudget.of(entry.budget, name=entry.name) for entry in context.budgets.every()]
    return BudgetList(data=entries).response()
