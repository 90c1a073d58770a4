"""Small checkpoints on disk, a hub made of folders, and a server that speaks as much of the hub's HTTP as a
download needs."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from hinode.errors import BadInput, ModelError
from hinode.registry.hub import HubFile, Listing
from hinode.registry.tiny_decoders import Layout

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


def write_weights(path: Path, fill: float = 0.5, count: int = 64) -> Path:
    """A safetensors file of one tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.full((count, 16), fill, dtype=np.float32)}, path)
    return path


def tiny_decoder(channels: int = 16) -> dict[str, np.ndarray]:
    """The tensors of a tiny decoder for Wan 2.1 in TAEHV's layout, narrow and empty."""
    shapes = Layout(channels, (8, 8, 8, 8), (1, 2, 2), 1).shapes()
    return {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}


def write_gguf(path: Path, tensors: int = 1) -> Path:
    """The head of a GGUF file, and bytes in place of the rest."""
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, tensors, 0) + bytes(64))
    return path


def write_pipeline(folder: Path) -> Path:
    """A folder in Diffusers' layout: two parts with weights, two without."""
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(
        json.dumps(
            {
                "_class_name": "WanPipeline",
                "_diffusers_version": "0.42.1",
                "scheduler": ["diffusers", "UniPCMultistepScheduler"],
                "tokenizer": ["transformers", "T5TokenizerFast"],
                "transformer": ["diffusers", "WanTransformer3DModel"],
                "transformer_2": [None, None],
                "vae": ["diffusers", "AutoencoderKLWan"],
                "boundary_ratio": None,
                "shifts": [1.0, 5.0],
            }
        )
    )
    for part, name in (("scheduler", "scheduler_config"), ("tokenizer", "tokenizer"), ("vae", "config")):
        (folder / part).mkdir()
        (folder / part / f"{name}.json").write_text("{}")
    write_weights(folder / "transformer" / "diffusion_pytorch_model.safetensors", 1.0)
    (folder / "transformer" / "config.json").write_text("{}")
    write_weights(folder / "vae" / "diffusion_pytorch_model.safetensors", 2.0)
    return folder


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


class Shelf:
    """A hub whose repositories are folders `ORG/REPO` below one; every revision holds the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.fetched: list[str] = []
        self.stop_at = ""
        self.spoil = ""

    def listing(self, repository: str, revision: str) -> Listing:
        self.asked.append(f"{repository}@{revision}")
        commit = revision if revision in COMMITS.values() else COMMITS.get(revision or "main", "")
        if not commit or not (self.folder / repository).is_dir():
            raise BadInput(f"there is no {repository}", "check the name", field="source")
        return listing(self.folder / repository, commit)

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        assert commit in COMMITS.values()
        if self.stop_at == file.path:
            raise ModelError(f"{file.path} did not arrive", "pull again")
        self.fetched.append(file.path)
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = bytearray((self.folder / repository / file.path).read_bytes())
        if self.spoil == file.path:
            data[-1] ^= 1
        place.write_bytes(data)
        watch(len(data))


@contextmanager
def served(
    folder: Path, *, cut: str = "", dry: str = "", leads_to: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Serve the repositories below `folder` over HTTP, as far as a download needs.

    Args:
        folder: with `ORG/REPO` in it.
        cut: a file whose first answer breaks off in the middle.
        dry: a file of which no byte is ever given.
        leads_to: the address of another such server, which has the bytes.

    Yields:
        The address, and a line for every request for bytes: path, range, and the token if one came with it.
    """
    seen: list[str] = []
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
            about = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(.+))?", path)
            file = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/(\w+)/(.+)", path)
            match = about or file
            if match is None:
                self.answer(404)
            elif match[1] == "org/gated":
                self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="accept it")
            elif not (folder / match[1]).is_dir():
                self.answer(404, X_Error_Code="RepoNotFound")
            elif about:
                self.about(about[1], about[2] or "main")
            else:
                self.bytes_of(folder / match[1] / match[3], match[2])

        def about(self, repository: str, revision: str) -> None:
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
            told = {"_id": "1", "id": repository, "modelId": repository, "sha": commit, "siblings": siblings}
            self.answer(200, json.dumps(told).encode(), Content_Type="application/json")

        def bytes_of(self, path: Path, commit: str) -> None:
            data = path.read_bytes()
            common = {
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X_Repo_Commit": commit,
                "Accept_Ranges": "bytes",
            }
            if self.command == "HEAD":
                self.answer(200, Content_Length=str(len(data)), **common)
                return
            asked = self.headers.get("Range", "")
            seen.append(" ".join(filter(None, (path.name, asked, self.headers.get("Authorization")))))
            if leads_to:
                self.answer(302, Location=leads_to + self.path)
            elif path.name == dry:
                self.answer(200, **common)
            elif asked:
                start = int(re.findall(r"\d+", asked)[0])
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.answer(206, data[start:], Content_Range=span, **common)
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
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
