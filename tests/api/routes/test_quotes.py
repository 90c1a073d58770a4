"""Quotes of the API: every operation, the queue, and what is quicker."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode import engines
from hinode.engines.protocol import Cost
from hinode.money.quoting import runs
from hinode.money.quoting.predict import Run, Work
from hinode.money.quoting.runs import Kind
from hinode.records.tables import quotes
from hinode.request import Capabilities
from tests.api.conftest import SMALL, Clock, Server

PROMPT = {"prompt": "a red kite over the hills", "size": SMALL, "seconds": 1}


def ask(server: Server, **body: Any) -> dict[str, Any]:
    response = server.client.post("/v1/videos/quote", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_quote_says_what_a_video_will_take(server: Server) -> None:
    quote = ask(server, **PROMPT, n=3, seed=7)
    assert quote["object"] == "video.quote"
    assert quote["id"].startswith("quote_")
    assert (quote["operation"], quote["model"], quote["size"], quote["n"]) == ("generate", "sora-2", SMALL, 3)
    assert 0 < quote["eta"]["p50"] <= quote["eta"]["p90"]
    assert quote["queue_wait"] == {"p50": 0, "p90": 0}
    assert sum(stage["seconds"] for stage in quote["stages"]) == pytest.approx(quote["eta"]["p50"], abs=0.05)
    assert quote["valid_until"] == int(server.context.clock() + 600)
    video = server.create(**{**PROMPT, "n": 3, "seed": 7})
    with server.context.store.database.read() as connection:
        row = connection.execute(sa.select(quotes).where(quotes.c.id == quote["id"])).one()
        jobs_hash = connection.execute(
            sa.text("SELECT request_hash FROM jobs WHERE id = :id"), {"id": video["id"]}
        ).scalar_one()
    assert (row.project_id, row.request_hash) == (server.project_id, jobs_hash)
    assert row.quote["eta"] == quote["eta"]


def test_alternatives_come_the_quickest_first(server: Server) -> None:
    quote = ask(server, model="native/book", prompt="a red kite", size="640x360", seconds=2)
    etas = [other["eta"]["p50"] for other in quote["alternatives"]]
    assert etas == sorted(etas)
    labels = [other["label"] for other in quote["alternatives"]]
    assert {"profile draft", "profile best"} <= set(labels)
    assert labels.index("profile draft") < labels.index("profile best")
    assert all(other["model"] == "native/book" for other in quote["alternatives"])


def test_every_operation_has_a_quote(server: Server) -> None:
    video = server.render(seconds="2")["id"]
    plain, span = {"model": "native/book"}, {"video": video, "from": 0.5, "to": 1.5}
    bodies: dict[str, dict[str, Any]] = {
        "edit": {"prompt": "at night", "video": video},
        "extend": {"prompt": "it flies on", "video": video, "seconds": 2},
        "remix": {"prompt": "a blue kite", "video": video},
        "loop": {"prompt": "a red kite", "size": "640x360"},
        "blend": {"prompt": "kites", "videos": [video, video]},
        "retake": {"prompt": "a red kite", **span},
        "recut": {"prompt": "a red kite", **span, "before": 1, "after": 1},
        "storyboard": {"size": "640x360", "shots": [{"prompt": "a kite", "seconds": 2}] * 2},
    }
    for operation, body in bodies.items():
        quote = ask(server, operation=operation, **body, **plain)
        assert quote["operation"] == operation
        assert quote["eta"]["p50"] > 0


def test_the_quote_rests_on_the_runs_of_this_server(server: Server, clock: Clock) -> None:
    assert ask(server, **PROMPT)["basis"] in ("estimated", "measured")
    for _ in range(3):
        server.render(**PROMPT)
    kind = Kind("native", "book", "an abacus", "draft")
    work = Work(Cost(5488, 3, 3, 1_404_928), 32 * 640 * 360)
    with server.context.store.database.write() as connection:
        for number in range(runs.MAX_RUNS + 5):
            run = Run(work, {"sample": 99.0 + number % 3, "encode": 1.0})
            runs.record(connection, (kind, run), server.context.clock())
        assert len(runs.recorded(connection, "native", "book", "draft")[0]) == runs.MAX_RUNS
    clock.now += 60
    assert ask(server, **PROMPT)["basis"] == "measured"
    body = {"model": "native/book", "prompt": "a kite", "size": "640x360", "seconds": 2}
    draft = ask(server, **body, profile="draft")
    assert draft["basis"] == "measured"
    assert draft["eta"]["p50"] == pytest.approx(101, rel=0.05)
    best = ask(server, **body, profile="best")
    assert best["basis"] == "estimated"
    assert best["eta"]["p50"] > 2 * draft["eta"]["p50"]  # 11 passes beside 3


def test_the_wait_grows_with_the_queue(fresh_server: Server) -> None:
    body = {"model": "native/book", "prompt": "a kite", "size": "640x360", "seconds": 2}
    alone = ask(fresh_server, **body)
    assert alone["queue_wait"] == {"p50": 0, "p90": 0}
    for _ in range(4):
        fresh_server.create(**body)
    behind, each = ask(fresh_server, **body), alone["eta"]["p50"]
    assert behind["queue_wait"]["p50"] == pytest.approx(4 * each, rel=0.01)
    assert behind["queue_wait"]["p50"] < behind["queue_wait"]["p90"]
    starts = fresh_server.context.forecast.starts(fresh_server.context.clock())
    assert [start.p50 for start in starts.values()] == pytest.approx(
        [number * each for number in range(4)], rel=0.01
    )
    last = fresh_server.client.get("/v1/videos").json()["data"][0]
    job = fresh_server.context.store.job(fresh_server.project_id, last["id"])
    assert job is not None
    left = fresh_server.context.forecast.remaining(job, fresh_server.context.clock())
    assert left == pytest.approx(4 * each, rel=0.01)
    # A preview goes before them, and another project has its share.
    assert ask(fresh_server, **body, priority="preview")["queue_wait"]["p50"] == 0
    other = fresh_server.client.post("/v1/videos/quote", json=body, headers=fresh_server.other_project())
    assert other.json()["queue_wait"]["p50"] == pytest.approx(each, rel=0.01)


def test_a_running_job_has_its_own_pace(server: Server) -> None:
    body = {"model": "native/book", "prompt": "a kite", "size": "640x360", "seconds": 2}
    video = server.create(**body)
    job = server.context.store.job(server.project_id, video["id"])
    assert job is not None
    now = server.context.clock()
    waiting = server.context.forecast.remaining(job, now)
    assert waiting is not None
    assert waiting > 0
    running = dataclasses.replace(
        job, status=type(job.status).RUNNING, stage="sample", progress=46, started_at=now - 100, epoch=1
    )
    left = server.context.forecast.remaining(running, now)
    quick = dataclasses.replace(running, started_at=now - 1)
    assert left is not None
    assert left > 40
    assert 0 < (server.context.forecast.remaining(quick, now) or 0) < left


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "a kite", "operation": "paint"}, "operation"),
        ({"prompt": "a kite", "operation": ["edit"]}, "operation"),
        ({"prompt": "a kite", "operation": "edit"}, "video"),
        ({"prompt": "a kite", "colour": "red"}, "colour"),
        ({"prompt": "a kite", "seconds": 1000}, "seconds"),
        ({"operation": "remix", "prompt": "a kite", "video": "video_none"}, "video_id"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], param: str) -> None:
    response = server.client.post("/v1/videos/quote", json=body)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["param"] == param, response.text


def test_another_project_has_no_quote_of_this_ones_videos(server: Server) -> None:
    video = server.render()["id"]
    body = {"operation": "extend", "prompt": "on", "video": video, "seconds": 1}
    response = server.client.post("/v1/videos/quote", json=body, headers=server.other_project())
    assert response.status_code == 404


OWN = """
version: 2026-11-30
prices:
  - name: testcard/testcard
    provider: us
    usd_per_second: {"720": 0.1}
    source: own price list
    mark: own
    date: 2026-11-01
