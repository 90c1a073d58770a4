"""Answers that are files."""

from __future__ import annotations

from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from hinode.api.failures import Refusal


class RangeResponse(FileResponse):
    """A file or one range of it; any other Range header means the whole file, as HTTP allows."""

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
