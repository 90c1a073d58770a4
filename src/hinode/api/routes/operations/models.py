"""The models, by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from hinode.api import wire
from hinode.api.context import AppContext
from hinode.api.failures import not_found
from hinode.errors import BadInput

router = APIRouter(prefix="/v1/models", tags=["Models"])

Name = Annotated[str, Path(description="Such as sora-2 or native/book.")]


@router.get("", response_model=wire.ModelList)
def list_models(context: AppContext) -> Response:
    """Every model under each of its names, with its capabilities."""
    data = [wire.ModelObject.of_model(model) for model in context.catalogue.all()]
    return wire.ModelList.model_construct(data=data).response()


@router.get("/{model:path}", response_model=wire.ModelObject)
def get_model(model: Name, context: AppContext) -> Response:
    """A model with its capabilities."""
    try:
        return wire.ModelObject.of_model(context.catalogue.find(model)).response()
    except BadInput as error:
        raise not_found("model", model, "model") from error
