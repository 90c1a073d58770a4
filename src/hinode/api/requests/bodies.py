"""Reading bodies, with bounds on everything: a body of any size and shape costs a bounded amount of memory.

Texts stay in memory, files go into the store's temporary folder as they arrive, and are removed when the
request is over unless somebody has put them into the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from hinode.api.failures import SERVER_ERROR, Refusal
from hinode.api.limits import ByteBudget
from hinode.api.requests import fields
from hinode.api.requests.fields import Fields, Part
from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects

MEGABYTE = 1 << 20
MAX_TEXT_BYTES = 24 * MEGABYTE
"""All text of a body; an image in a data URL may have 20 MiB."""
MAX_CONCURRENT = 256 * MEGABYTE
"""All text of all bodies that are there at one time."""
SMALL = MEGABYTE
"""A body with less text always gets in."""
BUSY_RETRY = "2"
MAX_FILE_BYTES = 256 * MEGABYTE
MAX_FILES = 4
MAX_PARTS = 128
MAX_FIELD_NAME_LENGTH = 200
MAX_HEADER_BYTES, MAX_HEADERS = 8192, 16
WRITE_BLOCK = MEGABYTE


class Body:
    """A body that has arrived. Reading JSON may take a while, so it is done in `fields`, which a thread may
    call."""

    def __init__(self, text: bytes | None, pairs: list[tuple[str, Any]]) -> None:
        self._text = text
        self._pairs = pairs

    def fields(self) -> Fields:
        """The values.

        Raises:
            BadInput: they cannot be read.
        """
        values = fields.from_json(self._text) if self._text is not None else fields.nested(self._pairs)
        return Fields(values)


@asynccontextmanager
async def received(
    request: Request, objects: Objects, *, most_file: int = MAX_FILE_BYTES, most_text: int = MAX_TEXT_BYTES
) -> AsyncIterator[Body]:
    """The body of a request; its files are there while the block lasts.

    Args:
        request: whose body has not been read.
        objects: where files go.
        most_file: bytes of one file.
        most_text: bytes of everything else.

    Raises:
        Refusal: too large, too many parts, of a kind that cannot be read, or one large body too many at once.
    """
    with _ByteReservation(request.app.state.room) as claim:
        async with _received(request, objects, claim, most_file, most_text) as body:
            yield body


@asynccontextmanager
async def _received(
    request: Request, objects: Objects, claim: _ByteReservation, most_file: int, most_text: int
) -> AsyncIterator[Body]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "the body is packed; send it as it is", code="unsupported_encoding")
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 256:
            raise Refusal(400, "the content-type names no boundary of the parts", code="bad_input")
        with ExitStack() as stack:
            form = _Form(boundary, objects, stack, claim, most_file, most_text)
            yield Body(None, await form.read(request))
    elif kind == b"application/x-www-form-urlencoded":
        text = await _whole(request, claim, most_text)
        yield Body(None, _pairs(text))
    elif kind in (b"", b"application/json", b"text/plain") or kind.endswith(b"+json"):
        yield Body(await _whole(request, claim, most_text), [])
    else:
        raise Refusal(
            415,
            f"a body of type {kind.decode('latin-1')[:80]} cannot be read; send JSON or multipart/form-data",
            code="unsupported_media_type",
        )


def too_large(what: str, most: int) -> Refusal:
    """That something has more bytes than it may."""
    return Refusal(413, f"{what} has more than {most:,} bytes; send less", code="too_large")


class _ByteReservation:
    """What the text of one body takes of the room that all bodies share; it is given back after the block."""

    def __init__(self, room: ByteBudget) -> None:
        self.room = room
        self.size = self.taken = 0

    def __enter__(self) -> _ByteReservation:
        return self

    def __exit__(self, *exception: object) -> None:
        self.room.give(self.taken)

    def more(self, size: int) -> None:
        """So many bytes have come in.

        Raises:
            Refusal: they are too many beside those of the others.
        """
        self.size += size
        if self.size >= SMALL:
            if not self.room.take(self.size - self.taken):
                raise Refusal(
                    503,
                    "too many large bodies are being read at the moment; ask again in a little while",
                    code="unavailable",
                    type=SERVER_ERROR,
                    headers={"retry-after": BUSY_RETRY},
                )
            self.taken = self.size


async def _whole(request: Request, claim: _ByteReservation, most: int) -> bytes:
    pieces = bytearray()
    async for piece in request.stream():
        if len(pieces) + len(piece) > most:
            raise too_large("the body", most)
        claim.more(len(piece))
        pieces += piece
    return bytes(pieces)


def _pairs(text: bytes) -> list[tuple[str, Any]]:
    try:
        return list(
            parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS, errors="strict")
        )
    except ValueError as error:
        raise BadInput(
            "the form cannot be read", f"send at most {MAX_PARTS} fields in UTF-8", field="body"
        ) from error


class _Form:
    """Takes a multipart body apart as it arrives."""

    def __init__(
        self,
        boundary: bytes,
        objects: Objects,
        stack: ExitStack,
        claim: _ByteReservation,
        most_file: int,
        most_text: int,
    ) -> None:
        self.objects = objects
        self.stack = stack
        self.claim = claim
        self.most_file = most_file
        self.most_text = most_text
        self.pairs: list[tuple[str, Any]] = []
        self.parts = self.files = self.text_bytes = 0
        self.done = False
        self.header_name = bytearray()
        self.header_value = bytearray()
        self.headers: dict[bytes, bytes] = {}
        self.name = self.filename = self.media_type = ""
        self.text = bytearray()
        self.file: tuple[Path, BinaryIO] | None = None
        self.file_bytes = 0
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
                "on_end": self._on_end,
            },
        )

    async def read(self, request: Request) -> list[tuple[str, Any]]:
        waiting = bytearray()
        try:
            async for piece in request.stream():
                waiting += piece
                if len(waiting) >= WRITE_BLOCK:
                    # In a thread, since pieces of files are written to the disk on the way.
                    await anyio.to_thread.run_sync(self.parser.write, bytes(waiting))
                    waiting.clear()
            self.parser.write(bytes(waiting))
            self.parser.finalize()
        except (FormParserError, UnicodeDecodeError) as error:
            raise BadInput(
                "the parts of the body cannot be told apart", "see that it is whole", field="body"
            ) from error
        if self.parts and not self.done:
            raise BadInput("the body is cut off", "send all of it", field="body")
        return self.pairs

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise Refusal(413, f"the body has more than {MAX_PARTS} parts; send fewer", code="too_large")
        self.headers = {}
        self.text = bytearray()
        self.file = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.header_name += data[start:end]
        self._check_head()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.header_value += data[start:end]
        self._check_head()

    def _check_head(self) -> None:
        if (
            len(self.header_value) + len(self.header_name) > MAX_HEADER_BYTES
            or len(self.headers) > MAX_HEADERS
        ):
            raise BadInput("the head of a part of the body is too long", "say less in it", field="body")

    def _on_header_end(self) -> None:
        self.headers[bytes(self.header_name).lower()] = bytes(self.header_value)
        self.header_name.clear()
        self.header_value.clear()

    def _on_headers(self) -> None:
        kind, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise BadInput("a part of the body has no name", "name each of them", field="body")
        self.name = options[b"name"].decode()
        if len(self.name) > MAX_FIELD_NAME_LENGTH:
            raise BadInput("the name of a field is too long", "see what the fields are called", field="body")
        if b"filename" not in options:
            return
        self.files += 1
        if self.files > MAX_FILES:
            raise Refusal(413, f"the body has more than {MAX_FILES} files; send fewer", code="too_large")
        self.filename = options[b"filename"].decode(errors="replace")
        media_type, _ = parse_options_header(self.headers.get(b"content-type", b""))
        self.media_type = media_type.decode("latin-1").lower() or "application/octet-stream"
        path = self.stack.enter_context(self.objects.temporary())
        self.file = path, self.stack.enter_context(path.open("wb"))
        self.file_bytes = 0

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self.file is None:
            self.text_bytes += end - start
            if self.text_bytes > self.most_text:
                raise too_large("the text of the body", self.most_text)
            self.claim.more(end - start)
            self.text += data[start:end]
            return
        self.file_bytes += end - start
        if self.file_bytes > self.most_file:
            raise too_large("the file", self.most_file)
        self.file[1].write(data[start:end])

    def _end(self) -> None:
        if self.file is None:
            self.pairs.append((self.name, self.text.decode()))
            return
        path, file = self.file
        file.close()
        self.pairs.append((self.name, Part(path, self.filename, self.media_type, self.file_bytes)))

    def _on_end(self) -> None:
        self.done = True
