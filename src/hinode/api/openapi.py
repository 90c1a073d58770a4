"""The OpenAPI description: FastAPI's, with the bodies that `BodyReader` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from hinode.api.requests.bodies import BodyReader

DESCRIPTION = """The API of Sora's clients, with additions that they ignore.

Bodies may be JSON or multipart/form-data. In a form, the path of a nested value is written in brackets:
`video[id]`, `input_reference[image_url]`, `characters[][id]`. An unknown field is an error."""

REF = "#/components/schemas/{model}"


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Add the bodies that the routes of some routers read to the description of an application."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _add_bodies(generate(), routers)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_bodies(description: dict[str, Any], routers: Iterable[APIRouter]) -> None:
    readers = list(_readers(routers))
    refs, definitions = models_json_schema(
        [(reader.model, "validation") for _, reader in readers], ref_template=REF
    )
    description["components"]["schemas"] |= definitions["$defs"]
    for route, reader in readers:
        schema = {"schema": refs[(reader.model, "validation")]}
        body = {"required": reader.required, "content": dict.fromkeys(reader.media_types, schema)}
        for method in route.methods or ():
            description["paths"][route.path][method.lower()]["requestBody"] = body


def _readers(routers: Iterable[APIRouter]) -> Iterator[tuple[APIRoute, BodyReader]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                calls = [dependency.call for dependency in route.dependant.dependencies]
                yield from ((route, call) for call in calls if isinstance(call, BodyReader))
