"""Prompts as the network reads them, kept on disk: another seed, or a remix, loads no text encoder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from pathlib import Path
from typing import Any

from hinode.engines import saved_state

log = logging.getLogger(__name__)

MAX_FILES = 512
"""How many are kept; beyond that the one used longest ago goes first. One of them takes a few megabytes."""


class Embeddings:
    """A folder of encoded prompts, each under the digest of all that it depends on."""

    def __init__(self, folder: Path, most: int = MAX_FILES) -> None:
        """
        Args:
            folder: made when something is first kept.
            most: how many files to keep.
        """
        self.folder = folder
        self.most = most

    def key(self, **facts: Any) -> str:
        """The name for what is encoded from these facts, which are plain JSON values."""
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def get(self, key: str, device: Any) -> Any:
        """What was kept under `key`, or None; a damaged file counts as none."""
        file = self._file(key)
        try:
            found = saved_state.load(file.read_bytes(), device)
            os.utime(file)  # it was used
        except (OSError, ValueError):
            return None
        return found

    def put(self, key: str, value: Any) -> None:
        """Keep `value` under `key`, if that can be done; the clip does not depend on it."""
        part = self.folder / f"{key}.{secrets.token_hex(4)}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(saved_state.dump(value))
            part.replace(self._file(key))
            self._thin_out()
        except OSError as error:
            part.unlink(missing_ok=True)
            log.warning("the encoded prompt could not be kept: %s", error)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _thin_out(self) -> None:
        used = {file: file.stat().st_mtime for file in self.folder.glob("*.safetensors")}
        for file in sorted(used, key=lambda file: used[file])[: max(0, len(used) - self.most)]:
            file.unlink(missing_ok=True)
