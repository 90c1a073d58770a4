"""A failure of one server sends the request to the next, and no key reaches anybody else."""

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
from hinode.engines.remote.errors import retry_after
from hinode.errors import BadInput, EngineError, ModelError
from hinode.request import SOURCE, Reference
from tests.engines.remote.fleet import REQUEST, Fleet, steps
from tests.engines.remote.stubs import KEY, Answer, Stub, mp4


def run_to_creation(fleet: Fleet, run: Any) -> Progress:
    """Step until a server has the job."""
    for progress in run:
        if progress.done:
            return progress
    raise AssertionError("no server has the job")


def assert_second_makes_it(fleet: Fleet, first: Stub, second: Stub) -> None:
    """Run to the end; the clip has to come from the second server."""
    run = fleet.start()
    steps(run)
    assert len(second.creations()) == 1
    assert run.clip().provenance.read_as.startswith("made by s2")


# Before there is a job


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
        Answer(200, {"id": None, "status": "queued"}),
        Answer(200, {"id": "video_1", "status": 5}),
        Answer(200, b"[" * 100_000),
        Answer(200, {"id": "video_1", "status": "queued"}, cut=10),
        Answer(200, b"x" * (2**20 + 1)),
    ],
    ids=lambda answer: f"{answer.status}-{str(answer.body)[:24]}",
)
def test_a_server_that_creates_no_job_is_skipped(fleet: Fleet, answer: Answer) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.overrides["create"].extend([answer] * 5)
    assert_second_makes_it(fleet, first, second)
    assert len(first.creations()) == 1


@pytest.mark.parametrize(
    ("answer", "creations", "message"),
    [
        (Answer(200, {"id": True, "status": "queued"}), 1, "none of the servers"),
        (Answer(201, {"id": "video_1"}), 1, "none of the servers"),
        (Answer(200, {"id": "video_1", "status": "queued"}, cut=10), 1, "none of the servers"),
        (Answer(504, {}), 2, "none of the servers"),
        (Answer(520, {}), 2, "none of the servers"),
        (Answer(hang=True), 2, "none of the servers"),
        (Answer(502, {}), 6, "in time"),
    ],
    ids=lambda value: f"{value.status}-{value.body}" if isinstance(value, Answer) else str(value),
)
def test_a_job_that_may_have_begun_is_not_begun_again_and_again(
    fleet: Fleet, answer: Answer, creations: int, message: str
) -> None:
    stub = fleet.add("openai", read_seconds=0.2, most_failures=100)
    fleet.entries.insert(0, f"patience_seconds = {15 if answer.status == 502 else 90}")
    stub.overrides["create"].extend([answer] * 20)
    with pytest.raises(EngineError, match=message) as caught:
        steps(fleet.start())
    assert len(stub.creations()) == creations
    assert caught.value.final == (answer.status < 300 and not answer.hang)