factors: {batch: 0.5}
"""
COSTS = """
version: 2026-11-30
hardware:
  - hardware: own-machine
    usd_per_hour: 3.6
    hosts: ["*"]
    source: own books
    date: 2026-11-01
"""


@pytest.fixture
def books(server: Server) -> Iterator[Path]:
    """The home of the server, with books of prices and costs for this test."""
    home = server.context.settings.home
    (home / "prices.yaml").write_text(OWN)
    (home / "costs.yaml").write_text(COSTS)
    yield home
    (home / "prices.yaml").unlink()
    (home / "costs.yaml").unlink()


def test_a_quote_is_an_offer_with_its_price(server: Server, books: Path) -> None:
    server.render()  # by a worker that is live from now on
    body = {**PROMPT, "n": 2}
    quote = ask(server, **body)
    assert (quote["price"], quote["currency"]) == (0.2, "USD")
    work = sum(stage["seconds"] for stage in quote["breakdown"])
    assert quote["cost"] == pytest.approx(work / 1000, abs=1e-4)
    assert (quote["energy_wh"], quote["energy_method"]) == (None, "none")
    halves = [other["price"] for other in quote["alternatives"] if other["model"] == "native/book"]
    assert set(halves) <= {None}
    offer = next(offer for offer in quote["offers"] if offer["name"] == "veo-3.1-lite")
    assert (offer["usd"], offer["mark"], offer["date"]) == (0.1, "second-hand", "2026-11")
    assert any("days ago" in note for note in quote["price_notes"])  # the clock of the tests is of 2027
    accepted = server.create(**body, quote_id=quote["id"], max_cost=0.2)
    assert len(accepted["videos"]) == 2
    assert ask(server, **body, priority="batch")["price"] == 0.1


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("terms", "status", "code", "param"),
    [
        ({"seconds": 2}, 409, "quote_mismatch", "quote_id"),
        ({"profile": "draft", "model": "native/book"}, 409, "quote_mismatch", "quote_id"),
        ({"quote_id": "quote_of_nobody"}, 404, "quote_not_found", "quote_id"),
        ({"max_cost": 0.09}, 402, "price_above_maximum", "max_cost"),
        ({"max_cost": -1}, 400, "bad_input", "max_cost"),
    ],
)
def test_terms_that_do_not_hold_are_refused(
    server: Server, terms: dict[str, Any], status: int, code: str, param: str
) -> None:
    quote = ask(server, **PROMPT)
    response = server.client.post("/v1/videos", json={**PROMPT, "quote_id": quote["id"], **terms})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert server.client.get("/v1/videos").json()["data"] == []


def test_a_price_book_that_cannot_be_read_refuses_and_names_no_path(server: Server, books: Path) -> None:
    (books / "prices.yaml").write_text("version: 2026-11-30\nprices: []\n")
    (note,) = ask(server, **PROMPT)["price_notes"][:1]
    assert "enter one in prices.yaml of this server" in note
    (books / "prices.yaml").write_text("prices: none\n")
    for address in ("/v1/videos/quote", "/v1/videos"):
        response = server.client.post(address, json={**PROMPT, "max_cost": 1})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
        assert str(server.context.settings.home) not in response.text


@pytest.mark.usefixtures("books")
def test_every_door_knows_the_terms(server: Server) -> None:
    video = server.render(seconds="2")["id"]
    quote = ask(server, operation="remix", prompt="at night", video=video)
    remix = f"/v1/videos/{video}/remix"
    other = server.client.post(remix, json={"prompt": "at noon", "quote_id": quote["id"]})
    assert other.json()["error"]["code"] == "quote_mismatch"
    made = server.client.post(remix, json={"prompt": "at night", "quote_id": quote["id"]})
    assert made.status_code == 200, made.text
    plain = {"prompt": "at night", "max_cost": 0.01}
    for address, body in (
        ("edits", {**plain, "video": video}),
        ("extensions", {**plain, "video": video, "seconds": 1}),
        ("loops", {"video": video, "max_cost": 0.01}),
        ("storyboards", {"max_cost": 0.01, "shots": [{"prompt": "a kite", "seconds": 1}]}),
        (f"{video}/reframe", {"size": "36x64", "fit": "crop", "max_cost": 0.01}),
    ):
        response = server.client.post(f"/v1/videos/{address}", json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (402, "price_above_maximum"), (
            address
        )
    assert server.client.post("/v1/videos/quote", json={**PROMPT, "max_cost": 0.01}).status_code == 402
    assert server.client.post("/v1/videos/quote", json={**PROMPT, "quote_id": "q"}).status_code == 400


Door = tuple[str, dict[str, Any], dict[str, Any]]
"""The address of a route, a body for it, and what the quote has in the place of the ids in the address."""


def later_doors(server: Server) -> dict[str, Door]:
    """The routes that make a video of what is there already."""
    video, cancelled = server.render()["id"], server.create()["id"]
    server.client.post(f"/v1/videos/{cancelled}/cancel")
    part = {"id": "a", "title": "A", "prompt": "a kite", "frames": 12}
    document = {"fps": "12", "size": SMALL, "model": "testcard/testcard", "shots": [part]}
    board = server.client.post("/v1/storyboards", json={"title": "A film", "document": document}).json()["id"]
    take = server.client.post(f"/v1/storyboards/{board}/shots/a/render", json={}).json()["id"]
    server.run_jobs()
    server.client.post(f"/v1/storyboards/{board}/shots/a/take", json={"video_id": take})
    of, film = {"video": video}, {"storyboard_id": board}
    shot = film | {"shot_id": "a"}
    return {
        "finish": (f"videos/{video}/finish", {"profile": "best"}, of),
        "reframe": (f"videos/{video}/reframe", {"size": "20x36"}, of),
        "retry": (f"videos/{cancelled}/retry", {}, {"video": cancelled}),
        "shot": (f"storyboards/{board}/shots/a/render", {"takes": 2}, shot),
        "film": (f"storyboards/{board}/film", {}, film),
    }


def test_a_quote_binds_what_is_made_of_what_is_there(
    fresh_server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, home = fresh_server, fresh_server.context.settings.home
    capabilities = engines.capabilities

    def with_profiles(*place: Any) -> Capabilities:
        return dataclasses.replace(capabilities(*place), profiles=("best",))

    monkeypatch.setattr(engines, "capabilities", with_profiles)
    clock.now += 60  # the catalogue looks its models up again
    (home / "prices.yaml").write_text(OWN)
    doors = later_doors(server)
    other = ask(server, **PROMPT)["id"]

    def send(operation: str, **terms: Any) -> Any:
        path, body, _ = doors[operation]
        response = server.client.post(f"/v1/{path}", json={**body, **terms})
        return response.json()["error"]["code"] if response.status_code != 200 else response.json()

    quotes = {
        operation: ask(server, operation=operation, **body, **place)
        for operation, (_, body, place) in doors.items()
    }
    assert {quote["price"] for quote in quotes.values()} == {0.1, 0.2}
    for operation, quote in quotes.items():
        assert send(operation, quote_id=other) == "quote_mismatch", operation
        assert send(operation, quote_id="quote_of_nobody") == "quote_not_found"
        assert send(operation, max_cost=quote["price"] - 0.01) == "price_above_maximum"
    (home / "prices.yaml").write_text(OWN.replace("0.1}", "0.3}"))
    assert {send(operation, quote_id=quote["id"]) for operation, quote in quotes.items()} == {"price_changed"}
    (home / "prices.yaml").write_text(OWN)
    for operation, quote in quotes.items():
        made = send(operation, quote_id=quote["id"], max_cost=quote["price"])
        assert made["status"] == "queued", operation


def test_a_video_says_what_it_used(server: Server) -> None:
    used = server.render()["usage"]
    assert (used["price"], used["charged"], used["currency"]) == (None, None, "USD")
    assert used["cpu_seconds"] > 0
    assert used["gpu_seconds"] == 0
    assert {"sample", "encode", "store"} <= used["stages"].keys()
    # What cannot be measured here is unknown.
    assert used["energy_method"] in ("measured", "none")
    assert (used["energy_wh"] is None) == (used["energy_method"] == "none")
    video = server.client.get("/v1/videos").json()["data"][0]["id"]
    size = len(server.client.get(f"/v1/videos/{video}/content").content)
    server.context.meters.flush()
    lines = server.client.get("/metrics").text.splitlines()
    served = next(line for line in lines if line.startswith("hinode_usage_served_bytes_total"))
    assert float(served.split()[-1]) >= size
