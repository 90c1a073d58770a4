"""/v1/files, with the client of Sora's API and with requests that no client would send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from hinode.api.context import Context
from hinode.jobs.files import uploads

URL = "http://testserver/v1"


def speaking(server: Any, key: str) -> OpenAI:
    return OpenAI(api_key=key, base_url=URL, http_client=server.client, max_retries=0)


@pytest.fixture
def here(server: Any) -> Context:
    context: Context = server.context
    return context


@pytest.fixture
def http(server: Any) -> TestClient:
    client: TestClient = server.client
    return client


@pytest.fixture
def client(server: Any) -> OpenAI:
    return speaking(server, server.key)


@pytest.fixture
def other(server: Any) -> OpenAI:
    """A client of another project."""
    server.context.tenants.create_project("theirs")
    return speaking(server, server.context.tenants.create_key("theirs", project="theirs").key)


def left(here: Context) -> list[Path]:
    """Files that a request left lying about."""
    return list(here.objects.root.glob("temporary/*"))


def test_a_file_there_and_back(client: OpenAI, here: Context) -> None:
    made = client.files.create(file=("lines.jsonl", b'{"a": 1}\n'), purpose="batch")
    assert made.object == "file"
    assert (made.bytes, made.filename, made.purpose, made.status) == (9, "lines.jsonl", "batch", "processed")
    assert made.id.startswith("file-")
    assert made.expires_at == made.created_at + 30 * 86_400
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == b'{"a": 1}\n'
    assert client.files.wait_for_processing(made.id) == made
    assert [file.id for file in client.files.list()] == [made.id]
    gone = client.files.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "file", True)
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(made.id)
        assert caught.value.param == "file_id"
    assert not left(here)


def test_how_long_it_is_kept(client: OpenAI) -> None:
    forever = client.files.create(file=b"x", purpose="vision")
    assert forever.expires_at is None
    hour = client.files.create(
        file=b"x", purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert hour.expires_at == hour.created_at + 3600
    for wrong in ({"anchor": "created_at", "seconds": 5}, {"anchor": "now", "seconds": 3600}, {"seconds": 1}):
        with pytest.raises(openai.BadRequestError, match=r"(?i)expire"):
            client.files.create(file=b"x", purpose="vision", expires_after=wrong)  # type: ignore[arg-type]


def test_a_projects_files_are_its_own(client: OpenAI, other: OpenAI) -> None:
    made = client.files.create(file=b"x", purpose="vision")
    for ask in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    assert list(other.files.list()) == []
    with pytest.raises(openai.BadRequestError):
        other.files.list(after=made.id)


def test_lists(client: OpenAI) -> None:
    made = [client.files.create(file=b"x", purpose="vision").id for _ in range(5)]
    lines = client.files.create(file=b"x", purpose="batch").id
    assert [file.id for file in client.files.list(limit=2)] == [lines, *reversed(made)]
    assert [file.id for file in client.files.list(limit=2, order="asc", purpose="vision")] == made
    assert list(client.files.list(purpose="nonsense")) == []
    client.files.delete(made[2])
    assert [file.id for file in client.files.list(after=made[2])] == [made[1], made[0]]
    page = client.files.list(limit=1)
    assert page.has_more


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.jsonl", "a.jsonl"),
        ("日の出.jsonl", "日の出.jsonl"),
        ("a\u202eb.png", "ab.png"),
        ("/", "file"),
        ("x" * 300, "x" * 255),
    ],
)
def test_names_are_shown_and_never_used(client: OpenAI, here: Context, name: str, kept: str) -> None:
    made = client.files.create(file=(name, b"x", "text/html"), purpose="user_data")
    assert made.filename == kept
    answer = client.files.with_raw_response.content(made.id)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    outside = [path for path in here.settings.home.rglob("*") if path.is_file() and "store" not in path.parts]
    assert all(path.name.startswith("hinode.db") for path in outside)


@pytest.mark.parametrize(
    ("files", "values", "param"),
    [
        (None, {"purpose": "batch"}, "file"),
        (None, {"purpose": "batch", "file": "text"}, "file"),
        ({"file": b"x"}, {}, "purpose"),
        ({"file": b"x"}, {"purpose": "nonsense"}, "purpose"),
        ({"file": b"x"}, {"purpose": "batch_output"}, "purpose"),
        ({"file": b"x", "purpose": b"x"}, {}, "purpose"),
    ],
)
def test_wrong_fields_are_named(
    http: TestClient, here: Context, files: dict[str, bytes] | None, values: dict[str, str], param: str
) -> None:
    answer = http.post("/v1/files", files=files, data=values)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert not left(here)


def test_files_that_are_too_large(http: TestClient, here: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 100)
    monkeypatch.setattr(uploads, "MAX_BATCH_BYTES", 50)

    def sent(size: int, purpose: str) -> Any:
        return http.post("/v1/files", files={"file": b"x" * size}, data={"purpose": purpose})

    assert sent(100, "vision").status_code == 200
    assert sent(101, "vision").status_code == 413
    assert sent(50, "batch").status_code == 200
    assert sent(51, "batch").status_code == 400
    assert not left(here)


def test_ids_that_are_none(http: TestClient) -> None:
    for name in ("file-none", "%00", "a b", "x" * 99, "..%2F.."):
        assert http.get(f"/v1/files/{name}").status_code == 404
        assert http.delete(f"/v1/files/{name}").status_code == 404
    assert http.get("/v1/files", params={"after": "\0"}).status_code == 400
    assert http.get("/v1/files", params={"limit": 10_001}).status_code == 400


def test_the_whole_file_whatever_range_is_asked_for(http: TestClient, client: OpenAI) -> None:
    made = client.files.create(file=b"0123456789", purpose="vision")
    for said in ("bytes=2-4", "bytes=99-", "nonsense"):
        answer = http.get(f"/v1/files/{made.id}/content", headers={"Range": said})
        assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_a_file_that_was_removed_by_hand(client: OpenAI, here: Context) -> None:
    made = client.files.create(file=b"0123456789", purpose="vision")
    for path in here.objects.root.glob("objects/*/*"):
        path.unlink()
    with pytest.raises(openai.NotFoundError, match="upload it again"):
        client.files.content(made.id)


def test_an_expired_file_is_gone(client: OpenAI, here: Context) -> None:
    made = client.files.create(file=b"x", purpose="batch")
    assert here.uploads.expire(made.created_at + 29 * 86_400.0) == 0
    assert here.uploads.expire(made.created_at + 31 * 86_400.0) == 1
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert here.store.digests() == set()
