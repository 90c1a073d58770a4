"""The project of a request: its name, limits and settings, and its API keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, Manager, ProjectId
from hinode.api.failures import get_or_404
from hinode.api.queries import Id, PageQuery
from hinode.api.requests.forms import Unpacked
from hinode.api.sign_in import small_body
from hinode.jobs.tenants.tenant import MAX_NAME_LENGTH, SCOPES, Expiry
from hinode.jobs.tenants.tenants import MAX_STORAGE_LIMIT
from hinode.parsing import INTEGER, Boolean, Input

router = APIRouter(prefix="/v1", tags=["Project"])

KIND = "key"

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Scope = Literal["read", "write", "manage"]


class ChangeProject(Input):
    """The settings to change; the others stay."""

    name: Name | None = None
    expiry: Expiry | None = Field(
        None, description='Of clips that signed-in people make: "never", or "week" as those of API keys.'
    )
    storage_limit_bytes: (
        Annotated[int, Field(ge=0, le=MAX_STORAGE_LIMIT), INTEGER] | Literal["none"] | None
    ) = Field(None, description='How much the files may take, or "none" for no limit.')
    feed_enabled: Boolean | None = Field(None, description="Whether the project has a feed.")


class CreateKey(Input):
    """A new API key."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1), Unpacked] = Field(list(SCOPES))  # type: ignore[arg-type]
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000), INTEGER] | None = None


class ProjectLimits(wire.Answer):
    """What a project may use; null is no limit. `hinode projects set` changes it."""

    weight: float
    max_running: int | None
    max_queued: int | None
    daily_seconds: float | None


class ProjectObject(wire.Answer):
    """A project."""

    id: str
    object: Literal["project"] = "project"
    name: str
    created_at: int
    expiry: Expiry
    storage_limit_bytes: int | None
    feed_enabled: bool
    local_only: bool = Field(
        description="Whether own workers alone make its videos; `hinode projects set` changes it."
    )
    billing: bool = Field(
        description="Whether its videos are paid for from its credit; `hinode projects set` changes it."
    )
    limits: ProjectLimits


class KeyObject(wire.Answer):
    """An API key without its secret."""

    id: str
    object: Literal["api_key"] = "api_key"
    name: str
    hint: str = Field(description="Its first and last letters.")
    scopes: tuple[Scope, ...]
    requests_per_minute: int | None
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


class KeyWithSecret(KeyObject):
    """A new key, which is not shown again."""

    key: str


class KeyList(wire.Page[KeyObject]):
    """A page of keys."""


ProjectBody = Annotated[ChangeProject, small_body(ChangeProject)]
KeyBody = Annotated[CreateKey, small_body(CreateKey)]


@router.get("/project", response_model=ProjectObject)
def get_project(context: AppContext, project_id: ProjectId) -> Response:
    """The project of the request."""
    return _answer(context, project_id)


@router.post("/project", response_model=ProjectObject)
def change_project(body: ProjectBody, context: AppContext, caller: Manager) -> Response:
    """Change settings of the project. `expiry` holds for clips that are finished from now on."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if changes.get("storage_limit_bytes") == "none":
        changes["storage_limit_bytes"] = None
    context.tenants.change_project(caller.project_id, **changes)
    return _answer(context, caller.project_id)


@router.get("/keys", response_model=KeyList)
def list_keys(context: AppContext, project_id: ProjectId, page: PageQuery) -> Response:
    """The API keys of the project, revoked ones too."""
    return KeyList.from_entries(KeyObject.of, context.tenants.keys(project_id, **page)).response()


@router.post("/keys", response_model=KeyWithSecret)
def create_key(body: KeyBody, context: AppContext, caller: Manager) -> Response:
    """Make an API key. Only this answer has it."""
    created = context.tenants.create_key(
        body.name,
        project=caller.project_id,
        scopes=body.scopes,
        requests_per_minute=body.requests_per_minute,
    )
    key = get_or_404(context.tenants.key, caller.project_id, created.id, KIND)
    return KeyWithSecret.of(key, key=created.key).response({"cache-control": "no-store"})


@router.delete("/keys/{key_id}", response_model=wire.Deleted)
def revoke_key(key_id: Id, context: AppContext, caller: Manager) -> Response:
    """Revoke an API key for ever."""
    key = get_or_404(context.tenants.key, caller.project_id, key_id, KIND)
    context.tenants.revoke(key.id)
    return wire.Deleted(id=key.id, object="api_key.deleted").response()


def _answer(context: Context, project_id: str) -> Response:
    project = context.tenants.project(project_id)
    limits = ProjectLimits.of(project.limits)
    return ProjectObject.of(project, limits=limits).response()
