"""Parameters of addresses: ids and pages of lists; unknown parameters are refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypedDict

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant

from hinode.api.failures import is_id
from hinode.errors import BadInput, quote
from hinode.parsing import UnknownField

Id = Annotated[str, Path(max_length=100)]
After = Annotated[str | None, Query(description="Start behind the entry with this id.")]
Order = Annotated[Literal["asc", "desc"], Query(description="By time of creation; newest first by default.")]


class PageArguments(TypedDict):
    """The requested page of a list; arguments of the methods that return pages."""

    after: str | None
    limit: int
    descending: bool


def check_after(after: str | None) -> str | None:
    """The id behind which a page starts, if there is one.

    Raises:
        BadInput: it has not the form of an id.
    """
    if after is not None and not is_id(after):
        message = f"there is no entry with the id {quote(after)}"
        raise BadInput(message, "give an id of this list", field="after")
    return after


def page_query(default: int, maximum: int) -> Any:
    """A FastAPI dependency: the page in the parameters of the address, of `maximum` entries at most."""

    async def page(
        after: After = None,
        limit: int = Query(default, ge=0, le=maximum, description="Maximum of entries."),
        order: Order = "desc",
    ) -> PageArguments:
        return {"after": check_after(after), "limit": limit, "descending": order == "desc"}

    return Depends(page)


PageQuery = Annotated[PageArguments, page_query(20, 100)]


async def check_query(request: Request) -> None:
    """Refuse parameters that a route does not read, and two values of one.

    Raises:
        UnknownField: there is an unknown one.
        BadInput: one is there twice.
    """
    if not request.query_params:
        return
    names = list(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            remedy = f"the nearest known parameter is {near[0]}" if near else "leave it out"
            raise UnknownField(f"this address has no parameter {quote(name, 80)}", remedy, field=name[:80])
        if len(set(request.query_params.getlist(name))) > 1:
            raise BadInput(f"{name} is there twice, with two values", "send it once", field=name)


def _parameters(dependant: Dependant) -> Iterator[str]:
    """The names of the parameters that a route and its dependencies read from the query."""
    for field in dependant.query_params:
        yield field.alias
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
