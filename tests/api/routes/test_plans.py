"""Plans: answered at once, with an account of the words, and stored nowhere."""

from __future__ import annotations

from tests.api.conftest import CheckError, Server

BODY = {"prompt": "a red ballon over the meadow", "seconds": 2, "size": "640x360", "seed": 3}


def test_a_plan_says_where_everything_is(server: Server) -> None:
    answer = server.client.post("/v1/videos/plan", json=BODY).json()
    assert (answer["object"], answer["seed"], answer["size"]) == ("video.plan", 3, "640x360")
    assert answer["substituted"] == [{"words": "ballon", "drawn": "balloon"}]
    assert answer["plan"]["place"] == "meadow"
    assert answer["plan"]["subjects"][0]["kind"] == "balloon"
    assert server.client.post("/v1/videos/plan", json=BODY).json() == answer
    assert server.client.get("/v1/videos").json()["data"] == []


def test_what_cannot_be_planned_is_refused(server: Server, check_error: CheckError) -> None:
    for field, value in {"seconds": 61, "size": "4000x20", "prompt": "   "}.items():
        check_error(server.client.post("/v1/videos/plan", json={**BODY, field: value}), 400, param=field)
    response = server.client.post("/v1/videos/plan", json={**BODY, "n": 2})
    assert check_error(response, 400, param="n")["code"] == "unknown_parameter"
