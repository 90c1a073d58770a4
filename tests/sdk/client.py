"""What programs do with the official `openai` package for Python, unmodified, and what must come of it.

This file runs in a process of its own, `python client.py CONFIG`, and uses nothing of Hinode. CONFIG is a
JSON file with the server's address, keys and files to send. The process prints one JSON line for every
scenario: its name, and its error or its outputs for the test to check.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import types
from pathlib import Path
from typing import Any

import openai
from harness import (
    CONFIG,
    IMAGE,
    MOVIE,
    PROMPT,
    SIZE,
    VIDEO_FIELDS,
    Receiver,
    checked,
    client,
    create,
    finished,
    post,
    raises,
    run,
    save,
    scenario,
    upload,
    without_retries,
)
from openai import AsyncOpenAI


@scenario
def create_and_retrieve() -> None:
    raw = client.videos.with_raw_response.create(prompt=PROMPT, model="sora-2", seconds="4", size=SIZE)
    body = json.loads(raw.http_response.content)
    assert set(body) >= VIDEO_FIELDS, VIDEO_FIELDS - set(body)
    assert raw.headers["x-request-id"]
    video = raw.parse()
    assert isinstance(video, openai.types.Video)
    assert video.id.startswith("video_")
    assert (video.object, video.model, video.seconds, video.size) == ("video", "sora-2", "4", SIZE)
    assert video.status in ("queued", "in_progress")
    assert video.progress == body["progress"]
    assert body["prompt"] == PROMPT
    assert abs(video.created_at - time.time()) < 60
    for name in ("completed_at", "expires_at", "error", "remixed_from_video_id"):
        assert getattr(video, name) is None, name
    again = client.videos.retrieve(video.id)
    assert (again.id, again.created_at) == (video.id, video.created_at)


@scenario
def defaults() -> None:
    video = client.videos.create(prompt=PROMPT)  # nothing but a prompt, as in the first example of the guide
    assert (video.model, video.seconds, video.size) == ("sora-2", "4", "720x1280")


@scenario
def poll_and_download() -> dict[str, Any]:
    video = client.videos.create_and_poll(
        prompt=PROMPT, model="sora-2", seconds="4", size=SIZE, poll_interval_ms=200
    )
    video = finished(video)
    files = {
        "video": save(video, "video.mp4"),
        "thumbnail": save(video, "thumbnail.webp", variant="thumbnail"),
        "spritesheet": save(video, "spritesheet.jpg", variant="spritesheet"),
    }
    whole = Path(files["video"]).read_bytes()
    assert client.videos.download_content(video.id, variant="video").read() == whole
    with client.videos.with_streaming_response.download_content(video.id) as stream:
        assert stream.headers["content-type"] == "video/mp4"
        assert b"".join(stream.iter_bytes()) == whole
    part = client.videos.with_raw_response.download_content(video.id, extra_headers={"Range": "bytes=4-11"})
    assert part.http_response.status_code == 206
    assert part.http_response.content == whole[4:12]
    return {"files": files, "seconds": 4, "size": SIZE}


@scenario
def poll_header() -> None:
    video = create(extra_body={"steps": 40})
    answer = client.videos.with_raw_response.retrieve(video.id)
    assert 0 < int(answer.headers["openai-poll-after-ms"]) <= 60_000
    assert client.videos.poll(video.id).status == "completed"  # at the pace that the server names


@scenario
def waits_and_progress() -> None:
    video = create(extra_body={"steps": 40})
    states = []
    while True:
        now = client.videos.retrieve(video.id)
        states.append((("queued", "in_progress", "completed").index(now.status), now.progress))
        if now.status == "completed":
            break
        time.sleep(0.05)
    assert states == sorted(states), states  # neither status nor progress ever goes back
    assert states[-1] == (2, 100)


@scenario
def create_with_image() -> dict[str, Any]:
    video = finished(create(input_reference=IMAGE))
    error = raises(
        openai.BadRequestError,
        lambda: without_retries.videos.create(prompt=PROMPT, size="720x1280", input_reference=IMAGE),
    )
    checked(error, 400)
    assert "width and height" in str(error), error
    return {"first_frame": save(video, "from-image.mp4")}


@scenario
def create_with_image_url() -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(IMAGE[1]).decode()
    video = finished(create(extra_body={"input_reference": {"image_url": url}}))
    return {"first_frame": save(video, "from-url.mp4")}


@scenario
def create_with_file_id() -> dict[str, Any]:
    file = client.files.create(file=IMAGE, purpose="vision")
    assert file.id.startswith("file-")
    video = finished(create(extra_body={"input_reference": {"file_id": file.id}}))
    return {"first_frame": save(video, "from-file.mp4")}


@scenario
def listing() -> None:
    ids = [create().id for _ in range(7)]
    newest = [video.id for video in client.videos.list(limit=3)]  # the package asks for page after page
    assert newest[:7] == ids[::-1], (newest, ids)
    assert len(newest) == len(set(newest))
    oldest = [video.id for video in client.videos.list(limit=4, order="asc")]
    assert oldest[-7:] == ids
    page = client.videos.list(limit=3, order="desc")
    assert [video.id for video in page.data] == ids[:3:-1]
    assert page.has_more is True
    assert page.last_id == ids[4]
    body = json.loads(client.videos.with_raw_response.list(limit=2).http_response.content)
    assert (body["object"], body["first_id"], body["last_id"]) == ("list", ids[6], ids[5])
    after = client.videos.list(after=ids[1], limit=100)
    assert next(iter(after.data)).id == ids[0]
    checked(raises(openai.BadRequestError, lambda: without_retries.videos.list(after="video_none")), 400)


@scenario
def delete() -> None:
    video = finished(create())
    deletion = client.videos.delete(video.id)
    assert (deletion.id, deletion.object, deletion.deleted) == (video.id, "video.deleted", True)
    checked(raises(openai.NotFoundError, lambda: without_retries.videos.retrieve(video.id)), 404)
    checked(raises(openai.NotFoundError, lambda: without_retries.videos.download_content(video.id)), 404)
    checked(raises(openai.NotFoundError, lambda: without_retries.videos.delete(video.id)), 404)
    assert video.id not in [other.id for other in client.videos.list()]


@scenario
def delete_unfinished() -> None:
    video = create(extra_body={"steps": 200})
    refused = checked(raises(openai.ConflictError, lambda: without_retries.videos.delete(video.id)), 409)
    assert refused.response.headers["x-should-retry"] == "false"  # else the package would try again by itself
    early = raises(openai.APIStatusError, lambda: without_retries.videos.download_content(video.id))
    assert checked(early, early.status_code).response.headers["x-should-retry"] == "false"
    client.post(f"/videos/{video.id}/cancel", cast_to=openai.types.Video)
    cancelled = client.videos.poll(video.id, poll_interval_ms=50)
    assert cancelled.status == "failed", cancelled
    assert cancelled.error is not None
    assert cancelled.error.code == "cancelled", cancelled.error
    assert client.videos.delete(video.id).deleted is True


@scenario
def remix() -> dict[str, Any]:
    source = finished(create())
    video = client.videos.remix(source.id, prompt="the same in blue")
    assert video.remixed_from_video_id == source.id
    assert (video.size, video.seconds, video.model) == (source.size, source.seconds, source.model)
    finished(video)
    missing = raises(openai.NotFoundError, lambda: without_retries.videos.remix("video_none", prompt="x"))
    checked(missing, 404)
    return {"files": {"video": save(video, "remix.mp4")}, "seconds": 4, "size": SIZE}


@scenario
def edit_by_id() -> dict[str, Any]:
    source = finished(create())
    video = finished(post("/videos/edits", {"prompt": "in blue", "video": {"id": source.id}}))
    assert (video.size, video.seconds, video.model) == (source.size, source.seconds, source.model)
    return {"files": {"video": save(video, "edit.mp4")}, "seconds": 4, "size": SIZE}


@scenario
def edit_upload() -> dict[str, Any]:
    if hasattr(client.videos, "edit"):
        video = client.videos.edit(prompt="in blue", video=MOVIE, extra_body={"model": "sora-2"})
    else:
        body = {"prompt": "in blue", "model": "sora-2"}
        video = client.videos.retrieve(upload("/videos/edits", body, "video")["id"])
    finished(video)
    return {
        "files": {"video": save(video, "edit-upload.mp4")},
        "seconds": CONFIG["movie_seconds"],
        "size": SIZE,
    }


@scenario
def extend_by_id() -> dict[str, Any]:
    source = finished(create())
    body = {"prompt": "it lands", "seconds": "4", "video": {"id": source.id}}
    video = finished(post("/videos/extensions", body))
    assert video.seconds == "8", video.seconds  # of the whole
    return {"files": {"video": save(video, "extend.mp4")}, "seconds": 8, "size": SIZE}


@scenario
def extend_upload() -> dict[str, Any]:
    body = {"prompt": "it lands", "seconds": "4", "model": "sora-2"}
    if hasattr(client.videos, "extend"):
        video = client.videos.extend(
            prompt="it lands", seconds="4", video=MOVIE, extra_body={"model": "sora-2"}
        )
    else:
        video = client.videos.retrieve(upload("/videos/extensions", body, "video")["id"])
    finished(video)
    seconds = CONFIG["movie_seconds"] + 4
    return {"files": {"video": save(video, "extend-upload.mp4")}, "seconds": seconds, "size": SIZE}


@scenario
def characters() -> dict[str, Any]:
    if hasattr(client.videos, "create_character"):
        character = client.videos.create_character(name="Momo", video=MOVIE)
        retrieved = client.videos.get_character(character.id)
    else:
        raw = upload("/videos/characters", {"name": "Momo"}, "video")
        character = types.SimpleNamespace(**raw)
        retrieved = types.SimpleNamespace(**client.get(f"/videos/characters/{character.id}", cast_to=object))
    assert character.id.startswith("char_")
    assert (retrieved.id, retrieved.name, retrieved.created_at) == (
        character.id,
        "Momo",
        character.created_at,
    )
    video = client.videos.create(
        prompt="Momo walks by the sea", size=SIZE, extra_body={"characters": [{"id": character.id}]}
    )
    finished(video)
    unnamed = raises(
        openai.BadRequestError,
        lambda: without_retries.videos.create(
            prompt="a walk", extra_body={"characters": [{"id": character.id}]}
        ),
    )
    checked(unnamed, 400)
    missing = raises(
        openai.NotFoundError, lambda: without_retries.get("/videos/characters/char_none", cast_to=object)
    )
    checked(missing, 404)
    return {"files": {"video": save(video, "character.mp4")}, "seconds": 4, "size": SIZE}


def pictures(video: bytes) -> bytes:
    """What an MP4 shows, without its metadata and its signature, which is another one each time."""
    start = 0
    while start < len(video):
        size, kind = int.from_bytes(video[start : start + 4], "big"), video[start + 4 : start + 8]
        if kind == b"mdat":
            return video[start : start + size]
        start += size
    raise AssertionError("the video has no pictures")


@scenario
def seed_and_more() -> None:
    more = {"seed": 7, "negative_prompt": "rain", "fps": 4}
    first, second = (finished(create(extra_body=more)) for _ in range(2))
    assert first.seed == 7  # additions of ours come with the video
    same, again = (client.videos.download_content(video.id).read() for video in (first, second))
    assert pictures(same) == pictures(again), "the same request with the same seed gave other pictures"
    other = finished(create(extra_body={**more, "seed": 8}))
    assert pictures(client.videos.download_content(other.id).read()) != pictures(same)
    before = {video.id for video in client.videos.list()}
    create(extra_body={"n": 3})
    assert len({video.id for video in client.videos.list()} - before) == 3


@scenario
def idempotency() -> None:
    headers = {"Idempotency-Key": "one-and-the-same"}
    first, second = (create(extra_headers=headers).id for _ in range(2))
    assert first == second
    retried = create(extra_body={"seed": 99})
    again = create(extra_body={"seed": 99}, extra_headers={"x-stainless-retry-count": "1"})
    assert retried.id == again.id, "the package's own retry of a slow request made a second job"


@scenario
def errors() -> None:
    videos = without_retries.videos
    broken = ("x.png", b"no picture", "image/png")
    for call, param in (
        (lambda: videos.create(prompt=""), "prompt"),
        (lambda: videos.create(prompt=PROMPT, seconds="many"), "seconds"),
        (lambda: videos.create(prompt=PROMPT, size="enormous"), "size"),
        (lambda: videos.create(prompt=PROMPT, model="sora-99"), "model"),
        (lambda: videos.create(prompt=PROMPT, extra_body={"seed": "blue"}), "seed"),
        (lambda: videos.create(prompt=PROMPT, input_reference=broken), "input_reference"),
    ):  # fmt: skip
        error = checked(raises(openai.BadRequestError, call), 400)
        assert error.param == param, (error.param, param, error.body)
        assert error.type == "invalid_request_error"
    for key in ("hinode-wrong", "sk-proj-0123456789"):
        other = without_retries.with_options(api_key=key)
        refused = checked(raises(openai.AuthenticationError, lambda: other.videos.list()), 401)  # noqa: B023
        assert refused.code == "invalid_api_key", refused.code
    checked(raises(openai.NotFoundError, lambda: videos.retrieve("video_none")), 404)
    checked(raises(openai.NotFoundError, lambda: without_retries.get("/nothing-here", cast_to=object)), 404)
    checked(raises(openai.APIStatusError, lambda: without_retries.patch("/videos", cast_to=object)), 405)
    reader = without_retries.with_options(api_key=CONFIG["read_key"])
    assert reader.videos.list(limit=1).object == "list"
    checked(raises(openai.PermissionDeniedError, lambda: reader.videos.create(prompt=PROMPT)), 403)


@scenario
def rate_limit() -> None:
    slow = without_retries.with_options(api_key=CONFIG["slow_key"])  # two requests a minute
    for _ in range(2):
        slow.videos.list(limit=1)
    limited = checked(raises(openai.RateLimitError, lambda: slow.videos.list(limit=1)), 429)
    assert limited.code == "rate_limit_exceeded", limited.code
    assert 0 < float(limited.response.headers["retry-after"]) <= 60
    small = without_retries.with_options(api_key=CONFIG["small_key"])  # one unfinished job
    first = small.videos.create(prompt=PROMPT, size=SIZE, extra_body={"steps": 200})
    full = checked(raises(openai.RateLimitError, lambda: small.videos.create(prompt=PROMPT, size=SIZE)), 429)
    assert float(full.response.headers["retry-after"]) > 0
    small.post(f"/videos/{first.id}/cancel", cast_to=object)


@scenario
def other_projects_see_nothing() -> None:
    video = create()
    other = without_retries.with_options(api_key=CONFIG["other_key"])
    checked(raises(openai.NotFoundError, lambda: other.videos.retrieve(video.id)), 404)
    checked(raises(openai.NotFoundError, lambda: other.videos.delete(video.id)), 404)
    assert video.id not in [item.id for item in other.videos.list()]


@scenario
def models() -> None:
    names = {model.id for model in client.models.list()}
    assert {"sora-2", "sora-2-pro"} <= names, names
    assert client.models.retrieve("sora-2").object == "model"
    checked(raises(openai.NotFoundError, lambda: without_retries.models.retrieve("sora-99")), 404)


@scenario
def batch() -> None:
    lines = [
        {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/videos",
         "body": {"prompt": PROMPT, "model": "sora-2", "seconds": "4", "size": SIZE if number < 2 else "odd"}}
        for number in range(3)
    ]  # fmt: skip
    data = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("lines.jsonl", data, "application/jsonl"), purpose="batch")
    batch: Any = client.batches.create(input_file_id=file.id, endpoint="/v1/videos", completion_window="24h")  # type: ignore[arg-type]
    end = time.monotonic() + 90
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        assert time.monotonic() < end, batch
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1), counts
    rows = [json.loads(row) for row in client.files.content(batch.output_file_id).text.splitlines()]
    assert {row["custom_id"] for row in rows} == {"line-0", "line-1"}
    for row in rows:
        body = row["response"]["body"]
        assert (row["response"]["status_code"], body["object"]) == (200, "video")
        assert client.videos.download_content(body["id"]).read()[4:8] == b"ftyp"
    assert json.loads(client.files.content(batch.error_file_id).text)["custom_id"] == "line-2"
    assert batch.id in [item.id for item in client.batches.list()]


@scenario
def webhooks() -> None:
    receiver = Receiver()
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    event_types: Any = ["video.completed", "video.failed"]
    managed = hasattr(client.webhooks, "create")
    if managed:
        endpoint: Any = client.webhooks.create(name="mine", url=url, event_types=event_types)
        assert [item.id for item in client.webhooks.list()] == [endpoint.id]
        assert client.webhooks.retrieve(endpoint.id).signing_secret_hint
        assert {"video.completed", "video.failed"} <= set(client.webhooks.event_types.list().data)
    else:
        body = {"name": "mine", "url": url, "event_types": event_types}
        endpoint = types.SimpleNamespace(**client.post("/webhook_endpoints", cast_to=object, body=body))
    secret = endpoint.signing_secret
    assert secret.startswith("whsec_")
    video = finished(create())
    body, headers = receiver.of_type("video.completed", 1)[0]
    event: Any = client.webhooks.unwrap(body, headers, secret=secret)
    assert (event.type, event.data.id, event.object) == ("video.completed", video.id, "event")
    assert headers["webhook-id"]
    broken = body.replace(b"video.completed", b"video.compLeted")
    raises(
        openai.InvalidWebhookSignatureError, lambda: client.webhooks.unwrap(broken, headers, secret=secret)
    )
    stopped = create(extra_body={"steps": 200})
    client.post(f"/videos/{stopped.id}/cancel", cast_to=object)
    body, headers = receiver.of_type("video.failed", 1)[0]
    assert client.webhooks.unwrap(body, headers, secret=secret).data.id == stopped.id  # type: ignore[union-attr]
    if not managed:
        assert len(receiver.of_type("video.completed", 1)) == 1
        return
    result = client.webhooks.test(endpoint.id, event_type="video.completed")
    assert (result.status_code, result.success) == (204, True)
    client.webhooks.verify_signature(*receiver.of_type("video.completed", 2)[1], secret=secret)
    rotated = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    assert rotated.signing_secret != secret
    finished(create())
    last = receiver.of_type("video.completed", 3)[2]
    for good in (secret, rotated.signing_secret):  # both live for a day
        client.webhooks.verify_signature(*last, secret=good)
    changed = client.webhooks.update(endpoint.id, name="yours")
    assert (changed.name, changed.url) == ("yours", url)
    assert client.webhooks.delete(endpoint.id).deleted is True
    checked(raises(openai.NotFoundError, lambda: without_retries.webhooks.retrieve(endpoint.id)), 404)


@scenario
def asynchronous() -> None:
    async def main() -> None:
        async with AsyncOpenAI(base_url=CONFIG["base_url"], api_key=CONFIG["key"]) as other:
            video = await other.videos.create_and_poll(prompt=PROMPT, size=SIZE, poll_interval_ms=200)
            assert video.status == "completed", video
            content = await other.videos.download_content(video.id)
            assert content.content[4:8] == b"ftyp"
            ids = [item.id async for item in other.videos.list(limit=2)]
            assert video.id in ids

    asyncio.run(main())


if __name__ == "__main__":
    for line in run():
        print(json.dumps(line), flush=True)
