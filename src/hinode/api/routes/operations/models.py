"""The models that can be asked for by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from hinode.api import failures, wire
from hinode.api.context import AppContext, CurrentIdentity
from hinode.errors import BadInput

router = APIRouter(prefix="/v1/models", tags=["Models"])

Name = Annotated[str, Path(description="Such as sora-2 or native/nano.")]


@router.get("", response_model=wire.ModelList)
def list_models(here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Every model by each of its names, and what it can do."""
    return JSONResponse({"object": "list", "data": [wire.model(model) for model in here.catalogue.named()]})


@router.get("/{model:path}", response_model=wire.ModelObject)
def get_model(model: Name, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """A model, and what it can do."""
    try:
        found = here.catalogue.find(model)
    except BadInput as error:
        raise failures.not_found("model", model, "model") from error
    return JSONResponse(wire.model(found))
