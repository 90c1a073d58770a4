"""What stands behind a cache of files: a store that this process reaches over a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Remote(Protocol):
    """Files under their digests, elsewhere. Safe to use from several threads.

    Digests are SHA-256 in lower-case hexadecimal. Every method raises `StoreError` if the store cannot be
    used.
    """

    name: str
    """For messages, such as s3://bucket/prefix."""

    def size(self, digest: str) -> int | None:
        """Bytes of a file, or None if it is not there."""

    def download(self, digest: str, path: Path) -> None:
        """Write a file to `path`; the caller compares its digest.

        Raises:
            FileNotFoundError: it is not there.
        """

    def upload(self, digest: str, path: Path) -> None:
        """Store a file, unless it is there; on return it is, whole, and was compared with this digest."""

    def touch(self, digest: str) -> bool:
        """Whether a file is there. If it is, no sweep removes it in the next half hour."""

    def delete(self, digest: str, older_than: float) -> bool:
        """Remove a file unless it is younger than `older_than` seconds; returns whether it was removed."""

    def digests(self) -> Iterator[tuple[str, float]]:
        """All files, with the age of each in seconds."""

    def tidy(self, older_than: float) -> int:
        """Remove previews and left-overs of that age in seconds; returns how many there were."""

    def url(self, digest: str) -> str | None:
        """An address that anybody may download a file from for a while, or None if there is none. It is as
        good as a key, so it stands in no log."""

    def upload_url(self, name: str, part: int) -> str | None:
        """An address that a part of an upload may be sent to with PUT for a while, or None if there is none.
        It is as good as a key, so it stands in no log.

        Args:
            name: of the upload, several words with "/" between them.
            part: its number, from 0.
        """

    def adopt(self, name: str, parts: int, digest: str, *, max_bytes: int) -> int | None:
        """Store the file that the parts of an upload make together, and forget the upload.

        Returns: bytes of the file, or None if a part is missing, or if they are another file or more than
        `max_bytes`.
        """

    def check(self) -> None:
        """See that something can be written now; quick."""

    def try_out(self) -> None:
        """See that files of all sizes are read back as they were written."""

    def preview(self, job_id: str) -> bytes | None:
        """The preview of a job, if it has one."""

    def put_preview(self, job_id: str, picture: bytes) -> None:
        """Replace the preview of a job."""

    def delete_preview(self, job_id: str) -> None:
        """Remove the preview of a job, if it has one."""
