"""Hubs on this machine: one made of folders, and a server that speaks as much of the Hugging Face Hub's HTTP
as a download needs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hinode.errors import BadInput, ModelError
from hinode.registry.hub import HubFile, Listing

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


def listing(folder: Path, commit: str) -> Listing:
    """A folder as a repository: weights by SHA-256, as large files are, the rest by Git's digest."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            large = path.suffix in (".safetensors", ".gguf", ".bin")
            files.append(
                HubFile(
                    path.relative_to(folder).as_posix(),
                    len(data),
                    hashlib.sha256(data).hexdigest() if large else "",
                    hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest(),
                )
            )
    return Listing(commit, tuple(files))


class FolderHub:
    """A hub whose repositories are folders `ORG/REPO` below one; every revision has the same content.

    Attributes:
        folder: with the repositories.
        listings: every repository and revision that was listed.
        fetched: every file that was fetched.
        missing: path of a file that does not arrive, or "".
        corrupted: path of a file that arrives with another byte, or "".
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listings: list[str] = []
        self.fetched: list[str] = []
        self.missing = ""
        self.corrupted = ""

    def listing(self, repository: str, revision: str) -> Listing:
        self.listings.append(f"{repository}@{revision}")
        commit = revision if revision in COMMITS.values() else COMMITS.get(revision or "main", "")
        if not commit or not (self.folder / repository).is_dir():
            raise BadInput(f"there is no {repository}", "check the name", field="source")
        return listing(self.folder / repository, commit)

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        assert commit in COMMITS.values()
        if self.missing == file.path:
            raise ModelError(f"{file.path} did not arrive", "pull again")
        self.fetched.append(file.path)
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = bytearray((self.folder / repository / file.path).read_bytes())
        if self.corrupted == file.path:
            data[-1] ^= 1
        place.write_bytes(data)
        watch(len(data))


@contextmanager
def serve(
    folder: Path, *, cut: str = "", empty: str = "", redirect: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Serve the repositories below `folder` over HTTP, as far as a download needs.

    Args:
        folder: with `ORG/REPO` in it.
        cut: a file whose first response breaks off in the middle.
        empty: a file whose responses are always empty.
        redirect: the address of another such server, to which requests for bytes are redirected.

    Yields:
        The address, and a line for every request for bytes: path, range, and the token if one came with it.
    """
    requests: list[str] = []
    cuts = [cut] if cut else []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *words: object) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            info = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(.+))?", path)
            file = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/(\w+)/(.+)", path)
            match = info or file
            if match is None:
                self.answer(404)
            elif match[1] == "org/gated":
                self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="accept it")
            elif not (folder / match[1]).is_dir():
                self.answer(404, X_Error_Code="RepoNotFound")
            elif info:
                self.send_info(info[1], info[2] or "main")
            else:
                self.send_bytes(folder / match[1] / match[3], match[2])

        def send_info(self, repository: str, revision: str) -> None:
            commit = revision if revision in COMMITS.values() else COMMITS.get(revision)
            if commit is None:
                self.answer(404, X_Error_Code="RevisionNotFound")
                return
            siblings = [
                {
                    "rfilename": file.path,
                    "size": file.size,
                    "blobId": file.blob,
                    **(
                        {"lfs": {"size": file.size, "sha256": file.sha256, "pointerSize": 130}}
                        if file.sha256
                        else {}
                    ),
                }
                for file in listing(folder / repository, commit).files
            ]
            info = {"_id": "1", "id": repository, "modelId": repository, "sha": commit, "siblings": siblings}
            self.answer(200, json.dumps(info).encode(), Content_Type="application/json")

        def send_bytes(self, path: Path, commit: str) -> None:
            data = path.read_bytes()
            common = {
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X_Repo_Commit": commit,
                "Accept_Ranges": "bytes",
            }
            if self.command == "HEAD":
                self.answer(200, Content_Length=str(len(data)), **common)
                return
            span = self.headers.get("Range", "")
            requests.append(" ".join(filter(None, (path.name, span, self.headers.get("Authorization")))))
            if redirect:
                self.answer(302, Location=redirect + self.path)
            elif path.name == empty:
                self.answer(200, **common)
            elif span:
                start = int(re.findall(r"\d+", span)[0])
                content_range = f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.answer(206, data[start:], Content_Range=content_range, **common)
            elif path.name in cuts:
                cuts.remove(path.name)
                self.close_connection = True
                self.answer(200, data[: len(data) // 2], Content_Length=str(len(data)), **common)
            else:
                self.answer(200, data, **common)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
