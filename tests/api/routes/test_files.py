"""/v1/files, with the client of Sora's API and with requests that no client would send."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from hinode.api.context import Context
from hinode.api.routes.library import files
from hinode.jobs.files import uploads
from tests.api.conftest import Server


@pytest.fixture
def context(server: Server) -> Context:
    return server.context


@pytest.fixture
def http(server: Server) -> TestClient:
    return server.client


@pytest.fixture
def client(server: Server) -> OpenAI:
    return server.openai()


@pytest.fixture
def other(server: Server) -> OpenAI:
    """A client of another project."""
    return server.openai(server.other_project()["authorization"].removeprefix("Bearer "))


def temporary_files(context: Context) -> list[Path]:
    return list(context.objects.root.glob("temporary/*"))


def test_upload_retrieve_download_and_delete(client: OpenAI, context: Context) -> None:
    file = client.files.create(file=("lines.jsonl", b'{"a": 1}\n'), purpose="batch")
    assert file.object == "file"
    assert (file.bytes, file.filename, file.purpose, file.status) == (9, "lines.jsonl", "batch", "processed")
    assert file.id.startswith("file-")
    assert file.expires_at == file.created_at + 30 * 86_400
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == b'{"a": 1}\n'
    assert client.files.wait_for_processing(file.id) == file
    assert [listed.id for listed in client.files.list()] == [file.id]
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (file.id, "file", True)
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(file.id)
        assert caught.value.param == "file_id"
    assert not temporary_files(context)


def test_when_files_expire(client: OpenAI) -> None:
    forever = client.files.create(file=b"x", purpose="vision")
    assert forever.expires_at is None
    hour = client.files.create(
        file=b"x", purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert hour.expires_at == hour.created_at + 3600
    for expiry in (
        {"anchor": "created_at", "seconds": 5},
        {"anchor": "now", "seconds": 3600},
        {"seconds": 1},
    ):
        with pytest.raises(openai.BadRequestError, match=r"(?i)expire"):
            client.files.create(file=b"x", purpose="vision", expires_after=expiry)  # type: ignore[arg-type]


def test_a_projects_files_are_its_own(client: OpenAI, other: OpenAI) -> None:
    file = client.files.create(file=b"x", purpose="vision")
    for ask in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(file.id)
    assert list(other.files.list()) == []
    with pytest.raises(openai.BadRequestError):
        other.files.list(after=file.id)


def test_lists(client: OpenAI) -> None:
    pictures = [client.files.create(file=b"x", purpose="vision").id for _ in range(5)]
    lines = client.files.create(file=b"x", purpose="batch").id
    assert [file.id for file in client.files.list(limit=2)] == [lines, *reversed(pictures)]
    assert [file.id for file in client.files.list(limit=2, order="asc", purpose="vision")] == pictures
    assert list(client.files.list(purpose="nonsense")) == []
    client.files.delete(pictures[2])
    assert [file.id for file in client.files.list(after=pictures[2])] == [pictures[1], pictures[0]]
    page = client.files.list(limit=1)
    assert page.has_more


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.jsonl", "a.jsonl"),
        ("日の出.jsonl", "日の出.jsonl"),
        ("a\u202eb.png", "ab.png"),
        ("/", "file"),
        ("x" * 300, "x" * 255),
    ],
)
def test_names_are_reported_and_never_used(
    client: OpenAI, context: Context, name: str, filename: str
) -> None:
    file = client.files.create(file=(name, b"x", "text/html"), purpose="user_data")
    assert file.filename == filename
    response = client.files.with_raw_response.content(file.id)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["x-content-type-options"] == "nosniff"
    outside = [
        path for path in context.settings.home.rglob("*") if path.is_file() and "store" not in path.parts
    ]
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
    http: TestClient, context: Context, files: dict[str, bytes] | None, values: dict[str, str], param: str
) -> None:
    response = http.post("/v1/files", files=files, data=values)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert not temporary_files(context)


def test_files_that_are_too_large(
    http: TestClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.FILE_BODY, "max_file_bytes", 100)
    monkeypatch.setattr(uploads, "MAX_BATCH_BYTES", 50)

    def upload(size: int, purpose: str) -> Any:
        return http.post("/v1/files", files={"file": b"x" * size}, data={"purpose": purpose})

    assert upload(100, "vision").status_code == 200
    assert upload(101, "vision").status_code == 413
    assert upload(50, "batch").status_code == 200
    assert upload(51, "batch").status_code == 400
    assert not temporary_files(context)


def test_malformed_ids(http: TestClient) -> None:
    for name in ("file-none", "%00", "a b", "x" * 99, "..%2F.."):
        assert http.get(f"/v1/files/{name}").status_code == 404
        assert http.delete(f"/v1/files/{name}").status_code == 404
    assert http.get("/v1/files", params={"after": "\0"}).status_code == 400
    assert http.get("/v1/files", params={"limit": 10_001}).status_code == 400


def test_ranges_of_uploads(http: TestClient, client: OpenAI) -> None:
    address = f"/v1/files/{client.files.create(file=b'0123456789', purpose='vision').id}/content"
    for header, status, content in (
        ("bytes=2-4", 206, b"234"),
        ("bytes=-2", 206, b"89"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("nonsense", 200, b"0123456789"),
    ):
        response = http.get(address, headers={"Range": header})
        assert (response.status_code, response.content) == (status, content)
    assert http.get(address, headers={"Range": "bytes=99-"}).status_code == 416


def test_a_file_that_was_removed_by_hand(client: OpenAI, context: Context) -> None:
    file = client.files.create(file=b"0123456789", purpose="vision")
    digest = hashlib.sha256(b"0123456789").hexdigest()
    context.objects.path(digest).unlink()
    with pytest.raises(openai.NotFoundError, match="upload it again"):
        client.files.content(file.id)


def test_an_expired_file_is_deleted(fresh_server: Server) -> None:
    client, context = fresh_server.openai(), fresh_server.context
    file = client.files.create(file=b"x", purpose="batch")
    assert context.uploads.expire(file.created_at + 29 * 86_400.0) == 0
    assert context.uploads.expire(file.created_at + 31 * 86_400.0) == 1
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    assert context.store.digests() == set()
