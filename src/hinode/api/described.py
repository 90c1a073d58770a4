"""How bodies that the routes read themselves are described in OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def described(body: type[BaseModel], *kinds: str, required: bool = True) -> dict[str, Any]:
    """What to add to a route's description so that it says what the body is to be.

    Args:
        body: its shape.
        kinds: media types that it can come in; by default JSON.
        required: whether there must be one.
    """
    schema = inlined(body.model_json_schema())
    content = {kind: {"schema": schema} for kind in kinds or ("application/json",)}
    return {"requestBody": {"required": required, "content": content}}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the shapes that it refers to written in their places, where OpenAPI can find them."""
    shapes = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolved(shapes[value["$ref"].rpartition("/")[2]])
            return {key: resolved(inner) for key, inner in value.items()}
        return [resolved(inner) for inner in value] if isinstance(value, list) else value

    inlined: dict[str, Any] = resolved(schema)
    return inlined
