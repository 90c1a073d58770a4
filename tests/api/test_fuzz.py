"""What nobody should send, sent to a real server: it says what is wrong, stays small, and stays at home."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.serving import HOST, Server

MEGABYTE = 1 << 20
MARK = f"escaped-{secrets.token_hex(6)}"
BOUNDARY = "part-of-the-body"
PROMPT = "a red balloon over the sea"
FIELDS = ("prompt", "model", "seconds", "size", "seed", "n", "fps", "negative_prompt", "steps")
CREATE = "/v1/videos"
POSTS = (
    CREATE,
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/video_1/remix",
    "/v1/videos/characters",
    "/v1/files",
    "/v1/batches",
    "/v1/webhook_endpoints",
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class House:
    """The server, a key for it, and the folders around its home."""

    server: Server
    key: str
    around: Path

    def ask(
        self,
        method: str,
        path: str,
        content: bytes | Iterable[bytes] | None = None,
        kind: str | None = None,
        **headers: str,
    ) -> Answer:
        """One request with these very bytes, on a connection of its own."""
        sent = {"Authorization": f"Bearer {self.key}", **({"Content-Type": kind} if kind else {})}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def json(self, path: str, value: Any) -> Answer:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, content, "application/json")

    def form(self, path: str, *parts: bytes) -> Answer:
        return self.ask("POST", path, form(*parts), f"multipart/form-data; boundary={BOUNDARY}")

    @property
    def memory(self) -> int:
        """Bytes of the server process, without its workers."""
        assert self.server.process
        return int(psutil.Process(self.server.process.pid).memory_info().rss)

    @contextmanager
    def staying_below(self, growth: int) -> Iterator[None]:
        """The server's memory may not grow by more than this while the block lasts."""
        before, most, over = self.memory, 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not over.wait(0.01):
                most = max(most, self.memory)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        assert most - before <= growth, f"grew from {before:,} to {most:,} bytes"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    around = tmp_path_factory.mktemp("around")
    temporary = around / "tmp"
    temporary.mkdir()
    server = Server(around / "a" / "b" / "home", workers=0, environment={"TMPDIR": str(temporary)})
    with server:
        made = House(server, server.key("fuzz"), around)
        assert made.json(CREATE, {"prompt": PROMPT}).status == 200  # and everything is imported
        yield made
        at_home(made)
        answer = made.json(CREATE, {"prompt": PROMPT})
        assert answer.status == 200, "it still works"
        assert server.stop() == 0


def form(*parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), one) for one in parts) + ending()


def ending() -> bytes:
    return b"--%b--\r\n" % BOUNDARY.encode()


def field(name: str, value: bytes | str) -> bytes:
    value = value if isinstance(value, bytes) else value.encode()
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), value)


def file(name: str, content: bytes, filename: str = "a.png", kind: str = "image/png") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}'
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def refused(answer: Answer, *statuses: int) -> str:
    """The sentence with which something was refused."""
    assert 400 <= answer.status < 500, answer
    assert answer.status != 429 or 429 in statuses, "nothing was looked at"
    assert not statuses or answer.status in statuses, answer
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    sentence: str = error["message"]
    assert " " in sentence
    assert 10 < len(sentence) < 1000
    assert not any(word in sentence for word in ("Traceback", "site-packages", "sqlalchemy", " at 0x")), (
        sentence
    )
    assert answer.headers["x-request-id"]
    return sentence


def at_home(house: House) -> None:
    """Nothing was written but into the home, and nothing half-finished is left in the store."""
    home = house.server.home
    outside = [path for path in house.around.rglob("*") if path.is_file() and home not in path.parents]
    assert outside == []
    known = {"hinode.db", "hinode.db-wal", "hinode.db-shm", "server.log", "store", "logs", "models"}
    assert {path.name for path in home.iterdir()} <= known
    assert {path.name for path in (home / "store").iterdir()} <= {"objects", "temporary", "previews"}
    assert list((home / "store" / "temporary").glob("*")) == []
    named = [path for path in home.rglob("*") if MARK in path.name]
    assert named == []
    for folder in (Path(tempfile.gettempdir()), Path.cwd(), Path.cwd().parent, Path("/")):
        assert list(folder.glob(f"*{MARK}*")) == []


