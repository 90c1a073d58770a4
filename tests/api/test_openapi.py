"""The OpenAPI description: it is complete and true."""

from __future__ import annotations

import json

from hinode.api import wire
from hinode.api.requests import models
from tests.api.conftest import Server


def test_the_description_has_every_route(server: Server) -> None:
    description = server.client.get("/openapi.json").json()
    paths = {
        f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods
    }
    assert paths >= {
        "POST /v1/videos",
        "GET /v1/videos",
        "GET /v1/videos/{video_id}",
        "DELETE /v1/videos/{video_id}",
        "GET /v1/videos/{video_id}/content",
        "POST /v1/videos/{video_id}/remix",
        "POST /v1/videos/{video_id}/cancel",
        "GET /v1/videos/{video_id}/events",
        "GET /v1/videos/{video_id}/frames/{number}",
        "GET /v1/events",
        "GET /v1/queue",
        "POST /v1/videos/edits",
        "POST /v1/videos/extensions",
        "POST /v1/videos/characters",
        "GET /v1/videos/characters",
        "GET /v1/videos/characters/{character_id}",
        "DELETE /v1/videos/characters/{character_id}",
        "POST /v1/batches",
        "POST /v1/files",
        "GET /v1/models",
        "POST /v1/webhook_endpoints",
    }
    create = description["paths"]["/v1/videos"]["post"]
    assert set(create["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert create["security"] == [{"key": []}]
    assert "422" not in json.dumps(description["paths"])
    references = {
        word for word in json.dumps(description).split('"') if word.startswith("#/components/schemas/")
    }
    assert references <= {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}


def test_the_pages_of_the_description_load_nothing_from_elsewhere(server: Server) -> None:
    page = server.client.get("/docs").text
    assert "https://" not in page
    for path in (word for word in page.split('"') if word.startswith("/static")):
        assert server.client.get(path).status_code == 200


def test_responses_are_as_described(server: Server) -> None:
    group = server.create(n=2)
    wire.VideoGroup.model_validate(group, strict=True)
    server.run_jobs()
    wire.VideoList.model_validate(server.client.get("/v1/videos").json(), strict=True)
    wire.ModelList.model_validate_json(server.client.get("/v1/models").content, strict=True)


def test_bodies_are_described_by_the_models_that_read_them(server: Server) -> None:
    description = server.client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    create = description["paths"]["/v1/videos"]["post"]["requestBody"]
    reference = create["content"]["application/json"]["schema"]["$ref"]
    properties = schemas[reference.rpartition("/")[2]]["properties"]
    assert properties.keys() == models.CreateVideo.model_fields.keys()
    rotate = description["paths"]["/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret"]["post"]
    assert rotate["requestBody"]["required"] is False
    without = [
        f"{method} {path}"
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if method == "post"
        and "requestBody" not in operation
        and not path.endswith(("/cancel", "/retry", "/pause", "/resume", "/restore", "/like"))
    ]
    assert without == []
