"""How a process marks the files that leave it, opened once and passed to whatever writes one."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hinode.settings import Settings
from hinode.trust.provenance.authority import Authority, open_authority
from hinode.trust.provenance.ingredients import inspect
from hinode.trust.provenance.signing import Mark, sign, sign_bytes
from hinode.trust.provenance.statement import Statement

FRAMES = "frames.sha256"
"""The file of a folder of frames that lists their digests, as `sha256sum` does. Its manifest, beside it, is
that of the whole sequence."""


@dataclass(frozen=True)
class Marking:
    """How files are marked.

    Attributes:
        settings: where the keys are, and whether files say the prompt that they were made from.
        elsewhere: what signs instead of the keys in the home, such as the server of a worker, or None.
    """

    settings: Settings
    elsewhere: Authority | None = None

    @property
    def embed_prompt(self) -> bool:
        return self.settings.embed_prompt

    @cached_property
    def authority(self) -> Authority:
        """What signs; raises as `open_authority` does."""
        return self.elsewhere or open_authority(self.settings.home, self.settings)

    def sign(self, path: Path, statement: Statement) -> Mark:
        """Sign a file, or a folder of frames as one sequence; see `signing.sign`, which raises the same."""
        if not path.is_dir():
            return sign(path, statement, self.authority)
        lines = []
        for frame in sorted(path.iterdir()):
            with frame.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {frame.name}\n")
        listing = path / FRAMES
        listing.write_text("".join(lines), encoding="utf-8")
        return sign(listing, statement, self.authority)

    def sign_bytes(self, data: bytes, statement: Statement) -> bytes:
        """Sign a small picture; see `signing.sign`, which raises the same."""
        return sign_bytes(data, statement, self.authority)

    def shorten(self, statement: Statement) -> Statement:
        """The same statement without the manifests of the ingredients, for small pictures: it names them by
        their digests, and what they say decides the source type as before."""
        anchors = self.authority.anchors()
        items = []
        for index, item in enumerate(statement.ingredients):
            kind = inspect(item, index, anchors).source_type if item.is_kept else None
            items.append(dataclasses.replace(item, path=None, source_type=kind or item.source_type))
        return dataclasses.replace(statement, ingredients=tuple(items))
