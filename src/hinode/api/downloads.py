"""Answers that are files."""

from __future__ import annotations

from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import Message, Receive, Scope, Send

from hinode.api.failures import Refusal
from hinode.money.meters.days import DailyMeters, Kind


class RangeResponse(FileResponse):
    """A file or one range of it; any other Range header means the whole file, as HTTP allows. What is sent
    to a project counts towards its meters."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = 0

        async def count(message: Message) -> None:
            nonlocal sent
            await send(message)
            sent += len(message.get("body", b""))

        try:
            await super().__call__(scope, receive, count)
        finally:
            identity = scope.get("state", {}).get("identity")
            if sent and identity is not None:
                meters: DailyMeters = scope["app"].state.context.meters
                meters.add(identity.project_id, Kind.SERVED, sent)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            ranges = super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable as error:
            # Starlette would answer with plain text.
            message = f"the requested range starts after the end of the file ({file_size:,} bytes)"
            headers = {"content-range": f"bytes */{file_size}"}
            raise Refusal(416, message, code="range_not_satisfiable", headers=headers) from error
        return ranges if len(ranges) == 1 else []
