"""The feed: off by default, credit through generations, likes, reports, and what other programs read."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as xml

import pytest
from starlette.testclient import TestClient

from hinode.api.context import Context
from tests.api.conftest import CheckError, Server, new_project

XSS = '<script>alert(1)</script> & "x" ]]> \u0001'
ATOM, MEDIA = "{http://www.w3.org/2005/Atom}", "{http://search.yahoo.com/mrss/}"


@pytest.fixture(scope="module")
def server(application: tuple[Context, TestClient]) -> Server:
    """One project for the tests of this module, whose feed is on."""
    server = new_project(*application)
    server.context.tenants.change_project(server.project_id, feed_enabled=True)
    return server


def publish(server: Server, video_id: str, caption: str = "") -> dict[str, Any]:
    response = server.client.post("/v1/feed", json={"video_id": video_id, "caption": caption})
    assert response.status_code == 200, response.text
    return dict(response.json())


def remix(server: Server, post_id: str) -> str:
    response = server.client.post(f"/v1/feed/{post_id}/remix", json={"prompt": "a blue kite"})
    assert response.status_code == 200, response.text
    server.run_jobs()
    return str(response.json()["id"])


def test_the_feed_is_off_until_it_is_turned_on(
    application: tuple[Context, TestClient], server: Server, check_error: CheckError
) -> None:
    other = server.other_project()
    for path in ("/v1/feed", "/v1/feed.atom", "/v1/feed.mrss", "/v1/feed/post_1"):
        error = check_error(server.client.get(path, headers=other), 404, "feed")
        assert (error["code"], "settings" in error["message"]) == ("feed_off", True)


def test_credit_goes_through_three_generations(server: Server, check_error: CheckError) -> None:
    first = publish(server, server.render()["id"], "First\nof all")
    second = publish(server, remix(server, first["id"]), "Second")
    middle = remix(server, second["id"])  # never published
    extended = server.client.post(f"/v1/videos/{middle}/remix", json={"prompt": "a kite"}).json()["id"]
    server.run_jobs()
    assert server.client.delete(f"/v1/feed/{second['id']}").status_code == 200
    assert server.client.delete(f"/v1/videos/{middle}").status_code == 200
    third = publish(server, extended, "Third")
    assert [(credit["post_id"], credit["title"], credit["operation"]) for credit in third["credits"]] == [
        (second["id"], "Second", "remix"),
        (first["id"], "First", "remix"),
    ]
    assert {credit["author"] for credit in third["credits"]} == {third["author"]}
    assert [post["id"] for post in server.client.get("/v1/feed").json()["data"]] == [third["id"], first["id"]]
    check_error(server.client.get(f"/v1/feed/{second['id']}"), 404, "post_id")
    body = {"video_id": extended}
    check_error(server.client.post("/v1/feed", json=body), 400, "video_id")


def test_likes_and_reports(server: Server, check_error: CheckError) -> None:
    video = server.render()["id"]

    def is_published() -> bool:
        return bool(server.client.get(f"/v1/library/{video}").json()["published"])

    assert not is_published()
    post = publish(server, video)
    assert is_published()
    path = f"/v1/feed/{post['id']}"
    assert post["title"] == "a red kite"
    for method, likes in (("POST", 1), ("POST", 1), ("DELETE", 0), ("DELETE", 0)):
        answer = server.client.request(method, f"{path}/like").json()
        assert (answer["likes"], answer["liked"]) == (likes, bool(likes))
    for _ in range(2):
        assert server.client.post(f"{path}/report", json={"reason": XSS[:-1]}).json()["reports"] == 1
    check_error(server.client.post(f"{path}/report", json={}), 400, "reason")
    check_error(server.client.get(f"{path}/reports"), 403, None)
    created = server.context.tenants.create_key("owner", project=server.project_id, scopes=("read", "manage"))
    owner = {"Authorization": f"Bearer {created.key}"}
    found = server.client.get(f"{path}/reports", headers=owner).json()["data"]
    assert [entry["reason"] for entry in found] == [XSS[:-1]]
    check_error(server.client.get("/v1/feed/post_1/reports", headers=owner), 404, "post_id")
    assert server.client.delete(path).status_code == 200
    assert not is_published()
    check_error(server.client.delete(path), 404, "post_id")


def test_what_other_programs_read_is_escaped(server: Server) -> None:
    post = publish(server, server.render()["id"], XSS)
    assert post["caption"] == XSS
    atom = server.client.get("/v1/feed.atom")
    assert atom.headers["content-type"].startswith("application/atom+xml")
    entry = xml.fromstring(atom.content).find(f"{ATOM}entry")
    assert entry is not None
    clean = XSS.replace("\u0001", "\ufffd")
    assert entry.findtext(f"{ATOM}summary") == clean
    assert b"<script>" not in atom.content
    item = xml.fromstring(server.client.get("/v1/feed.mrss").content).find("channel/item")
    assert item is not None
    content = item.find(f"{MEDIA}content")
    assert content is not None
    assert item.findtext("description") == clean
    assert content.attrib["url"] == f"http://testserver/v1/videos/{post['video_id']}/content"
