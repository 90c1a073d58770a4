"""Bodies with bounds: what is too large or broken is refused in a sentence, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hinode.api.limits import ByteBudget
from hinode.api.requests import bodies

from .conftest import SMALL, Server

Refused = Callable[..., dict[str, Any]]
FORM = {"content-type": "multipart/form-data; boundary=part"}


def part(name: str, body: bytes, filename: str | None = None) -> bytes:
    said = f'; filename="{filename}"' if filename is not None else ""
    head = f'--part\r\nContent-Disposition: form-data; name="{name}"{said}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def post(server: Server, content: Any, path: str = "/v1/videos", **headers: str) -> Any:
    return server.client.post(path, content=content, headers={**FORM, **headers})


def test_a_form_in_small_pieces(server: Server) -> None:
    whole = part("prompt", b"a kite") + part("size", SMALL.encode()) + part("seconds", b"1") + b"--part--\r\n"

    def pieces() -> Iterator[bytes]:
        for index in range(len(whole)):
            yield whole[index : index + 1]

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
    answer = post(server, content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_a_form_without_a_boundary(server: Server, refused: Refused, kind: str) -> None:
    refused(server.client.post("/v1/videos", content=b"x", headers={"content-type": kind}), 400)


def test_too_many_parts_and_files(server: Server, refused: Refused) -> None:
    fields = b"".join(part(f"x{index}", b"") for index in range(10_000))
    refused(post(server, fields + b"--part--\r\n"), 413)
    files = b"".join(part(f"x{index}", b"y", "../../name") for index in range(10_000))
    refused(post(server, files + b"--part--\r\n"), 413)
    form = "&".join(f"x{index}=1" for index in range(10_000))
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}
    refused(post(server, form, **urlencoded), 400, "body")
    assert list(server.context.objects.root.rglob("*.*")) == []


def test_too_much_text_and_too_large_a_file(
    server: Server, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = b"x" * (bodies.MAX_TEXT_BYTES + 1)
    refused(post(server, part("prompt", long) + b"--part--\r\n"), 413)
    refused(server.client.post("/v1/videos", content=b'{"prompt": "' + long), 413)
    refused(server.client.post("/v1/videos", content=iter([long])), 413)
    received = bodies.received
    monkeypatch.setattr(bodies, "received", lambda *args: received(*args, most_file=1000))
    refused(post(server, part("video", b"x" * 1001, "a.mp4") + b"--part--\r\n", "/v1/videos/edits"), 413)
    assert [path for path in server.context.objects.root.rglob("*") if path.is_file()] == []


def test_a_body_that_says_it_is_endless(server: Server, refused: Refused) -> None:
    answer = server.client.post("/v1/videos", content=b"{}", headers={"content-length": str(10**15)})
    refused(answer, 413)


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "application/xml"}, {"content-encoding": "gzip", "content-type": "application/json"}],
)
def test_other_kinds_of_bodies(server: Server, refused: Refused, headers: dict[str, str]) -> None:
    refused(server.client.post("/v1/videos", content=b"x", headers=headers), 415)


def test_files_are_gone_after_the_request(server: Server) -> None:
    files = {"input_reference": ("a.png", b"x" * 100_000, "image/png")}
    assert server.client.post("/v1/videos", data={"prompt": "a"}, files=files).status_code == 400
    assert list((server.context.objects.root / "temporary").iterdir()) == []


@pytest.mark.parametrize("kind", ["json", "form", "web form"])
def test_large_bodies_share_what_room_there_is(server: Server, refused: Refused, kind: str) -> None:
    room: ByteBudget = server.client.app.state.room  # type: ignore[attr-defined]
    taken = room.most - 3 * bodies.MEGABYTE

    def ask(size: int) -> Any:
        letters = b"x" * size
        if kind == "form":
            return post(server, part("prompt", letters) + b"--part--\r\n")
        if kind == "json":
            return server.client.post("/v1/videos", content=b'{"prompt": "%b"}' % letters)
        urlencoded = {"content-type": "application/x-www-form-urlencoded"}
        return post(server, b"prompt=" + letters, **urlencoded)

    assert room.take(taken)
    answer = ask(4 * bodies.MEGABYTE)
    refused(answer, 503)
    assert answer.headers["retry-after"] == "2"
    refused(ask(2 * bodies.MEGABYTE), 400, "prompt")  # what was taken for the one before was given back
    assert room.take(3 * bodies.MEGABYTE)
    refused(ask(bodies.MEGABYTE - 100), 400, "prompt")  # a small one needs none
    assert room.taken == room.most
