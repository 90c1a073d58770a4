"""The Hugging Face Hub, through its own library; see `hub` for what is done with it."""

from __future__ import annotations

import hashlib
import importlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from hinode.errors import BadInput, HinodeError, ModelError, OutputError, quote
from hinode.registry.hub import HubFile, Listing

MAX_PIECE_BYTES = 50 * 10**9
"""Bytes of the largest file that the hub gives out over plain HTTP."""

BLOCK = 2**20
MAX_ATTEMPTS = 5
PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""


class HuggingFace:
    """The Hugging Face Hub or one like it; the token in `HF_TOKEN` is used where a repository asks for it."""

    def __init__(self, endpoint: str | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        """
        Args:
            endpoint: address of the hub, or None for the usual one.
            pause: waits that many seconds before a connection is made again.

        Raises:
            ModelError: the library that speaks to it is not installed.
        """
        try:
            self.library: Any = importlib.import_module("huggingface_hub")
            self.errors: Any = importlib.import_module("huggingface_hub.errors")
        except ImportError as error:
            raise ModelError(
                "nothing can be fetched from a hub, for the package huggingface_hub is not installed",
                "install it with `pip install 'hinode[diffusers]'`, or fetch the files and add their folder",
            ) from error
        # What it warns of is raised too, or mended by itself; its words have addresses in them.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self.endpoint = endpoint
        self.pause = pause

    def listing(self, repository: str, revision: str) -> Listing:
        """See `Hub.listing`."""
        try:
            told = self.library.HfApi(endpoint=self.endpoint).model_info(
                repository, revision=revision or None, files_metadata=True, timeout=30
            )
        except Exception as error:
            raise self._plain(error, repository, revision) from error
        return Listing(
            str(told.sha),
            tuple(
                HubFile(
                    file.rfilename,
                    int(file.size or 0),
                    file.lfs.sha256 if file.lfs else "",
                    file.blob_id or "",
                )
                for file in told.siblings or ()
            ),
        )

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        """See `Hub.fetch`. The library begins anew after a crash, so the bytes are fetched here; only files
        larger than the hub gives out in one piece are left to it."""
        place = folder / file.path
        try:
            if file.size > MAX_PIECE_BYTES:
                self.library.hf_hub_download(
                    repository, file.path, revision=commit, local_dir=folder, endpoint=self.endpoint
                )
                return
            kept = hashlib.sha256(f"{file.path} {file.sha256 or file.blob}".encode()).hexdigest()[:32]
            part = folder / ".cache" / f"{kept}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            address = self.library.hf_hub_url(repository, file.path, revision=commit, endpoint=self.endpoint)
            self._stream(address, part, file, watch)
            part.replace(place)
        except HinodeError:
            raise
        except Exception as error:
            raise self._plain(error, repository, commit, file.path) from error

    def _stream(self, address: str, part: Path, file: HubFile, watch: Callable[[int], None]) -> None:
        """Fetch what is missing of `part`; a connection that breaks is made again as long as bytes come."""
        there, tries = part.stat().st_size if part.exists() else 0, 0
        watch(there)
        while there < file.size or not part.exists():
            before, broken = there, None
            try:
                there = self._read_on(address, part, there, file, watch)
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in PASSING:
                    raise
                there, broken = part.stat().st_size if part.exists() else 0, error
            if broken is None and there >= file.size:
                break
            tries = 0 if there > before else tries + 1
            if tries >= MAX_ATTEMPTS:
                raise broken or httpx.ReadError("the answers hold nothing")
            self.pause(2.0**tries)

    def _read_on(
        self, address: str, part: Path, there: int, file: HubFile, watch: Callable[[int], None]
    ) -> int:
        """Add to `part` what one answer brings; returns how many bytes are there then."""
        headers = dict(self.library.utils.build_hf_headers()) | {"Accept-Encoding": "identity"}
        if there:
            headers["Range"] = f"bytes={there}-"
        # A token is not sent on to another host: httpx leaves it out when it is led there.
        with httpx.stream("GET", address, headers=headers, follow_redirects=True, timeout=30) as answer:
            answer.raise_for_status()
            if there and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                watch(-there)
                there = 0
            with part.open("ab" if there else "wb") as opened:
                for block in answer.iter_raw(BLOCK):
                    opened.write(block)
                    there += len(block)
                    watch(len(block))
                    if there > file.size:
                        break  # it is not the file that was promised, and could go on for ever
        return there

    def _plain(self, error: Exception, repository: str, revision: str, path: str = "") -> HinodeError:
        """What to tell a person of what the library raised."""
        what = f"{path} of {repository}" if path else repository
        denied = isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (401, 403)
        if denied or isinstance(error, self.errors.GatedRepoError):
            return BadInput(
                f"{repository} is open only to those who accepted its licence",
                "accept it on its page, make a token there and set HF_TOKEN to it",
                field="source",
            )
        if isinstance(error, self.errors.RevisionNotFoundError):
            return BadInput(
                f"{repository} has no revision {quote(revision)}", "give a commit of it", field="revision"
            )
        if isinstance(error, self.errors.RepositoryNotFoundError | self.errors.HFValidationError):
            return BadInput(
                f"there is no repository {quote(repository)} on the hub, or it is not open to you",
                "check the name, or set HF_TOKEN",
                field="source",
            )
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            return OutputError(
                f"cannot write {what}: {error.strerror or error}", "make room or another HINODE_HOME"
            )
        # The library's words may be many lines long, and may have a signed address in them.
        return ModelError(
            f"{what} could not be fetched ({type(error).__name__})",
            "check the connection and pull again; it goes on from where it stopped",
        )
