"""The Hugging Face Hub, through its own library."""

from __future__ import annotations

import hashlib
import importlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from hinode.background import backoff
from hinode.errors import BadInput, HinodeError, ModelError, OutputError, quote
from hinode.registry import inspection
from hinode.registry.hub import HubFile, Listing

MAX_HTTP_BYTES = 50 * 10**9
"""Size of the largest file that the hub serves over plain HTTP."""

BLOCK = 2**20
MAX_ATTEMPTS = 5
RETRYABLE = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""


class HuggingFace:
    """The Hugging Face Hub or a compatible one. The token in `HF_TOKEN` is sent, if there is one."""

    def __init__(self, endpoint: str | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        """ModelError if the library is not installed.

        Args:
            endpoint: address of the hub, or None for the public one.
            pause: waits for so many seconds before a connection is tried again.
        """
        try:
            self.library: Any = importlib.import_module("huggingface_hub")
            self.errors: Any = importlib.import_module("huggingface_hub.errors")
        except ImportError as error:
            raise ModelError(
                "nothing can be fetched from a hub, because the package huggingface_hub is not installed",
                "install it with `pip install 'hinode[diffusers]'`, or fetch the files and add their folder",
            ) from error
        # The library raises what it warns of, or handles it itself; its warnings contain addresses.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self.endpoint = endpoint
        self.pause = pause

    def listing(self, repository: str, revision: str) -> Listing:
        """See `Hub.listing`."""
        try:
            info = self.library.HfApi(endpoint=self.endpoint).model_info(
                repository, revision=revision or None, files_metadata=True, timeout=30
            )
        except Exception as error:
            raise self._translate(error, repository, revision) from error
        files = (
            HubFile(
                file.rfilename, int(file.size or 0), file.lfs.sha256 if file.lfs else "", file.blob_id or ""
            )
            for file in info.siblings or ()
        )
        return Listing(str(info.sha), tuple(files))

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        """See `Hub.fetch`.

        The library starts from the beginning after a crash, so bytes are fetched here. Only files that are
        too large for plain HTTP are left to it.
        """
        place = folder / file.path
        try:
            if file.size > MAX_HTTP_BYTES:
                self.library.hf_hub_download(
                    repository, file.path, revision=commit, local_dir=folder, endpoint=self.endpoint
                )
                return
            key = hashlib.sha256(f"{file.path} {file.sha256 or file.blob}".encode()).hexdigest()[:32]
            part = folder / ".cache" / f"{key}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            address = self.library.hf_hub_url(repository, file.path, revision=commit, endpoint=self.endpoint)
            self._download(address, part, file, watch)
            part.replace(place)
        except HinodeError:
            raise
        except Exception as error:
            raise self._translate(error, repository, commit, file.path) from error

    def _download(self, address: str, part: Path, file: HubFile, watch: Callable[[int], None]) -> None:
        """Fetch what `part` lacks; a broken connection is tried again as long as bytes arrive."""
        size, failures = inspection.size([part]), 0
        watch(size)
        while size < file.size or not part.exists():
            start, problem = size, None
            try:
                size = self._append(address, part, size, file, watch)
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in RETRYABLE:
                    raise
                size, problem = inspection.size([part]), error
            if problem is None and size >= file.size:
                break
            failures = 0 if size > start else failures + 1
            if failures >= MAX_ATTEMPTS:
                raise problem or httpx.ReadError("the responses are empty")
            self.pause(backoff(failures + 1, first=1.0, maximum=60.0))

    def _append(
        self, address: str, part: Path, size: int, file: HubFile, watch: Callable[[int], None]
    ) -> int:
        """Append the body of one response to `part`, and return the new size."""
        headers = dict(self.library.utils.build_hf_headers()) | {"Accept-Encoding": "identity"}
        if size:
            headers["Range"] = f"bytes={size}-"
        # httpx drops the token when it is redirected to another host.
        with httpx.stream("GET", address, headers=headers, follow_redirects=True, timeout=30) as response:
            response.raise_for_status()
            if size and response.status_code != httpx.codes.PARTIAL_CONTENT:
                watch(-size)
                size = 0
            with part.open("ab" if size else "wb") as opened:
                for block in response.iter_raw(BLOCK):
                    opened.write(block)
                    size += len(block)
                    watch(len(block))
                    if size > file.size:
                        break  # not the promised file, and it could be endless
        return size

    def _translate(self, error: Exception, repository: str, revision: str, path: str = "") -> HinodeError:
        """The library's error in plain words."""
        what = f"{path} of {repository}" if path else repository
        denied = isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (401, 403)
        if denied or isinstance(error, self.errors.GatedRepoError):
            message = f"{repository} is open only to those who accepted its licence"
            remedy = "accept it on its page, create a token there and set HF_TOKEN to it"
            return BadInput(message, remedy, field="source")
        if isinstance(error, self.errors.RevisionNotFoundError):
            message = f"{repository} has no revision {quote(revision)}"
            return BadInput(message, "give a commit of it", field="revision")
        if isinstance(error, self.errors.RepositoryNotFoundError | self.errors.HFValidationError):
            message = f"there is no repository {quote(repository)} on the hub, or it is not open to you"
            return BadInput(message, "check the name, or set HF_TOKEN", field="source")
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            message = f"cannot write {what}: {error.strerror or error}"
            return OutputError(message, "free some space, or choose another HINODE_HOME")
        # The library's own message may be many lines long, and may contain a signed address.
        message = f"{what} could not be fetched ({type(error).__name__})"
        return ModelError(message, "check the connection and pull again; it resumes where it stopped")
