"""Oversized and malformed requests to a real server: it refuses each in one sentence and stays small."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.serving import HOST
from tests.api.raw_client import (
    BOUNDARY,
    CREATE,
    FIELDS,
    MEGABYTE,
    POSTS,
    PROMPT,
    Answer,
    RawClient,
    check_files,
    closing_boundary,
    field,
    file,
    form,
    raw_client,
    rejection,
)

__all__ = ["raw_client"]

# Oversized requests


def block(size: int, letter: bytes = b"x") -> Iterator[bytes]:
    for _ in range(size // MEGABYTE):
        yield letter * MEGABYTE


def join_blocks(before: bytes, middle: Iterable[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    yield from middle
    yield after


@pytest.mark.parametrize("sized", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize("kind", ["json", "form", "web form"])
def test_a_prompt_of_100_megabytes(raw_client: RawClient, kind: str, sized: bool) -> None:
    size = 100 * MEGABYTE
    before, after, media_type = {
        "json": (b'{"prompt": "', b'"}', "application/json"),
        "form": (
            b"--%b\r\n" % BOUNDARY.encode() + field("prompt", b""),
            b"\r\n" + closing_boundary(),
            f"multipart/form-data; boundary={BOUNDARY}",
        ),
        "web form": (b"prompt=", b"", "application/x-www-form-urlencoded"),
    }[kind]
    headers = {"Content_Length": str(size + len(before) + len(after))} if sized else {}
    with raw_client.memory_below(100 * MEGABYTE):
        answer = raw_client.request(
            "POST", CREATE, join_blocks(before, block(size), after), media_type, **headers
        )
    assert "bytes" in rejection(answer, 400, 413)


@pytest.mark.parametrize(
    ("key", "size", "first"),
    [("sk-nobody", 100, b" 401 "), (None, 10**12, b" 413 "), (None, 2, b" 100 Continue\r\n\r\n")],
)
def test_a_client_that_waits_is_asked_for_a_body_that_is_wanted(
    raw_client: RawClient, key: str | None, size: int, first: bytes
) -> None:
    lines = [f"POST {CREATE} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key or raw_client.key}"]
    lines += [f"Content-Length: {size}", "Content-Type: application/json", "Expect: 100-continue", "", ""]
    with socket.create_connection((HOST, raw_client.server.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = connection.recv(4096)
        assert first in answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        if key or size > 2:
            while chunk := connection.recv(4096):  # until it is closed
                answer += chunk
            assert b"error" in answer
        else:
            connection.sendall(b"{}")
            assert b" 400 " in connection.recv(4096)


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="only Linux keeps them to itself")
def test_a_connection_that_sends_nothing_takes_no_descriptor(raw_client: RawClient) -> None:
    assert raw_client.server.process
    process = psutil.Process(raw_client.server.process.pid)
    before = process.num_fds()
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection((HOST, raw_client.server.port), timeout=10))
        assert raw_client.request("GET", "/healthz").status == 200
        assert process.num_fds() - before < 25


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://localhost/v1/models", 200),
        ("HTTPS://[::1]:8000/v1/models?x=", 200),
        ("http://films.example/v1/models", 421),
    ],
)
def test_a_whole_address_is_read_like_a_path(raw_client: RawClient, address: str, status: int) -> None:
    assert raw_client.request("GET", address).status == status


@pytest.mark.parametrize("size", [32_001, MEGABYTE, 20 * MEGABYTE])
def test_a_prompt_that_fits_the_body_and_not_the_model(raw_client: RawClient, size: int) -> None:
    with raw_client.memory_below(200 * MEGABYTE):
        assert "prompt" in rejection(raw_client.post_json(CREATE, {"prompt": "x" * size}), 400)


def test_ten_thousand_files(raw_client: RawClient) -> None:
    parts = [file("input_reference", b"x", f"{number}.png") for number in range(10_000)]
    with raw_client.memory_below(100 * MEGABYTE):
        rejection(raw_client.post_form(CREATE, field("prompt", PROMPT), *parts), 400, 413)
    check_files(raw_client)


def test_ten_thousand_fields(raw_client: RawClient) -> None:
    parts = [field(f"field{number}", b"x") for number in range(10_000)]
    with raw_client.memory_below(100 * MEGABYTE):
        rejection(raw_client.post_form(CREATE, *parts), 400, 413)
        rejection(
            raw_client.post_json(CREATE, {"characters": [{"id": "char_1"}] * 10_000, "prompt": PROMPT}),
            400,
            413,
        )
        pairs = b"&".join(b"field%d=x" % number for number in range(10_000))
        rejection(raw_client.request("POST", CREATE, pairs, "application/x-www-form-urlencoded"), 400, 413)


def test_a_file_that_does_not_end(raw_client: RawClient) -> None:
    head = b"--%b\r\n" % BOUNDARY.encode() + file("video", b"", "a.mp4", "video/mp4")
    with raw_client.memory_below(100 * MEGABYTE):
        answer = raw_client.request(
            "POST",
            "/v1/videos/edits",
            join_blocks(head, block(300 * MEGABYTE), b"\r\n" + closing_boundary()),
            f"multipart/form-data; boundary={BOUNDARY}",
        )
    rejection(answer, 400, 413)
    check_files(raw_client)


def test_many_large_bodies_at_once(raw_client: RawClient) -> None:
    def send(number: int) -> Answer:
        return raw_client.request(
            "POST", CREATE, join_blocks(b'{"prompt": "', block(100 * MEGABYTE), b'"}'), "application/json"
        )

    with raw_client.memory_below(400 * MEGABYTE), ThreadPoolExecutor(8) as pool:
        for answer in pool.map(send, range(8)):
            rejection(answer, 400, 413, 429)


def test_long_headers_and_addresses(raw_client: RawClient) -> None:
    with raw_client.memory_below(50 * MEGABYTE):
        for answer in (
            raw_client.request("GET", "/v1/videos?after=" + "x" * 30_000),
            raw_client.request("GET", "/v1/videos/" + "x" * 30_000),
            raw_client.request("POST", CREATE, b"{}", "application/json", Idempotency_Key="k" * 10_000),
        ):
            rejection(answer)
        for path, header in (("/v1/videos/" + "x" * 200_000, "x"), ("/v1/videos", "x" * 200_000)):
            # They do not get as far as the application: the connection is cut, with or without a word.
            with suppress(ConnectionError):
                assert 400 <= raw_client.request("GET", path, X_Long=header).status < 500


# Wrong types

LONE_SURROGATE = "\ud800"
DEEP = b'{"prompt": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "no JSON": (b"{", "application/json"),
    "a list": (b"[]", "application/json"),
    "a number": (b"1", "application/json"),
    "null": (b"null", "application/json"),
    "NaN": (b'{"prompt": "a", "seconds": NaN}', "application/json"),
    "a number without end": (b'{"prompt": "a", "seed": ' + b"9" * 100_000 + b"}", "application/json"),
    "depth without end": (DEEP, "application/json"),
    "no UTF-8": (b'{"prompt": "\xff\xfe"}', "application/json"),
    "UTF-16": ('{"prompt": ""}'.encode("utf-16"), "application/json"),
    "no boundary": (form(field("prompt", PROMPT)), "multipart/form-data"),
    "another boundary": (form(field("prompt", PROMPT)), "multipart/form-data; boundary=other"),
    "a form cut off": (form(field("prompt", PROMPT))[:-20], f"multipart/form-data; boundary={BOUNDARY}"),
    "a part without name": (form(b"\r\nx"), f"multipart/form-data; boundary={BOUNDARY}"),
    "a name without end": (form(field("x" * 50_000, b"")), f"multipart/form-data; boundary={BOUNDARY}"),
    "a deep name": (form(field("a" + "[b]" * 5_000, b"")), f"multipart/form-data; boundary={BOUNDARY}"),
    "half a bracket": (form(field("video[id", b"x")), f"multipart/form-data; boundary={BOUNDARY}"),
    "two shapes": (
        form(field("video", b"x"), field("video[id]", b"x")),
        f"multipart/form-data; boundary={BOUNDARY}",
    ),
    "a prompt as a file": (form(file("prompt", b"x")), f"multipart/form-data; boundary={BOUNDARY}"),
    "XML": (b"<prompt/>", "application/xml"),
    "no type that there is": (b"{}", "a/b/c; ;;="),
    "packed": (zlib.compress(b"{}"), "application/json; charset=zip"),
}


@pytest.mark.parametrize("path", POSTS)
def test_bodies_that_cannot_be_read(raw_client: RawClient, path: str) -> None:
    for name, (content, kind) in BODIES.items():
        answer = raw_client.request("POST", path, content, kind)
        assert 400 <= answer.status < 500, (name, answer)
        rejection(answer)


def test_packed_bodies_are_not_unpacked(raw_client: RawClient) -> None:
    bomb = zlib.compress(b'{"prompt": "' + b"x" * 200 * MEGABYTE + b'"}', 9)
    with raw_client.memory_below(50 * MEGABYTE):
        for packing in ("gzip", "deflate", "br", "gzip, gzip"):
            rejection(
                raw_client.request("POST", CREATE, bomb, "application/json", Content_Encoding=packing),
                415,
                400,
            )


VALUES: tuple[Any, ...] = (
    0,
    -1,
    1.5,
    1e308,
    10**40,
    True,
    [],
    {},
    [[]],
    {"a": 1},
    "x",
    "\0",
    LONE_SURROGATE,
    "9" * 400,
)


@pytest.mark.parametrize("name", [*FIELDS, "input_reference", "characters"])
def test_values_of_other_types(raw_client: RawClient, name: str) -> None:
    for value in VALUES:
        answer = raw_client.post_json(CREATE, {"prompt": PROMPT, name: value})
        # Some of these are right for some fields, such as seed 0; and there is no character "x".
        assert answer.status == 200 or rejection(answer, 400, 404), (name, value, answer)
    for value in ({}, [], [[]], {"a": 1}):
        if (name, value) != ("characters", []):
            rejection(raw_client.post_json(CREATE, {"prompt": PROMPT, name: value}), 400)


@pytest.mark.parametrize(
    "reference",
    [
        {},
        {"file_id": 1},
        {"file_id": "file-1"},
        {"file_id": "file-1", "image_url": "https://example.com/a.png"},
        {"image_url": 1},
        {"image_url": "data:"},
        {"image_url": "data:image/png;base64,***"},
        {"image_url": "data:image/png,x"},
        {"image_url": "file:///etc/passwd"},
        {"image_url": "ftp://127.0.0.1/a"},
        {"image_url": "https://"},
        {"image_url": "http://[::1"},
        {"image_url": "http://127.0.0.1:1/a.png"},
        {"image_url": "http://0x7f.1:99999/"},
        {"image_url": f"http://{'a' * 300}.invalid/"},
        {"image_url": "x" * 20_971_521},
        "file-1",
        5,
    ],
    ids=lambda reference: str(reference)[:40],
)
def test_broken_references(raw_client: RawClient, reference: Any) -> None:
    rejection(raw_client.post_json(CREATE, {"prompt": PROMPT, "input_reference": reference}), 400, 404)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["4", "720x1280", "sora-2", "file-1", "video_1", "char_1", "batch", "24h", "../.."]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
OTHERS = (
    "input_reference",
    "characters",
    "video",
    "purpose",
    "file",
    "input_file_id",
    "endpoint",
    "completion_window",
    "metadata",
    "url",
    "name",
    "events",
    "event_types",
    "expires_after",
)
names = st.sampled_from([*FIELDS, *OTHERS]) | st.text(max_size=10)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(POSTS), st.dictionaries(names, json_values, max_size=6), st.booleans())
def test_random_json(raw_client: RawClient, path: str, values: dict[str, Any], with_prompt: bool) -> None:
    answer = raw_client.post_json(path, {**values, **({"prompt": PROMPT} if with_prompt else {})})
    assert answer.status == 200 or rejection(answer)


part_names = st.sampled_from(
    [*FIELDS, "video", "file", "purpose", "characters[][id]", "video[id]", "a[", "[]"]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(POSTS[:6]),
    st.lists(
        st.builds(field, part_names, st.binary(max_size=20))
        | st.builds(file, part_names, st.binary(max_size=40), st.sampled_from(["a.png", "", "a\\b", "é"]))
        | st.binary(max_size=60),
        max_size=5,
    ),
)
def test_random_forms(raw_client: RawClient, path: str, parts: list[bytes]) -> None:
    answer = raw_client.post_form(path, *parts)
    assert answer.status == 200 or rejection(answer)
