"""Collections: named groups of videos. An entry of the library says which it is in."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.jobs.library.collections import MAX_NAME_LENGTH
from hinode.parsing import Input, Integer

router = APIRouter(prefix="/v1/collections", tags=["Library"])


class CreateCollection(Input):
    """A collection."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)


class RenameCollection(CreateCollection):
    """Another name for a collection."""

    revision: Integer | None = Field(None, description="The one that was read; another one is an error.")


class CollectionObject(wire.Answer):
    """A named group of videos."""

    id: str
    object: Literal["collection"] = "collection"
    name: str
    created_at: int
    revision: int
    clips: int


class CollectionPage(wire.Page[CollectionObject]):
    """A page of collections."""


CreateBody = Annotated[CreateCollection, Depends(BodyReader(CreateCollection, (JSON,)))]
RenameBody = Annotated[RenameCollection, Depends(BodyReader(RenameCollection, (JSON,)))]


@router.post("", response_model=CollectionObject)
def create_collection(body: CreateBody, context: AppContext, project_id: ProjectId) -> Response:
    """Add a collection."""
    return CollectionObject.of(context.collections.create(project_id, body.name)).response()


@router.get("", response_model=CollectionPage)
def list_collections(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The collections of the project."""
    collections = context.collections.page(project_id, **page)
    return CollectionPage.from_entries(CollectionObject.of, collections).response()


@router.get("/{collection_id}", response_model=CollectionObject)
def get_collection(collection_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """A collection."""
    collection = get_or_404(context.collections.get, project_id, collection_id, "collection")
    return CollectionObject.of(collection).response()


@router.patch("/{collection_id}", response_model=CollectionObject)
def rename_collection(
    collection_id: Id, body: RenameBody, context: AppContext, project_id: ProjectId
) -> Response:
    """Give a collection another name."""

    def rename(owner: str, name: str) -> object:
        return context.collections.rename(owner, name, body.name, body.revision)

    return CollectionObject.of(get_or_404(rename, project_id, collection_id, "collection")).response()


@router.delete("/{collection_id}", response_model=wire.Deleted)
def delete_collection(collection_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Delete a collection; its videos stay."""
    get_or_404(context.collections.delete, project_id, collection_id, "collection")
    return wire.Deleted(id=collection_id, object="collection.deleted").response()
