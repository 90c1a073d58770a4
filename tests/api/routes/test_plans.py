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


def test_a_plan_can_be_sketched_from_its_shapes_and_its_land(server: Server, check_error: CheckError) -> None:
    answer = server.client.post("/v1/videos/plan", json=BODY).json()
    assert answer["sentence"].startswith("a red balloon")
    assert len(answer["motions"]) == 1
    shapes = server.client.get("/v1/videos/plan/shapes").json()
    assert shapes["shapes"]["bird"]["phases"] == 16
    assert "$wing" in shapes["shapes"]["bird"]["svg"]
    assert shapes["roles"]["base"] in shapes["shapes"]["balloon"]["svg"]
    plan = answer["plan"]
    query = {name: plan[name] for name in ("place", "time", "weather")}
    query |= {"number": plan["land"]["number"], "size": "640x360"}
    land = server.client.get("/v1/videos/plan/land", params=query).json()
    sheets = [layer for layer in land["layers"] if layer["skyline"]]
    assert len(sheets) >= 3
    assert all(layer["tint"] for layer in sheets)
    marks = [mark for layer in land["layers"] for mark in (*layer["behind"], *layer["front"])]
    assert {mark["shape"] for mark in marks} <= {*shapes["shapes"], "sun"}
    assert server.client.get("/v1/videos/plan/land", params=query).json() == land
    for field, value in {"place": "moor", "size": "4000x20", "number": -1}.items():
        response = server.client.get("/v1/videos/plan/land", params={**query, field: value})
        check_error(response, 400, param=field)
