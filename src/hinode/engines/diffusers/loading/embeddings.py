"""A cache of encoded prompts on disk, so that another seed, or a remix, loads no text encoder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.engines import saved_state
from hinode.errors import OutputError
from hinode.output import replace_file

log = logging.getLogger(__name__)

MAX_FILES, MAX_BYTES = 512, 4 * 10**9
"""Default size of the cache. A file takes a few megabytes, of LTX-2 0.8 GB."""


@dataclass(frozen=True)
class Embeddings:
    """A folder of encoded prompts, each under a digest of everything that it depends on. It is created when
    something is first stored. Beyond `max_files` or `max_bytes` the file used longest ago is deleted first; a
    prompt that alone takes more is not stored."""

    folder: Path
    max_files: int = MAX_FILES
    max_bytes: int = MAX_BYTES

    def key(self, **facts: Any) -> str:
        """The key of what is encoded from these facts, which are plain JSON values."""
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def get(self, key: str, device: Any) -> Any:
        """The value under `key`, with its tensors on `device`, or None; a damaged file counts as none."""
        file = self._file(key)
        try:
            value = saved_state.load(file.read_bytes(), device)
            os.utime(file)  # marks it as used
        except (OSError, ValueError):
            return None
        return value

    def put(self, key: str, value: Any) -> None:
        """Store `value` under `key` if that is possible; no clip depends on it."""
        content = saved_state.dump(value)
        if len(content) > self.max_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._evict(len(content))
            with replace_file(self._file(key)) as part:
                part.write_bytes(content)
        except (OSError, OutputError) as error:
            log.warning("the encoded prompt could not be stored: %s", error)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _evict(self, incoming: int) -> None:
        """Make room for a file of so many bytes."""
        statuses = [(file.stat(), file) for file in self.folder.glob("*.safetensors")]
        total = sum(status.st_size for status, _ in statuses)
        for count, (status, file) in enumerate(sorted(statuses, key=lambda item: item[0].st_mtime)):
            if len(statuses) - count < self.max_files and total + incoming <= self.max_bytes:
                break
            file.unlink(missing_ok=True)
            total -= status.st_size