def test_a_hinode_is_asked_again_for_it_makes_one_job_of_one_key(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.overrides["create"].append(Answer(200, {"id": "video_1", "status": "queued"}, cut=10))
    steps(fleet.start())
    assert len({creation.headers["idempotency-key"] for creation in stub.creations()}) == 1
    assert len(stub.creations()) == 2


def test_an_absent_server_is_skipped(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.close()
    assert_second_makes_it(fleet, first, second)


def test_a_silent_server_is_skipped(fleet: Fleet) -> None:
    first, second = fleet.add("sglang", read_seconds=0.2), fleet.add("vllm-omni")
    first.overrides["create"].append(Answer(hang=True))
    assert_second_makes_it(fleet, first, second)


def test_an_unhealthy_server_gets_no_job(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("vllm-omni")
    first.overrides["health"].append(Answer(503))
    assert_second_makes_it(fleet, first, second)
    assert first.creations() == []


def test_a_server_without_its_key_is_skipped(fleet: Fleet, caplog: Any) -> None:
    first, second = fleet.add("sglang", key_env="NOT_SET"), fleet.add("vllm-omni")
    assert_second_makes_it(fleet, first, second)
    assert first.received == []
    assert "NOT_SET is not set" in caplog.text


def test_a_busy_server_is_tried_again_when_it_proposed(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.overrides["create"].extend(
        [Answer(429, {}, {"Retry-After": "7"}), Answer(429, {}, {"Retry-After": "2"})]
    )
    began = fleet.clock.now
    run = fleet.start()
    run_to_creation(fleet, run)
    assert fleet.clock.now - began == pytest.approx(9.0, abs=0.3)
    assert len(stub.creations()) == 3
    assert max(fleet.clock.pauses) <= 1.0  # the run can be stopped meanwhile


def test_without_a_proposal_the_pauses_grow(fleet: Fleet) -> None:
    stub = fleet.add("sglang", most_failures=100)
    stub.overrides["create"].extend([Answer(502, {})] * 5)
    began = fleet.clock.now
    run_to_creation(fleet, fleet.start())
    assert fleet.clock.now - began == pytest.approx(0.5 + 1 + 2 + 4 + 8, abs=0.5)


def test_patience_ends(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    fleet.entries.insert(0, "patience_seconds = 20")
    stub.overrides["create"].extend([Answer(429, {"error": {"message": KEY}})] * 100)
    with pytest.raises(
        EngineError, match="no server took the request in time; the last one has too much to do"
    ):
        steps(fleet.start())


def test_a_request_that_all_servers_refuse_is_bad_input(fleet: Fleet, caplog: Any) -> None:
    for dialect in ("sglang", "vllm-omni"):
        fleet.add(dialect).overrides["create"].append(
            Answer(400, {"detail": "size in /srv/x.py not possible"})
        )
    with pytest.raises(BadInput, match="no server that makes wan accepts the request"):
        steps(fleet.start())
    assert "not possible" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        {"code": "moderation_blocked", "message": "no"},
        {
            "code": "400",
            "message": 'litellm.BadRequestError: {"error": {"code": "content_policy_violation"}}',
        },
        {"code": "contentFilter", "message": "Azure"},
    ],
    ids=["its own", "behind a proxy", "another word"],
)
def test_a_refusal_of_moderation_is_final(fleet: Fleet, error: dict[str, str]) -> None:
    first, second = fleet.add("openai"), fleet.add("openai")
    first.overrides["create"].append(Answer(400, {"error": error}))
    with pytest.raises(BadInput) as caught:
        steps(fleet.start())
    assert caught.value.field == "prompt"
    assert second.received == []


# During the job


def test_a_new_job_is_saved_before_anything_else(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    run = fleet.start()
    first = next(progress for progress in run if progress.done)
    assert first.save
    resumed = fleet.start(run.state())
    steps(resumed)
    assert len(stub.creations()) == 1


def test_a_server_killed_midway_is_replaced(fleet: Fleet) -> None:
    first, second = fleet.add("hinode", lost_seconds=3), fleet.add("sglang")
    first.statuses = [("in_progress", 50)]
    run = fleet.start()
    done = []
    for progress in run:
        done.append(progress.done)
        if progress.done > 40:
            first.close()
    clip = run.clip()
    assert clip.frames.shape == (8, 48, 64, 3)
    assert clip.provenance.read_as.startswith("made by s2")
    assert len(second.creations()) == 1
    assert done[-1] == 8


def test_a_blocking_server_killed_midway_is_replaced(fleet: Fleet) -> None:
    first, second = fleet.add("localai"), fleet.add("sglang")
    first.overrides["create"].append(Answer(hang=True))
    run = fleet.start()
    for _ in run:
        if first.creations() and not first.stopped.is_set():
            first.close()
    assert len(second.creations()) == 1
    assert run.clip().seconds == 1


def test_a_new_job_may_be_unknown_for_a_moment(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.overrides["status"].extend([Answer(404, {"error": {"message": "no such video"}})] * 3)
    run = fleet.start()
    steps(run)
    assert len(stub.creations()) == 1


def test_a_short_silence_is_tolerated(fleet: Fleet) -> None:
    stub = fleet.add("sglang", lost_seconds=30)
    stub.overrides["status"].extend([Answer(500, {}), Answer(502, b"bad gateway"), Answer(200, b"garbage")])
    run = fleet.start()
    steps(run)
    assert len(stub.creations()) == 1


def test_a_long_silence_is_not(fleet: Fleet) -> None:
    first, second = fleet.add("sglang", lost_seconds=5), fleet.add("sglang")
    first.overrides["status"].extend([Answer(500, {})] * 100)
    assert_second_makes_it(fleet, first, second)
    assert first.cancelled == ["video_1"]  # it may come back, and its work is not needed


def test_a_job_that_never_ends_is_cancelled(fleet: Fleet) -> None:
    first, second = fleet.add("hinode", whole_seconds=60), fleet.add("sglang")
    first.statuses = [("in_progress", 50)]
    assert_second_makes_it(fleet, first, second)
    assert first.cancelled == ["video_1"]


def test_a_failed_job_is_not_created_on_the_same_server_again(fleet: Fleet) -> None:
    first, second = fleet.add("vllm-omni"), fleet.add("sglang")
    first.statuses = [("failed", 0)]
    assert_second_makes_it(fleet, first, second)
    assert len(first.creations()) == 1


def test_a_job_that_finds_the_request_wrong_tells_the_person_so(fleet: Fleet) -> None:
    stub = fleet.add("vllm-omni")
    stub.statuses, stub.error = [("failed", 0)], {"code": 400, "message": "size"}
    with pytest.raises(BadInput, match="no server that makes wan accepts the request"):
        steps(fleet.start())


def test_a_model_that_the_server_lacks_is_no_fault_of_the_prompt(fleet: Fleet) -> None:
    stub = fleet.add("vllm-omni")
    stub.overrides["create"].append(Answer(400, {"detail": "Model mismatch: expected 'a', got 'b'"}))
    with pytest.raises(EngineError, match="the operator finds the reasons"):
        steps(fleet.start())


def test_a_finished_video_that_is_not_handed_over_is_not_made_there_again(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("sglang")
    first.overrides["content"].extend([Answer(404, {"detail": "no file"})] * 9)
    assert_second_makes_it(fleet, first, second)
    assert len(first.creations()) == 1


def test_a_long_id_and_a_word_for_stopping_are_understood(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    name = "video_" + "bGl0ZWxsbTpjdXN0b21f" * 20
    stub.jobs[name] = {"polls": 0}
    stub.overrides["create"].append(Answer(200, {"id": name, "status": "submitted"}))
    stub.statuses = [("cancelling", 0), ("completed", 100)]
    stub.count, stub.size = 8, (64, 48)
    steps(fleet.start())
    assert len(stub.creations()) == 1


def test_a_refusal_of_moderation_after_drawing_is_final(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    first.statuses, first.error = [("failed", 0)], {"code": "moderation_blocked", "message": "outputs"}
    with pytest.raises(BadInput):
        steps(fleet.start())
    assert second.received == []


# The file


@pytest.mark.parametrize(
    ("content", "message"),
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
def test_the_file_is_checked(fleet: Fleet, content: Any, message: str, caplog: Any) -> None:
    first, second = fleet.add("sglang"), fleet.add("sglang")
    whole = mp4(fleet.home / "a.mp4", (64, 48), 8, 8.0)
    contents = {
        "wrong size": lambda: mp4(fleet.home / "b.mp4", (256, 48), 8, 8.0),
        "cut off": lambda: whole[:600],
        "cut off in the middle": lambda: whole[: -len(whole) // 4],
        "too short": lambda: mp4(fleet.home / "c.mp4", (64, 48), 3, 8.0),
    }
    first.content = contents[content]() if isinstance(content, str) else content
    assert_second_makes_it(fleet, first, second)
    assert message in caplog.text


def test_a_download_that_breaks_off_is_tried_again(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.overrides["content"].extend([Answer(200, b"0" * 5000, cut=100), Answer(503, {})])
    run = fleet.start()
    steps(run)
    assert len(stub.creations()) == 1
    assert run.clip().seconds == 1


def test_a_file_that_is_too_large_is_refused(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = fleet.add("sglang"), fleet.add("stable-diffusion.cpp")
    monkeypatch.setattr(remote_client, "MAX_FILE_BYTES", 2**19)
    first.overrides["content"].extend([Answer(200, b"0" * 2**20)] * 9)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.read_as.startswith("made by s2")


def test_a_size_rounded_by_the_server_is_accepted(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.size = (64, 64)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.native_size == (64, 64)


def test_a_longer_clip_is_cut(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.content = mp4(fleet.home / "long.mp4", (64, 48), 32, 8.0)
    fleet.model = "[model.wan]\nlengths = [4, 8]\nsizes = []\n"
    run = fleet.start()
    steps(run)
    assert stub.creations()[0].fields["seconds"] == "4"
    assert len(run.clip().frames) == 8


def test_a_redirect_is_followed_without_the_key(fleet: Fleet) -> None:
    stub, store = fleet.add("openai"), fleet.add("openai", models={"other": "x"})
    store.size = (64, 48)
    stub.overrides["content"].append(Answer(302, b"", {"Location": f"{store.url}/bucket/a.mp4?signed=1"}))
    steps(fleet.start())
    (fetched,) = [request for request in store.received if request.path.startswith("/bucket")]
    assert KEY not in str(fetched.headers)


def test_a_redirect_to_the_same_server_keeps_the_key(fleet: Fleet) -> None:
    stub = fleet.add("openai")
    stub.overrides["content"].append(Answer(307, b"", {"Location": "/bucket/a.mp4"}))
    steps(fleet.start())
    (fetched,) = [request for request in stub.received if request.path.startswith("/bucket")]
    assert fetched.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("place", ["file:///etc/passwd", "gopher://a/", "http://[", "", "/round"])
def test_a_redirect_to_nowhere_ends(fleet: Fleet, place: str) -> None:
    first, _ = fleet.add("openai"), fleet.add("sglang")
    first.overrides["content"].extend([Answer(302, b"", {"Location": place or "//"})] * 20)
    first.overrides["health"].extend([Answer(302, b"", {"Location": place})] * 20)
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.read_as.startswith("made by s2")


# Abandoning


def test_a_run_without_a_job_has_nothing_to_cancel(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    run = fleet.start()
    next(iter(run))
    abandon(run)
    assert stub.received == []


def test_a_job_that_is_just_being_created_is_cancelled(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    run = fleet.start()
    iterator = iter(run)
    slow = stub.respond

    def respond(handler: Any, request: Any) -> None:
        if stub.kind(request) == "create":
            stub.stopped.wait(0.6)
        slow(handler, request)

    stub.respond = respond  # type: ignore[method-assign]
    while not stub.creations():
        assert next(iterator).done == 0
    iterator.close()  # type: ignore[attr-defined]
    run.abandon()
    assert stub.cancelled == ["video_1"]


def test_abandoning_with_a_dead_server_is_no_error(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.statuses = [("in_progress", 5)]
    run = fleet.start()
    run_to_creation(fleet, run)
    stub.close()
    run.abandon()


def test_an_interrupted_command_cancels_the_job(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    stub.statuses = [("in_progress", 5)]

    def watch(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.draw(fleet.start(), watch)
    assert stub.cancelled == ["video_1"]


def test_another_loop_continues(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    run = fleet.start()
    run_to_creation(fleet, run)
    steps(run)
    assert len(stub.creations()) == 1
    assert run.clip().seconds == 1
    assert steps(run)[-1].stage == "decode"


# Keys


def test_keys_are_never_shown(fleet: Fleet, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = fleet.add("sglang"), fleet.add("openai")
    error = {"error": {"message": f"wrong key {KEY}\nin Bearer {KEY}", "code": KEY}}
    first.overrides["create"].append(Answer(401, error))
    first.overrides["health"].append(Answer(200, error))
    second.overrides["status"].append(Answer(500, error))
    second.statuses = [("in_progress", 30)]
    second.error = {"code": KEY, "message": f"bad {KEY}"}
    engine = fleet.engine()
    run = engine.start(REQUEST)
    states = []
    for progress in run:
        states.append(run.state())
        if progress.done > 20:
            second.statuses = [("failed", 30)]
            break
    with pytest.raises(EngineError) as caught:
        steps(run)
    text = caplog.text + str(caught.value) + repr(caught.value) + repr(engine) + repr(vars(engine))
    text += "".join(str(state.body) for state in states)
    text += "".join(str(vars(record)) for record in caplog.records)
    assert "wrong key" in caplog.text
    assert KEY not in text
    assert saved_state.load(states[-1].body)["values"]["job"] == "video_1"


@pytest.mark.parametrize("key", ["sk\nX-Evil: 1", "sk-ä", " sk"])
def test_a_key_that_cannot_be_sent_is_not_shown(fleet: Fleet, key: str, caplog: Any) -> None:
    stub = fleet.add("sglang")
    fleet.variables["STUB_KEY"] = key
    with pytest.raises(EngineError) as caught:
        steps(fleet.start())
    assert "STUB_KEY that cannot be sent" in caplog.text
    assert repr(key)[1:-1] not in caplog.text + str(caught.value)
    assert stub.received == []


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


def test_a_clip_that_is_too_large_for_memory_is_refused(fleet: Fleet) -> None:
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


def test_a_state_of_a_removed_server_starts_again(fleet: Fleet) -> None:
    first = fleet.add("sglang")
    first.statuses = [("in_progress", 40)]
    run = fleet.start()
    run_to_creation(fleet, run)
    state = run.state()
    fleet.entries.clear()
    second = fleet.add("sglang", name="s2")
    resumed = fleet.start(state)
    steps(resumed)
    assert len(second.creations()) == 1


def test_without_a_file_there_are_no_models(fleet: Fleet) -> None:
    engine = fleet.engine()
    (fleet.home / "upstreams.toml").unlink()
    with pytest.raises(ModelError, match="no other server is configured"):
        engine.capabilities()


def test_a_request_goes_to_a_dialect_that_has_its_fields(fleet: Fleet) -> None:
    first, second = fleet.add("openai"), fleet.add("sglang")
    fleet.model = fleet.model + "negative_prompt = true\n"
    steps(fleet.start(negative_prompt="rain"))
    assert first.received == []
    assert len(second.creations()) == 1
    fleet.entries.pop()
    with pytest.raises(BadInput, match="no server that makes wan takes a negative prompt"):
        fleet.start(negative_prompt="rain")


def test_the_source_video_is_sent(fleet: Fleet) -> None:
    stub = fleet.add("hinode")
    fleet.model += 'operations = ["generate", "edit", "extend"]\n'
    path = fleet.home / "source.mp4"
    content = mp4(path, (64, 48), 8, 8.0)
    reference = Reference(SOURCE, "0" * 64, "video/mp4", path=str(path))
    stub.content = mp4(fleet.home / "whole.mp4", (64, 48), 24, 8.0)
    run = fleet.start(operation="extend", seconds=3.0, references=(reference,))
    steps(run)
    (creation,) = stub.creations()
    assert creation.path == "/v1/videos/extensions"
    assert creation.fields["video"] == content
    assert creation.fields["seconds"] == "2"
    assert "size" not in creation.fields
    assert run.clip().seconds == 3
    path.unlink()
    with pytest.raises(BadInput, match="file of the source video is gone"):
        steps(fleet.start(operation="edit", references=(reference,)))