# Too much


def block(size: int, letter: bytes = b"x") -> Iterator[bytes]:
    for _ in range(size // MEGABYTE):
        yield letter * MEGABYTE


def around(before: bytes, middle: Iterable[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    yield from middle
    yield after


@pytest.mark.parametrize("told", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize("kind", ["json", "form", "web form"])
def test_a_prompt_of_100_megabytes(house: House, kind: str, told: bool) -> None:
    size = 100 * MEGABYTE
    before, after, media_type = {
        "json": (b'{"prompt": "', b'"}', "application/json"),
        "form": (
            b"--%b\r\n" % BOUNDARY.encode() + field("prompt", b""),
            b"\r\n" + ending(),
            f"multipart/form-data; boundary={BOUNDARY}",
        ),
        "web form": (b"prompt=", b"", "application/x-www-form-urlencoded"),
    }[kind]
    headers = {"Content_Length": str(size + len(before) + len(after))} if told else {}
    with house.staying_below(100 * MEGABYTE):
        answer = house.ask("POST", CREATE, around(before, block(size), after), media_type, **headers)
    assert "bytes" in refused(answer, 400, 413)


@pytest.mark.parametrize("size", [32_001, MEGABYTE, 20 * MEGABYTE])
def test_a_prompt_that_fits_the_body_and_not_the_model(house: House, size: int) -> None:
    with house.staying_below(200 * MEGABYTE):
        assert "prompt" in refused(house.json(CREATE, {"prompt": "x" * size}), 400)


def test_ten_thousand_files(house: House) -> None:
    parts = [file("input_reference", b"x", f"{number}.png") for number in range(10_000)]
    with house.staying_below(100 * MEGABYTE):
        refused(house.form(CREATE, field("prompt", PROMPT), *parts), 400, 413)
    at_home(house)


def test_ten_thousand_fields(house: House) -> None:
    parts = [field(f"field{number}", b"x") for number in range(10_000)]
    with house.staying_below(100 * MEGABYTE):
        refused(house.form(CREATE, *parts), 400, 413)
        refused(house.json(CREATE, {"characters": [{"id": "char_1"}] * 10_000, "prompt": PROMPT}), 400, 413)
        pairs = b"&".join(b"field%d=x" % number for number in range(10_000))
        refused(house.ask("POST", CREATE, pairs, "application/x-www-form-urlencoded"), 400, 413)


def test_a_file_that_does_not_end(house: House) -> None:
    head = b"--%b\r\n" % BOUNDARY.encode() + file("video", b"", "a.mp4", "video/mp4")
    with house.staying_below(100 * MEGABYTE):
        answer = house.ask(
            "POST",
            "/v1/videos/edits",
            around(head, block(300 * MEGABYTE), b"\r\n" + ending()),
            f"multipart/form-data; boundary={BOUNDARY}",
        )
    refused(answer, 400, 413)
    at_home(house)


def test_many_at_once(house: House) -> None:
    def one(number: int) -> Answer:
        return house.ask(
            "POST", CREATE, around(b'{"prompt": "', block(100 * MEGABYTE), b'"}'), "application/json"
        )

    with house.staying_below(400 * MEGABYTE), ThreadPoolExecutor(8) as pool:
        for answer in pool.map(one, range(8)):
            refused(answer, 400, 413, 429)


def test_headers_and_addresses_without_end(house: House) -> None:
    with house.staying_below(50 * MEGABYTE):
        for answer in (
            house.ask("GET", "/v1/videos?after=" + "x" * 30_000),
            house.ask("GET", "/v1/videos/" + "x" * 30_000),
            house.ask("POST", CREATE, b"{}", "application/json", Idempotency_Key="k" * 10_000),
        ):
            refused(answer)
        for path, header in (("/v1/videos/" + "x" * 200_000, "x"), ("/v1/videos", "x" * 200_000)):
            # They do not get as far as the application: the connection is cut, with or without a word.
            with suppress(ConnectionError):
                assert 400 <= house.ask("GET", path, X_Long=header).status < 500


# Images that are more than they seem


def png(width: int, height: int, *chunks: tuple[bytes, bytes], rows: int | None = None) -> bytes:
    """A black PNG of one bit per pixel, in far fewer bytes than it has when unpacked."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    )


def jpeg(width: int, height: int) -> bytes:
    """The beginning of a JPEG that says it is this large."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xda\x00\x02" + b"\0" * 99


def webp(width: int, height: int) -> bytes:
    """The beginning of a WebP that says it is this large."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<IBI", 50, 0x2F, bits) + b"\0" * 45
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


LONG_TEXT = b"Comment\0\0" + zlib.compress(b"x" * 300 * MEGABYTE, 9)
IMAGES: dict[str, Callable[[], bytes]] = {
    "2.5 gigapixels of PNG": lambda: png(50_000, 50_000),
    "a PNG as wide as can be": lambda: png(2**31 - 1, 1, rows=0),
    "a PNG of no size": lambda: png(0, 0, rows=0),
    "a PNG with a text of 300 MB": lambda: png(1280, 720, (b"zTXt", LONG_TEXT)),
    "a PNG with a profile of 300 MB": lambda: png(1280, 720, (b"iCCP", LONG_TEXT)),
    "a PNG without its end": lambda: png(1280, 720)[:-60],
    "a JPEG of 4 gigapixels": lambda: jpeg(65_500, 65_500),
    "a WebP of 268 megapixels": lambda: webp(16_384, 16_384),
    "a GIF": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0" * 20,
    "an SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="1280" height="720"/>',
    "nothing": lambda: b"",
    "noise": lambda: bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_that_are_more_than_they_seem(house: House, name: str) -> None:
    image = IMAGES[name]()
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    wanted = {"prompt": PROMPT, "size": "1280x720", "input_reference_fit": "crop"}
    with house.staying_below(100 * MEGABYTE):
        parts = [field(key, value) for key, value in wanted.items()]
        answers = [
            house.form(CREATE, *parts, file("input_reference", image)),
            house.json(CREATE, {**wanted, "input_reference": {"image_url": url}}),
        ]
    for answer in answers:
        if name.startswith("a PNG with a"):  # whether the text is passed over or refused, it is not unpacked
            assert answer.status == 200 or refused(answer, 400)
        else:
            refused(answer, 400, 413)
    at_home(house)


# Wrong types

LONELY = "\ud800"
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
def test_bodies_that_cannot_be_read(house: House, path: str) -> None:
    for name, (content, kind) in BODIES.items():
        answer = house.ask("POST", path, content, kind)
        assert 400 <= answer.status < 500, (name, answer)
        refused(answer)


def test_packed_bodies_are_not_unpacked(house: House) -> None:
    bomb = zlib.compress(b'{"prompt": "' + b"x" * 200 * MEGABYTE + b'"}', 9)
    with house.staying_below(50 * MEGABYTE):
        for packing in ("gzip", "deflate", "br", "gzip, gzip"):
            refused(house.ask("POST", CREATE, bomb, "application/json", Content_Encoding=packing), 415, 400)


WRONG: tuple[Any, ...] = (
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
    LONELY,
    "9" * 400,
)


@pytest.mark.parametrize("name", [*FIELDS, "input_reference", "characters"])
def test_wrong_types_of_fields(house: House, name: str) -> None:
    for value in WRONG:
        answer = house.json(CREATE, {"prompt": PROMPT, name: value})
        # Some of these are right for some fields, such as seed 0; and there is no character "x".
        assert answer.status == 200 or refused(answer, 400, 404), (name, value, answer)
    for value in ({}, [], [[]], {"a": 1}):
        if (name, value) != ("characters", []):
            refused(house.json(CREATE, {"prompt": PROMPT, name: value}), 400)


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
def test_references_to_nothing(house: House, reference: Any) -> None:
    refused(house.json(CREATE, {"prompt": PROMPT, "input_reference": reference}), 400, 404)


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
def test_any_json_at_all(house: House, path: str, values: dict[str, Any], prompted: bool) -> None:
    answer = house.json(path, {**values, **({"prompt": PROMPT} if prompted else {})})
    assert answer.status == 200 or refused(answer)


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
def test_any_form_at_all(house: House, path: str, parts: list[bytes]) -> None:
    answer = house.form(path, *parts)
    assert answer.status == 200 or refused(answer)


# Ways out of the house


def escapes(house: House) -> list[str]:
    up = "../" * 12
    return [
        f"../{MARK}",
        f"{up}{tempfile.gettempdir()}/{MARK}.png",
        f"..\\..\\{MARK}.png",
        f"{tempfile.gettempdir()}/{MARK}.png",
        str(house.around / "a" / f"{MARK}.png"),
        f"C:\\{MARK}.png",
        f"a/../../{MARK}",
        f"{MARK}\0.png",
        f"....//....//{MARK}",
        f"%2e%2e%2f{MARK}",
        f"~/{MARK}",
        f"{MARK}:stream",
        "..",
        ".",
        "/",
        "x" * 5_000 + MARK,
    ]


def test_file_names_lead_nowhere(house: House) -> None:
    image = png(1280, 720)
    movie = b"\0\0\0\x18ftypmp42" + bytes(200)
    for name in escapes(house):
        answer = house.form(
            CREATE,
            field("prompt", PROMPT),
            field("size", "1280x720"),
            file("input_reference", image, name),
        )
        assert answer.status == 200 or refused(answer, 400)
        for path in ("/v1/videos/edits", "/v1/videos/characters"):
            refused(
                house.form(path, field("prompt", PROMPT), field("name", name), file("video", movie, name)),
                400,
            )
        answer = house.form("/v1/files", field("purpose", "vision"), file("file", image, name))
        if answer.status == 200:
            kept = json.loads(answer.body)["filename"]
            assert "/" not in kept
            assert "\\" not in kept
            assert len(kept) <= 255
        else:
            refused(answer, 400)
    at_home(house)


def test_ids_lead_nowhere(house: House) -> None:
    for name in escapes(house):
        word = quote(name, safe="")
        for path in (
            f"/v1/videos/{word}",
            f"/v1/videos/{word}/content",
            f"/v1/videos/{word}/events",
            f"/v1/videos/characters/{word}",
            f"/v1/files/{word}/content",
            f"/v1/batches/{word}",
            f"/v1/models/{word}",
            f"/v1/videos?after={word}",
            f"/v1/videos/video_1/content?variant={word}",
        ):
            answer = house.ask("GET", path)
            # A name such as ".." may be resolved on the way, to a list for example; it is never a file.
            assert answer.status == 200 or refused(answer, 400, 404, 405), path
            if answer.status == 200:
                assert json.loads(answer.body)["object"] == "list", path
        for body in (
            {"prompt": PROMPT, "model": name},
            {"prompt": PROMPT, "input_reference": {"file_id": name}},
            {"prompt": PROMPT, "video": {"id": name}, "seconds": "4"},
            {"prompt": PROMPT, "characters": [{"id": name}]},
        ):
            path = "/v1/videos/extensions" if "video" in body else CREATE
            refused(house.json(path, body), 400, 404)
        refused(house.json("/v1/batches", {"input_file_id": name, "endpoint": CREATE}), 400, 404)
    at_home(house)


def test_the_raw_path_leads_nowhere(house: House) -> None:
    for path in (
        "/../../../../etc/passwd",
        "/docs/../../../../etc/passwd",
        "/static/../../../../../etc/passwd",
        "/v1/videos/../../../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/v1/videos/%00",
        "/v1/videos/%ff%fe",
    ):
        answer = house.ask("GET", path)
        refused(answer)
        assert b"root:" not in answer.body
