"""Request bodies: received in bounded memory, and read with a model.

Texts stay in memory. Files are written to the store's temporary folder as they arrive, and are removed when
the request is over unless they were put into the store.
"""

# No `from __future__ import annotations`: FastAPI reads the annotations of a callable object as they are, and
# cannot evaluate texts there.

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from hinode.api.context import Context
from hinode.api.failures import Refusal
from hinode.api.limits import Reserve
from hinode.api.requests.forms import from_json, nested
from hinode.api.requests.multipart import MAX_PARTS, FormReader, pieces, too_large
from hinode.errors import BadInput
from hinode.parsing import Input, parse

JSON, FORM = "application/json", "multipart/form-data"
WEB_FORM = "application/x-www-form-urlencoded"
MAX_FILE_BYTES = 256 << 20
MAX_TEXT_BYTES = 24 << 20
"""Of all text of a body; an image in a data URL may have 20 MiB."""
MAX_BOUNDARY_LENGTH = 256


@dataclass(eq=False)
class BodyReader:
    """A FastAPI dependency: the body of the request, read with a model, which OpenAPI shows.

    `media_types` and `required` are for OpenAPI: the server reads JSON and forms, and an empty body.
    `max_file_bytes` is for one file, `max_text_bytes` for everything else.
    """

    model: type[Input]
    media_types: tuple[str, ...] = (JSON, FORM)
    required: bool = True
    max_file_bytes: int = MAX_FILE_BYTES
    max_text_bytes: int = MAX_TEXT_BYTES

    async def __call__(self, request: Request) -> AsyncIterator[Input]:
        """
        Raises:
            Refusal: the body is too large, late, of an unsupported type, or one large body too many at once.
            BadInput: it cannot be read, or a field is unknown or wrong.
        """
        context: Context = request.app.state.context
        # A body may be nobody's on the routes that serve to sign in.
        identity = getattr(request.state, "identity", None)
        project_id = identity.project_id if identity else ""
        with context.body_memory.reserve(project_id) as reserve, ExitStack() as files:
            values = await self._receive(request, context, reserve, files)
            # In a thread, since parsing of a large body takes a while.
            yield await anyio.to_thread.run_sync(lambda: self.read(values()))

    def read(self, values: dict[str, Any]) -> Input:
        """Read the values of a body; raises BadInput."""
        return parse(self.model, values)

    async def _receive(
        self, request: Request, context: Context, reserve: Reserve, files: ExitStack
    ) -> Callable[[], dict[str, Any]]:
        """Receive the body; the result parses it."""
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            message = "Content-Encoding is not supported; send the body uncompressed"
            raise Refusal(415, message, code="unsupported_encoding")
        header, options = parse_options_header(request.headers.get("content-type", ""))
        media_type = header.decode("latin-1")
        if media_type == FORM:
            if not 1 <= len(options.get(b"boundary", b"")) <= MAX_BOUNDARY_LENGTH:
                raise Refusal(400, "the content-type names no boundary; send one with it", code="bad_input")
            bounds = self.max_file_bytes, self.max_text_bytes
            reader = FormReader(request, context.objects, files, reserve, *bounds)
            return partial(nested, await reader.read())
        if media_type == WEB_FORM:
            text = await self._text(request, reserve)
            if text.lstrip()[:1] == b"{":
                message = "the body is JSON, and its content type says that it is a form"
                raise BadInput(message, "send the header Content-Type: application/json", field="body")
            return partial(_web_form, text)
        if media_type in ("", JSON, "text/plain") or media_type.endswith("+json"):
            return partial(from_json, await self._text(request, reserve))
        message = f"a body of type {media_type[:80]} is not supported; send JSON or multipart/form-data"
        raise Refusal(415, message, code="unsupported_media_type")

    async def _text(self, request: Request, reserve: Reserve) -> bytes:
        text = bytearray()
        async for piece in pieces(request):
            if len(text) + len(piece) > self.max_text_bytes:
                raise too_large("the body", self.max_text_bytes)
            reserve(len(piece))
            text += piece
        return bytes(text)


def _web_form(text: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS, errors="strict")
    except ValueError as error:
        message = "the form cannot be read"
        raise BadInput(message, f"send at most {MAX_PARTS} fields in UTF-8", field="body") from error
    return nested(pairs)
