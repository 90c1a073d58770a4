"""What goes wrong at one server sends the request to the next, and no key is ever told to anyone else."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from hinode import pipeline
from hinode.engines import saved_state
from hinode.engines.protocol import Progress, abandon
from hinode.engines.remote import client as remote_client
from hinode.engines.remote.faults import retry_after
from hinode.errors import BadInput, EngineError, ModelError
from hinode.request import SOURCE, Reference
from tests.engines.remote.fleet import REQUEST, Fleet, steps
from tests.engines.remote.stubs import KEY, Answer, Stub, mp4


def until_begun(fleet: Fleet, run: Any) -> Progress:
    """Step until some server works on it."""
    for progress in run:
        if progress.done:
            return progress
    raise AssertionError("it never began")


def elsewhere(fleet: Fleet, first: Stub, second: Stub) -> None:
    """Run to the end; the second server has to be the one that made it."""
    run = fleet.start()
    steps(run)
    assert len(second.made()) == 1
    assert run.clip().provenance.read_as.startswith("made by s2")


# Before a job is there


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"error": {"message": "full"}}),
        Answer(500, {"detail": "boom"}),
        Answer(503, {"detail": "loading"}, {"Retry-After": "30"}),
        Answer(401, {"error": {"message": "no"}}),
        Answer(404, {"detail": "Not Found"}),
        Answer(400, {"detail": "no such size"}),
        Answer(422, {"detail": [{"msg": "int_parsing"}]}),
        Answer(302, b"", {"Location": "http://127.0.0.1:9/v1/videos"}),
        Answer(200, b"<html>welcome</html>"),
        Answer(200, {"id": 17, "status": "queued"}),
        Answer(200, {"id": "video_1", "status": "sleeping"}),
        Answer(200, b"[" * 100_000),
        Answer(200, {"id": "video_1", "status": "queued"}, cut=10),
        Answer(200, b"x" * (2**20 + 1)),
    ],
    ids=lambda answer: f"{answer.status}-{str(answer.body)[:24]}",
)
def test_one_that_does_not_begin_is_passed_over(fleet: Fleet, answer: Answer) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.instead["create"].extend([answer] * 5)
    elsewhere(fleet, first, second)
    assert len(first.made()) == 1


def test_one_that_is_not_there_is_passed_over_quickly(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.close()
    elsewhere(fleet, first, second)


def test_one_that_is_silent_is_passed_over(fleet: Fleet) -> None:
    first, second = fleet.add("sglang", read_seconds=0.2), fleet.add("vllm-omni")
    first.instead["create"].append(Answer(hang=True))
    elsewhere(fleet, first, second)


def test_one_that_is_ill_is_not_given_a_job(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.instead["health"].append(Answer(503))
    elsewhere(fleet, first, second)
    assert first.made() == []


def test_one_without_its_key_is_passed_over(fleet: Fleet, caplog: Any) -> None:
    first, second = fleet.add("sglang", key_env="NOT_SET"), fleet.add("vllm-omni")
    elsewhere(fleet, first, second)
    assert first.asked == []
    assert "NOT_SET is not set" in caplog.text


def test_a_busy_one_is_asked_again_when_it_said(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.instead["create"].extend(
        [Answer(429, {}, {"Retry-After": "7"}), Answer(429, {}, {"Retry-After": "2"})]
    )
    began = fleet.clock.now
    run = fleet.start()
    until_begun(fleet, run)
    assert fleet.clock.now - began == pytest.approx(9.0, abs=0.3)
    assert len(stub.made()) == 3
    assert max(fleet.clock.pauses) <= 1.0  # an order to stop is heard meanwhile


def test_without_a_word_the_pauses_grow(fleet: Fleet) -> None:
    stub = fleet.add("sglang", most_failures=100)
    stub.instead["create"].extend([Answer(502, {})] * 5)
    began = fleet.clock.now
    until_begun(fleet, fleet.start())
    assert fleet.clock.now - began == pytest.approx(0.5 + 1 + 2 + 4 + 8, abs=0.5)


def test_patience_ends(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    fleet.entries.insert(0, "patience_seconds = 20")
    stub.instead["create"].extend([Answer(429, {"error": {"message": KEY}})] * 100)
    with pytest.raises(
        EngineError, match="no server took the request in time; the last one has too much to do"
    ):
        steps(fleet.start())


def test_what_everybody_refuses_is_the_persons_mistake(fleet: Fleet, caplog: Any) -> None:
    for dialect in ("sglang", "vllm-omni"):
        fleet.add(dialect).instead["create"].append(Answer(400, {"detail": "size in /srv/x.py not possible"}))
    with pytest.raises(BadInput, match="no server that makes wan accepts the request"):
        steps(fleet.start())
    assert "not possible" in caplog.text


def test_what_moderation_stops_is_taken_nowhere_else(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.instead["create"].append(Answer(400, {"error": {"code": "moderation_blocked", "message": "no"}}))
    with pytest.raises(BadInput) as caught:
        steps(fleet.start())
    assert caught.value.field == "prompt"
    assert second.asked == []


# While it is being made


def test_one_that_is_killed_midway_is_replaced(fleet: Fleet) -> None:
    first, second = fleet.add("hinode", lost_seconds=3), fleet.add("sglang")
    first.looks = [("in_progress", 50)]
    run = fleet.start()
    told = []
    for progress in run:
        told.append(progress.done)
        if progress.done > 40:
            first.close()
    clip = run.clip()
    assert clip.frames.shape == (8, 48, 64, 3)
    assert clip.provenance.read_as.startswith("made by s2")
    assert len(second.made()) == 1
    assert told[-1] == 8


def test_one_that_dies_while_it_keeps_the_line_open_is_replaced(fleet: Fleet) -> None:
    first, second = fleet.add("localai"), fleet.add("sglang")
    first.instead["create"].append(Answer(hang=True))
    run = fleet.start()
    for _ in run:
        if first.made() and not first.stopped.is_set():
            first.close()
    assert len(second.made()) == 1
    assert run.clip().seconds == 1


def test_a_new_job_may_take_a_moment_to_be_known(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.instead["look"].extend([Answer(404, {"error": {"message": "no such video"}})] * 3)
    run = fleet.start()
    steps(run)
    assert len(stub.made()) == 1


def test_a_short_silence_is_borne(fleet: Fleet) -> None:
    stub = fleet.add("sglang", lost_seconds=30)
    stub.instead["look"].extend([Answer(500, {}), Answer(502, b"bad gateway"), Answer(200, b"garbage")])
    run = fleet.start()
    steps(run)
    assert len(stub.made()) == 1


def test_a_long_silence_is_not(fleet: Fleet) -> None:
    first, second = fleet.add("sglang", lost_seconds=5), fleet.add("sglang")
    first.instead["look"].extend([Answer(500, {})] * 100)
    elsewhere(fleet, first, second)
    assert first.cancelled == ["video_1"]  # it may be back some time, and nobody would want its work


def test_one_that_never_ends_is_given_up(fleet: Fleet) -> None:
    first, second = fleet.add("hinode", whole_seconds=60), fleet.add("sglang")
    first.looks = [("in_progress", 50)]
    elsewhere(fleet, first, second)
    assert first.cancelled == ["video_1"]


def test_a_job_that_failed_is_not_asked_of_the_same_one_again(fleet: Fleet) -> None:
    first, second = fleet.add("vllm-omni"), fleet.add("sglang")
    first.looks = [("failed", 0)]
    elsewhere(fleet, first, second)
    assert len(first.made()) == 1


def test_moderation_of_what_was_drawn_is_final(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    first.looks, first.error = [("failed", 0)], {"code": "moderation_blocked", "message": "outputs"}
    with pytest.raises(BadInput):
        steps(fleet.start())
    assert second.asked == []


# When it comes back


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is no video"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "is no video"),
        ("wrong size", "is 256x48 where 64x48 was requested"),
        ("cut off", "cut off"),
        ("cut off in the middle", "cut off"),
        ("too short", "too few for its length"),
    ],
)
def test_what_comes_back_is_looked_at(fleet: Fleet, content: Any, said: str, caplog: Any) -> None:
    first, second = fleet.add("sglang"), fleet.add("sglang")
    whole = mp4(fleet.home / "a.mp4", (64, 48), 8, 8.0)
    made = {
        "wrong size": lambda: mp4(fleet.home / "b.mp4", (256, 48), 8, 8.0),
        "cut off": lambda: whole[:600],
        "cut off in the middle": lambda: whole[: -len(whole) // 4],
        "too short": lambda: mp4(fleet.home / "c.mp4", (64, 48), 3, 8.0),
    }
    first.content = made[content]() if isinstance(content, str) else content
    elsewhere(fleet, first, second)
    assert said in caplog.text


def test_a_download_that_breaks_off_is_tried_again(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.instead["content"].extend([Answer(200, b"0" * 5000, cut=100), Answer(503, {})])
    run = fleet.start()
    steps(run)
    assert len(stub.made()) == 1
    assert run.clip().seconds == 1


def test_a_file_that_is_too_large_is_not_taken(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = fleet.add("sglang"), fleet.add("stable-diffusion.cpp")
    monkeypatch.setattr(remote_client, "MAX_FILE_BYTES", 2**19)
    first.instead["content"].extend([Answer(200, b"0" * 2**20)] * 9)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.read_as.startswith("made by s2")


def test_a_size_rounded_to_what_a_model_needs_is_taken(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.size = (64, 64)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.native_size == (64, 64)


def test_what_is_longer_than_asked_for_is_cut(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.content = mp4(fleet.home / "long.mp4", (64, 48), 32, 8.0)
    fleet.model = "[model.wan]\nlengths = [4, 8]\nsizes = []\n"
    run = fleet.start()
    steps(run)
    assert stub.made()[0].fields["seconds"] == "4"
    assert len(run.clip().frames) == 8


def test_a_redirect_is_followed_without_the_key(fleet: Fleet) -> None:
    stub, store = fleet.add("openai"), fleet.add("openai", models={"other": "x"})
    store.size = (64, 48)
    stub.instead["content"].append(Answer(302, b"", {"Location": f"{store.url}/bucket/a.mp4?signed=1"}))
    steps(fleet.start())
    (fetched,) = [one for one in store.asked if one.path.startswith("/bucket")]
    assert KEY not in str(fetched.headers)


def test_a_redirect_at_home_keeps_the_key(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.instead["content"].append(Answer(307, b"", {"Location": "/bucket/a.mp4"}))
    steps(fleet.start())
    (fetched,) = [one for one in stub.asked if one.path.startswith("/bucket")]
    assert fetched.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("place", ["file:///etc/passwd", "gopher://a/", "http://[", "", "/round"])
def test_a_redirect_to_nowhere_ends(fleet: Fleet, place: str) -> None:
    first, _ = fleet.add("openai"), fleet.add("sglang")
    first.instead["content"].extend([Answer(302, b"", {"Location": place or "//"})] * 20)
    first.instead["health"].extend([Answer(302, b"", {"Location": place})] * 20)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.read_as.startswith("made by s2")


# Giving up


def test_giving_up_before_anything_began_is_nothing(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    run = fleet.start()
    next(iter(run))
    abandon(run)
    assert stub.asked == []


def test_giving_up_while_it_is_being_asked_for(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    run = fleet.start()
    iterator = iter(run)
    slow = stub.respond

    def respond(to: Any, asked: Any) -> None:
        if stub.kind(asked) == "create":
            stub.stopped.wait(0.6)
        slow(to, asked)

    stub.respond = respond  # type: ignore[method-assign]
    while not stub.made():
        assert next(iterator).done == 0
    iterator.close()  # type: ignore[attr-defined]
    run.abandon()
    assert stub.cancelled == ["video_1"]


def test_giving_up_with_a_dead_server_is_no_error(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.looks = [("in_progress", 5)]
    run = fleet.start()
    until_begun(fleet, run)
    stub.close()
    run.abandon()


def test_what_breaks_off_on_the_road_gives_up(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.looks = [("in_progress", 5)]

    def watch(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.draw(fleet.start(), watch)
    assert stub.cancelled == ["video_1"]


def test_another_loop_goes_on(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    run = fleet.start()
    until_begun(fleet, run)
    steps(run)
    assert len(stub.made()) == 1
    assert run.clip().seconds == 1
    assert steps(run)[-1].stage == "decode"


# Keys


def test_keys_are_never_told(fleet: Fleet, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = fleet.add("sglang"), fleet.add("openai")
    said = {"error": {"message": f"wrong key {KEY}\nin Bearer {KEY}", "code": KEY}}
    first.instead["create"].append(Answer(401, said))
    first.instead["health"].append(Answer(200, said))
    second.instead["look"].append(Answer(500, said))
    second.looks = [("in_progress", 30)]
    second.error = {"code": KEY, "message": f"bad {KEY}"}
    engine = fleet.engine()
    run = engine.start(REQUEST)
    states = []
    for progress in run:
        states.append(run.state())
        if progress.done > 20:
            second.looks = [("failed", 30)]
            break
    with pytest.raises(EngineError) as caught:
        steps(run)
    told = caplog.text + str(caught.value) + repr(caught.value) + repr(engine) + repr(vars(engine))
    told += "".join(str(state.body) for state in states)
    told += "".join(str(vars(record)) for record in caplog.records)
    assert "wrong key" in caplog.text
    assert KEY not in told
    assert saved_state.load(states[-1].body)["values"]["job"] == "video_1"


@pytest.mark.parametrize("key", ["sk\nX-Evil: 1", "sk-ä", " sk"])
def test_a_key_that_cannot_be_sent_is_not_shown(fleet: Fleet, key: str, caplog: Any) -> None:
    stub = fleet.add("sglang")
    fleet.environment["STUB_KEY"] = key
    with pytest.raises(EngineError) as caught:
        steps(fleet.start())
    assert "STUB_KEY that cannot be sent" in caplog.text
    assert repr(key)[1:-1] not in caplog.text + str(caught.value)
    assert stub.asked == []


# Edges


def test_retry_after_in_every_form() -> None:
    def read(**headers: str) -> float | None:
        return retry_after(
            httpx.Headers({name.replace("_", "-"): text for name, text in headers.items()}), 1e9
        )

    assert read(retry_after="7") == 7
    assert read(retry_after_ms="1500", retry_after="7") == 1.5
    assert read(retry_after=formatdate(1e9 + 60, usegmt=True)) == 60
    assert read(retry_after=formatdate(1e9 - 60, usegmt=True)) == 0
    assert [read(retry_after=text) for text in ("", "soon", "nan", "inf", "Mon, 99 Foo")] == [None] * 5
    assert read(retry_after="-5") == 0


def test_a_clip_that_no_memory_holds_is_refused(fleet: Fleet) -> None:
    fleet.add("sglang")
    fleet.model = fleet.model.replace("20", "60")
    with pytest.raises(BadInput, match="do not fit into memory"):
        fleet.start(width=4096, height=2160, seconds=40.0)


def test_a_state_of_another_request_is_refused(fleet: Fleet) -> None:
    fleet.add("sglang")
    state = fleet.start().state()
    with pytest.raises(EngineError, match="belongs to another request"):
        fleet.start(state, seed=6)
    with pytest.raises(EngineError, match="damaged"):
        fleet.start(type(state)("remote", 0, b"{"))


def test_a_state_whose_server_was_removed_begins_again(fleet: Fleet) -> None:
    first = fleet.add("sglang")
    first.looks = [("in_progress", 40)]
    run = fleet.start()
    until_begun(fleet, run)
    state = run.state()
    fleet.entries.clear()
    second = fleet.add("sglang", name="s2")
    again = fleet.start(state)
    steps(again)
    assert len(second.made()) == 1


def test_without_a_file_there_are_no_models(fleet: Fleet) -> None:
    engine = fleet.engine()
    (fleet.home / "upstreams.toml").unlink()
    with pytest.raises(ModelError, match="no other server is configured"):
        engine.capabilities()


def test_what_a_dialect_cannot_say_goes_to_one_that_can(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    fleet.model = fleet.model + "negative_prompt = true\n"
    steps(fleet.start(negative_prompt="rain"))
    assert first.asked == []
    assert len(second.made()) == 1
    fleet.entries.pop()
    with pytest.raises(BadInput, match="no server that makes wan takes a negative prompt"):
        fleet.start(negative_prompt="rain")


def test_a_source_is_sent_along(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    fleet.model += 'operations = ["generate", "edit", "extend"]\n'
    path = fleet.home / "source.mp4"
    content = mp4(path, (64, 48), 8, 8.0)
    reference = Reference(SOURCE, "0" * 64, "video/mp4", path=str(path))
    stub.content = mp4(fleet.home / "whole.mp4", (64, 48), 24, 8.0)
    run = fleet.start(operation="extend", seconds=3.0, references=(reference,))
    steps(run)
    (made,) = stub.made()
    assert made.path == "/v1/videos/extensions"
    assert made.fields["video"] == content
    assert made.fields["seconds"] == "2"
    assert "size" not in made.fields
    assert run.clip().seconds == 3
    path.unlink()
    with pytest.raises(BadInput, match="not there any more"):
        steps(fleet.start(operation="edit", references=(reference,)))
