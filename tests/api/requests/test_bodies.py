"""Bodies with bounds: what is too large or broken is refused in a sentence, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from hinode.api.failures import Refusal
from hinode.api.requests import bodies, multipart
from hinode.api.routes.library import files
from tests.api.conftest import SMALL, CheckError, Server, picture

MEGABYTE = 1 << 20
FORM = {"content-type": "multipart/form-data; boundary=part"}


def part(name: str, body: bytes, filename: str | None = None, kind: str = "") -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    file += f"\r\nContent-Type: {kind}" if kind else ""
    head = f'--part\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def post(server: Server, content: Any, path: str = "/v1/videos", **headers: str) -> Any:
    return server.client.post(path, content=content, headers={**FORM, **headers})


def test_a_form_in_small_pieces(server: Server) -> None:
    body = part("prompt", b"a kite") + part("size", SMALL.encode()) + part("seconds", b"1") + b"--part--\r\n"

    def pieces() -> Iterator[bytes]:
        for index in range(len(body)):
            yield body[index : index + 1]

    assert post(server, pieces()).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        part("prompt", b"a kite"),
        part("prompt", b"a kite") + b"--part\r\n\r\nx\r\n--part--\r\n",
        part("prompt", b"\xff\xfe") + b"--part--\r\n",
        b"--part\r\nContent-Disposition: form-data\r\n\r\nx\r\n--part--\r\n",
        b"--part\r\nX: " + b"x" * 10_000 + b"\r\n\r\nx\r\n--part--\r\n",
        part("n" * 300, b"x") + b"--part--\r\n",
    ],
    ids=["empty", "nonsense", "cut", "no-name", "no-utf8", "no-name-either", "long-header", "long-name"],
)
def test_forms_that_cannot_be_read(server: Server, content: bytes) -> None:
    response = post(server, content)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["message"]


def test_a_file_needs_no_file_name(server: Server, check_error: CheckError) -> None:
    start = part("prompt", b"a kite") + part("size", SMALL.encode()) + part("seconds", b"1")
    for kind in ("image/png", "Application/Octet-Stream"):
        body = start + part("input_reference", picture(), kind=kind) + b"--part--\r\n"
        assert post(server, body).status_code == 200
    error = check_error(
        post(server, start + part("input_reference", picture()) + b"--part--\r\n"), 400, "input_reference"
    )
    assert "is not text in UTF-8; send a file with a file name" in error["message"]


def test_json_that_is_sent_as_a_form_is_told(server: Server, check_error: CheckError) -> None:
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}  # as curl -d sends it
    error = check_error(post(server, b' {"prompt": "a kite"}', **urlencoded), 400, "body")
    assert "send the header Content-Type: application/json" in error["message"]


@pytest.mark.parametrize("slow", [False, True], ids=["silent", "slow"])
@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_body_that_does_not_arrive_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: str, slow: bool
) -> None:
    monkeypatch.setattr(multipart, "SILENCE_SECONDS", 0.1)
    pieces = iter([b'{"prompt": "' if kind == "json" else part("prompt", b"a kite")[:-2]])
    media_type = "application/json" if kind == "json" else FORM["content-type"]
    headers = {"authorization": f"Bearer {server.key}", "content-type": media_type, "content-length": "999"}
    headers |= {"host": "localhost"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/videos",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        piece = next(pieces, None)
        await anyio.sleep(0.0 if piece else 0.03 if slow else 60.0)
        return {"type": "http.request", "body": piece or b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(server.client.app, scope, receive, send)
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_a_form_without_a_boundary(server: Server, check_error: CheckError, kind: str) -> None:
    check_error(server.client.post("/v1/videos", content=b"x", headers={"content-type": kind}), 400)


def test_too_many_parts_and_files(server: Server, check_error: CheckError) -> None:
    fields = b"".join(part(f"x{index}", b"") for index in range(10_000))
    check_error(post(server, fields + b"--part--\r\n"), 413)
    files = b"".join(part(f"x{index}", b"y", "../../name") for index in range(10_000))
    check_error(post(server, files + b"--part--\r\n"), 413)
    form = "&".join(f"x{index}=1" for index in range(10_000))
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}
    check_error(post(server, form, **urlencoded), 400, "body")
    assert list(server.context.objects.root.glob("temporary/*")) == []


def test_too_much_text_and_too_large_a_file(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = b"x" * (bodies.MAX_TEXT_BYTES + 1)
    check_error(post(server, part("prompt", long) + b"--part--\r\n"), 413)
    check_error(server.client.post("/v1/videos", content=b'{"prompt": "' + long), 413)
    check_error(server.client.post("/v1/videos", content=iter([long])), 413)
    monkeypatch.setattr(files.FILE_BODY, "max_file_bytes", 1000)
    check_error(post(server, part("file", b"x" * 1001, "a.mp4") + b"--part--\r\n", "/v1/files"), 413)
    assert list(server.context.objects.root.glob("temporary/*")) == []


def test_a_body_whose_declared_length_is_too_large(server: Server, check_error: CheckError) -> None:
    response = server.client.post("/v1/videos", content=b"{}", headers={"content-length": str(10**15)})
    check_error(response, 413)


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "application/xml"}, {"content-encoding": "gzip", "content-type": "application/json"}],
)
def test_other_kinds_of_bodies(server: Server, check_error: CheckError, headers: dict[str, str]) -> None:
    check_error(server.client.post("/v1/videos", content=b"x", headers=headers), 415)


def test_files_are_deleted_after_the_request(server: Server) -> None:
    files = {"input_reference": ("a.png", b"x" * 100_000, "image/png")}
    assert server.client.post("/v1/videos", data={"prompt": "a"}, files=files).status_code == 400
    assert list((server.context.objects.root / "temporary").iterdir()) == []


@pytest.mark.parametrize("kind", ["json", "form", "web form"])
def test_large_bodies_share_the_memory_for_bodies(server: Server, check_error: CheckError, kind: str) -> None:
    memory = server.context.body_memory
    others = memory.max_bytes - 3 * MEGABYTE

    def ask(size: int) -> Any:
        letters = b"x" * size
        if kind == "form":
            return post(server, part("prompt", letters) + b"--part--\r\n")
        if kind == "json":
            return server.client.post("/v1/videos", content=b'{"prompt": "%b"}' % letters)
        urlencoded = {"content-type": "application/x-www-form-urlencoded"}
        return post(server, b"prompt=" + letters, **urlencoded)

    with ExitStack() as stack:
        for index in range(3):
            reserve = stack.enter_context(memory.reserve(f"project {index}"))
            reserve(others // 3)
        response = ask(4 * MEGABYTE)
        check_error(response, 503)
        assert response.headers["retry-after"] == "2"
        check_error(ask(2 * MEGABYTE), 400, "prompt")  # the body before has released its memory
        reserve(3 * MEGABYTE)
        check_error(ask(MEGABYTE - 100), 400, "prompt")  # a small body needs none
        assert memory.used >= memory.max_bytes - 3
    assert memory.used == 0
    with memory.reserve("another project") as reserve:  # it cannot take all
        with pytest.raises(Refusal, match="of this project"):
            reserve(memory.max_bytes_per_project + 1)
        reserve(-2)
        check_error(ask(4 * MEGABYTE), 400, "prompt")
