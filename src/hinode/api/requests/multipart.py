"""Multipart bodies in bounded memory: texts stay in memory, files are written to the store's folder."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hinode.api.failures import Refusal
from hinode.api.limits import Reserve
from hinode.api.requests.forms import FilePart
from hinode.errors import BadInput, quote
from hinode.jobs.files.objects import Objects

MAX_FILES = 4
MAX_PARTS = 128
MAX_FIELD_NAME_LENGTH = 200
SILENCE_SECONDS, MIN_BYTES_PER_SECOND = 30.0, 1024
"""How long the next piece of a body may take, and how slow a body may be after that time."""
FILE_TYPES = re.compile(rb"(image|video|audio)/|application/(octet-stream|jsonl|mp4)\b", re.IGNORECASE)
"""Types of parts that are files even if no file name says so; it is optional."""


def too_large(what: str, max_bytes: int) -> Refusal:
    """The answer to something of more than `max_bytes`."""
    return Refusal(413, f"{what} has more than {max_bytes:,} bytes; send less", code="too_large")


async def pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """The body of a request as it arrives.

    Raises:
        Refusal: it arrives too slowly.
    """
    stream, deadline = request.stream(), anyio.current_time() + SILENCE_SECONDS
    try:
        while True:
            with anyio.fail_after(min(SILENCE_SECONDS, deadline - anyio.current_time())):
                piece = await anext(stream, None)
            if piece is None:
                return
            deadline += len(piece) / MIN_BYTES_PER_SECOND
            yield piece
    except TimeoutError as error:
        message = "the body arrives too slowly; send it again over a faster connection"
        raise Refusal(408, message, code="timeout") from error


class FormReader(MultiPartParser):
    """Starlette's parser with more bounds; it writes files in a thread, as they arrive."""

    def __init__(
        self,
        request: Request,
        objects: Objects,
        files: ExitStack,
        reserve: Reserve,
        max_file_bytes: int,
        max_text_bytes: int,
    ) -> None:
        """`files` removes the files; `max_file_bytes` is for each, `max_text_bytes` for all texts."""
        bounds = {"max_files": MAX_FILES, "max_fields": MAX_PARTS, "max_part_size": max_text_bytes}
        super().__init__(request.headers, pieces(request), **bounds)
        self.objects = objects
        self.files = files
        self.reserve = reserve
        self.max_file_bytes = max_file_bytes
        self.max_text_bytes = max_text_bytes
        self._file_bytes = self._text_bytes = 0
        self._complete = False

    async def read(self) -> list[tuple[str, str | FilePart]]:
        """The names and values of the parts, in their order.

        Raises:
            BadInput: the body is malformed or cut off.
            Refusal: it is too large, or has too many parts.
        """
        try:
            await self.parse()
        except (MultiPartException, FormParserError) as error:
            if str(getattr(error, "message", "")).startswith("Too many"):
                message = f"the body has more than {MAX_FILES} files or {MAX_PARTS} texts; send fewer"
                raise Refusal(413, message, code="too_large") from error
            message = "the multipart body is malformed"
            remedy = "check the boundary, and that each part has a name"
            raise BadInput(message, remedy, field="body") from error
        if self._current_part.field_name and not self._complete:
            raise BadInput("the multipart body is cut off", "send all of it", field="body")
        return [(name, await _value(value)) for name, value in self.items]

    def on_headers_finished(self) -> None:
        part = self._current_part
        media_type = dict(part.item_headers).get(b"content-type", b"")
        _, options = parse_options_header(part.content_disposition)
        if FILE_TYPES.match(media_type) and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()
        if len(part.field_name) > MAX_FIELD_NAME_LENGTH:
            message = "the name of a field is too long"
            raise BadInput(message, f"stay within {MAX_FIELD_NAME_LENGTH} characters", field="body")
        if part.file is None:
            return
        self._file_bytes = 0
        # In place of Starlette's own temporary file, which would have to be copied.
        part.file.file.close()
        path = self.files.enter_context(self.objects.temporary())
        part.file.file = self.files.enter_context(path.open("wb"))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._text_bytes += end - start
            if self._text_bytes > self.max_text_bytes:
                raise too_large("the text of the body", self.max_text_bytes)
            self.reserve(end - start)
        else:
            self._file_bytes += end - start
            if self._file_bytes > self.max_file_bytes:
                raise too_large("the file", self.max_file_bytes)
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            # Starlette would read text that is not UTF-8 as Latin-1.
            try:
                self.items.append((part.field_name, part.data.decode()))
            except UnicodeDecodeError as error:
                message = f"the part {quote(part.field_name)} is not text in UTF-8"
                remedy = "send a file with a file name, or with its media type"
                raise BadInput(message, remedy, field=part.field_name) from error
        else:
            super().on_part_end()

    def on_end(self) -> None:
        self._complete = True


async def _value(value: str | UploadFile) -> str | FilePart:
    if isinstance(value, str):
        return value
    await value.close()
    filename, count = value.filename or "", value.size or 0
    if not filename and not count:
        return ""  # an empty file field of a web form
    media_type = (value.content_type or "application/octet-stream").partition(";")[0].strip().lower()
    return FilePart(Path(value.file.name), filename, media_type, count)
