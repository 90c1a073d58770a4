"""Parameters of addresses: ids, pages of lists; and the refusal of those that a route does not know."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, TypedDict

from fastapi import Depends, Path, Query, Request

from hinode.api.failures import is_id
from hinode.errors import BadInput, quote
from hinode.parsing import UnknownField

DEFAULT_LIMIT, MAX_LIMIT = 20, 100

Id = Annotated[str, Path(max_length=100)]
After = Annotated[str | None, Query(description="Start behind the entry with this id.")]
Limit = Annotated[int, Query(ge=0, le=MAX_LIMIT, description="Most entries of a page.")]
Order = Annotated[Literal["asc", "desc"], Query(description="By time of creation; newest first by default.")]


class PageArguments(TypedDict):
    """Which page of a list is asked for; arguments of the methods that give pages."""

    after: str | None
    limit: int
    descending: bool


def check_after(after: str | None) -> str | None:
    """The id, if it can be one.

    Raises:
        BadInput: it cannot be the id of anything.
    """
    if after is not None and not is_id(after):
        raise BadInput(
            f"there is nothing with the id {quote(after)}", "give an id of this list", field="after"
        )
    return after


async def _page(after: After = None, limit: Limit = DEFAULT_LIMIT, order: Order = "desc") -> PageArguments:
    return {"after": check_after(after), "limit": limit, "descending": order == "desc"}


PageQuery = Annotated[PageArguments, Depends(_page)]


async def check_query(request: Request) -> None:
    """Refuse parameters that OpenAPI does not show for a route.

    Raises:
        UnknownField: there is one.
    """
    if not request.query_params:
        return
    operations = request.app.openapi()["paths"].get(request.scope["route"].path, {})
    method = "get" if request.method == "HEAD" else request.method.lower()
    parameters = operations.get(method, {}).get("parameters", [])
    names = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    for name in request.query_params:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            remedy = f"the nearest known parameter is {near[0]}" if near else "leave it out"
            raise UnknownField(f"this address has no parameter {quote(name, 80)}", remedy, field=name[:80])
