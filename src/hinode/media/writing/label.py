"""What a media file says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_TITLE_LENGTH = 200


@dataclass(frozen=True)
class Label:
    """Words to store inside a file.

    Nothing in it may depend on the time or the machine: the same request gives the same bytes.

    Attributes:
        title: what the file shows; long ones are cut.
        comment: one sentence for people on how it was made.
        facts: the same for programs; stored as JSON.
        tags: further entries of the metadata, which only MP4 files hold.
    """

    title: str = ""
    comment: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """The title in one line of at most 200 characters."""
        line = " ".join(self.title.split())
        return line if len(line) <= MAX_TITLE_LENGTH else line[: MAX_TITLE_LENGTH - 1] + "…"

    @property
    def json(self) -> str:
        """The facts as one line of JSON."""
        return json.dumps(dict(self.facts), ensure_ascii=False)
