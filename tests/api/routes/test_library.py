"""The library through the API: entries, trash, collections, lineage, archives, finished drafts."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from hinode.api import wire
from hinode.api.catalogue import Model
from hinode.api.routes.library.values import LibraryPage
from hinode.jobs.job import Job
from hinode.records.tables import projects
from tests.api.conftest import CheckError, Clock, Server


def entries(server: Server, **params: Any) -> list[str]:
    """Ids of the list with these parameters."""
    response = server.client.get("/v1/library", params=params)
    assert response.status_code == 200, response.text
    LibraryPage.model_validate_json(response.content, strict=True)
    return [entry["id"] for entry in response.json()["data"]]


def test_an_entry_is_the_video_with_what_people_say(server: Server, check_error: CheckError) -> None:
    video = server.render(prompt="Ein Drachen über Łódź")
    server.create()
    path = f"/v1/library/{video['id']}"
    (entry,) = server.client.get("/v1/library").json()["data"]
    assert {name: entry[name] for name in video} == video
    assert (entry["title"], entry["favourite"], entry["tags"], entry["revision"]) == (None, False, [], 1)
    assert entry["bytes"] > video["making"]["bytes"]
    body = {
        "title": "  Été ",
        "tags": ["Sky", "sky"],
        "favourite": True,
        "notes": "two\nlines",
        "revision": 1,
    }
    changed = server.client.patch(path, json=body).json()
    assert (changed["title"], changed["tags"], changed["notes"]) == ("Été", ["Sky"], "two\nlines")
    assert entries(server, q="ETE lodz", tag="SKY", favourite=True) == [video["id"]]
    assert server.client.get("/v1/library/tags").json()["data"] == [{"tag": "Sky", "clips": 1}]
    error = check_error(server.client.patch(path, json=body), 409)
    assert (error["code"], "revision is 2" in error["message"]) == ("stale_revision", True)
    emptied = server.client.patch(path, json={"title": "", "notes": ""}).json()
    assert (emptied["title"], emptied["notes"], emptied["favourite"]) == (None, "", True)
    assert entries(server, status="all") != entries(server)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u2028b"}, "title"),
        ({"notes": "half \ud800"}, "notes"),
        ({"tags": ["a\nb"]}, "tags"),
        ({"tags": ["x" * 61]}, "tags"),
        ({"titel": "x"}, "titel"),
    ],
)
def test_wrong_changes_are_refused(
    server: Server, check_error: CheckError, body: dict[str, Any], param: str
) -> None:
    path = f"/v1/library/{server.create()['id']}"
    headers = {"content-type": "application/json"}
    check_error(server.client.patch(path, content=json.dumps(body), headers=headers), 400, param)


def test_any_place_of_a_list_is_one_request_away(server: Server) -> None:
    ids = [server.render(prompt=f"kite {number}")["id"] for number in range(4)]
    assert entries(server, order="oldest", skip=1, limit=2) == ids[1:3]
    assert entries(server, skip=1, limit=2, after=ids[3]) == [ids[1], ids[0]]
    assert entries(server, skip=4) == []


def test_lists_refuse_what_they_do_not_know(server: Server, check_error: CheckError) -> None:
    for params, status in (
        ({"order": "best"}, 400),
        ({"limit": 201}, 400),
        ({"since": -1}, 400),
        ({"after": "video_0"}, 400),
        ({"tag": "a\0b"}, 400),
        ({"parent": "video_0"}, 404),
        ({"collection": "coll_0"}, 404),
    ):
        check_error(server.client.get("/v1/library", params=params), status, next(iter(params)))


def test_another_project_sees_nothing(server: Server, check_error: CheckError) -> None:
    video = server.render()["id"]
    collection = server.client.post("/v1/collections", json={"name": "Mine"}).json()["id"]
    archive = server.client.post("/v1/library/archives", json={"ids": [video]}).json()["url"]
    headers = server.other_project()

    def ask(method: str, path: str, **body: Any) -> Any:
        return server.client.request(method, path, headers=headers, json=body or None)

    for method, path in (("GET", ""), ("PATCH", ""), ("GET", "/lineage")):
        check_error(
            ask(method, f"/v1/library/{video}{path}", **{"title": "x"} if method == "PATCH" else {}),
            404,
            "video_id",
        )
    check_error(ask("POST", f"/v1/videos/{video}/finish"), 404, "video_id")
    check_error(ask("GET", archive), 404, "archive_id")
    for name in ("trash", "restore", "archives"):
        check_error(ask("POST", f"/v1/library/{name}", ids=[video]), 404, "ids")
    check_error(ask("PATCH", f"/v1/collections/{collection}", name="x"), 404, "collection_id")
    check_error(ask("DELETE", f"/v1/collections/{collection}"), 404, "collection_id")
    check_error(server.client.get("/v1/library", params={"parent": video}, headers=headers), 404, "parent")
    assert ask("GET", "/v1/library").json()["total"] == ask("GET", "/v1/library/usage").json()["bytes"] == 0


def test_trash_and_back(server: Server, check_error: CheckError, clock: Clock) -> None:
    video, other = server.render()["id"], server.render()["id"]
    waiting = server.create()["id"]
    check_error(server.client.post("/v1/library/trash", json={"ids": [video, waiting]}), 409)
    check_error(server.client.post("/v1/library/trash", json={"ids": []}), 400, "ids")
    moved = server.client.post("/v1/library/trash", json={"ids": [video]}).json()
    assert moved == {"object": "library.trash", "ids": [video], "trashed": True}
    assert entries(server) == [other]
    assert video not in [each["id"] for each in server.client.get("/v1/videos").json()["data"]]
    (entry,) = server.client.get("/v1/library/trash").json()["data"]
    assert (entry["id"], entry["trashed_at"]) == (video, int(clock.now))
    assert server.client.get(f"/v1/videos/{video}/content?variant=thumbnail").status_code == 200
    server.client.post("/v1/library/restore", json={"ids": [video]})
    assert entries(server, order="oldest") == [video, other]


def test_collections(server: Server, check_error: CheckError) -> None:
    video = server.render()["id"]
    collection = server.client.post("/v1/collections", json={"name": " Trailer "}).json()
    assert (collection["name"], collection["clips"]) == ("Trailer", 0)
    path = f"/v1/collections/{collection['id']}"
    server.client.patch(f"/v1/library/{video}", json={"collections": [collection["id"]]})
    assert entries(server, collection=collection["id"]) == [video]
    assert server.client.get("/v1/collections").json()["data"][0]["clips"] == 1
    error = check_error(
        server.client.patch(f"/v1/library/{video}", json={"collections": ["coll_0"]}), 404, "collections"
    )
    assert error["code"] == "not_found"
    assert server.client.patch(path, json={"name": "Film", "revision": 1}).json()["revision"] == 2
    check_error(server.client.patch(path, json={"name": "Late", "revision": 1}), 409)
    assert server.client.delete(path).json()["deleted"] is True
    assert server.client.get(f"/v1/library/{video}").json()["collections"] == []


def test_a_lineage_follows_every_source(server: Server) -> None:
    one, two = (server.render(prompt=prompt)["id"] for prompt in ("a red kite", "a blue boat"))
    body = {"videos": [{"id": one}, {"id": two}], "prompt": "a red boat"}
    blend = server.client.post("/v1/videos/blends", json=body).json()["id"]
    lineage = server.client.get(f"/v1/library/{blend}/lineage").json()
    assert [node["id"] for node in lineage["nodes"]] == [one, two, blend]
    assert lineage["nodes"][2]["status"] == "queued"
    assert lineage["edges"] == [
        {"parent": one, "child": blend, "operation": "blend", "removed": ["kite"], "added": ["boat"]},
        {"parent": two, "child": blend, "operation": "blend", "removed": ["blue"], "added": ["red"]},
    ]
    assert entries(server, parent=two, status="all") == [blend]


def test_an_archive_is_a_zip_of_all_videos(server: Server, check_error: CheckError) -> None:
    videos = [server.render(prompt="Kite / 10:30", seed=seed)["id"] for seed in (1, 2)]
    archive = server.client.post("/v1/library/archives", json={"ids": [*videos, videos[0]]}).json()
    assert archive["clips"] == 2
    response = server.client.get(archive["url"])
    assert response.headers["content-type"] == "application/zip"
    assert int(response.headers["content-length"]) == len(response.content)
    content = zipfile.ZipFile(io.BytesIO(response.content))
    assert content.namelist() == ["Kite 10 30.mp4", "Kite 10 30 (2).mp4"]
    files = [server.client.get(f"/v1/videos/{video}/content").content for video in videos]
    assert [content.read(name) for name in content.namelist()] == files
    assert archive["bytes"] == sum(map(len, files))
    head = server.client.head(archive["url"])
    assert (head.headers["content-length"], head.content) == (response.headers["content-length"], b"")
    check_error(server.client.post("/v1/library/archives", json={"ids": [server.create()["id"]]}), 404, "ids")
    server.client.delete(f"/v1/videos/{videos[1]}")
    check_error(server.client.get(archive["url"]), 404, "ids")


def test_a_full_project_is_refused_in_one_sentence(server: Server, check_error: CheckError) -> None:
    video = server.render()["id"]
    usage = server.client.get("/v1/library/usage").json()
    assert (usage["limit_bytes"], usage["clips"], [each["id"] for each in usage["largest"]]) == (
        None,
        1,
        [video],
    )
    with server.context.store.database.write() as connection:
        owner = projects.c.id == server.project_id
        connection.execute(projects.update().where(owner).values(storage_limit_bytes=usage["bytes"] - 9))
    response = server.client.post("/v1/videos", json={"prompt": "a kite"})
    error = check_error(response, 429)
    assert (error["code"], "free 10 bytes" in error["message"]) == ("storage_limit", True)
    assert response.headers["x-should-retry"] == "false"
    server.client.delete(f"/v1/videos/{video}")
    server.create()


def test_a_draft_is_finished_with_the_same_seed_and_plan(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = server.context.catalogue.find

    def with_profiles(name: str | None) -> Model:
        model = find(name)
        capabilities = replace(model.engine_capabilities, profiles=("draft", "best"))
        return replace(model, engine_capabilities=capabilities)

    monkeypatch.setattr(server.context.catalogue, "find", with_profiles)
    draft = server.render(prompt="a red kite", seed=7)
    path = f"/v1/videos/{draft['id']}/finish"
    finished = server.client.post(path).json()
    wire.Video.model_validate(finished, strict=True)
    same = ("prompt", "seed", "size", "seconds", "model", "operation")
    assert {name: finished[name] for name in same} == {name: draft[name] for name in same}
    assert (finished["profile"], finished["source_video_id"]) == ("best", draft["id"])
    edges = server.client.get(f"/v1/library/{finished['id']}/lineage").json()["edges"]
    assert [(edge["parent"], edge["operation"]) for edge in edges] == [(draft["id"], "finish")]
    check_error(server.client.post(path, json={"profile": "worst"}), 400, "profile")
    waiting: Job | None = server.context.store.job(server.project_id, finished["id"])
    assert waiting is not None
    check_error(server.client.post(f"/v1/videos/{waiting.id}/finish"), 400, "video_id")
    remix = server.client.post(f"/v1/videos/{draft['id']}/remix", json={"prompt": "a blue kite"}).json()
    server.context.store.cancel(server.project_id, finished["id"])
    server.run_jobs()
    again = server.client.post(f"/v1/videos/{remix['id']}/finish").json()
    assert (again["operation"], again["source_video_id"]) == ("remix", remix["id"])
    roles = server.context.store.artifacts(again["id"])
    assert roles["source"].digest == server.context.store.artifacts(draft["id"])["video"].digest
