"""The routes of the studio's files. There is no build step: browsers get the files of `web/` as they are."""

from __future__ import annotations

import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

WEB = Path(__file__).parent / "web"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Of the files that are served; others, such as declarations of types, are not."""
AT_THE_ROOT = ("service-worker.js", "manifest.webmanifest", "icon.svg", "icon-192.png", "icon-512.png")
"""Files beside the page: a service worker controls only addresses below its own."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
FRESH = {**SECURITY, "cache-control": "no-cache"}
IMMUTABLE = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",  # the policy is that of the page: a hundred modules need no copy
}
PAGES = {
    "index.html": ("app.js", "pages/create.js", "strings/create.js"),
    "verify.html": ("verify.js", "strings/provenance.js"),
}
"""The pages, with the modules of what most people see first on them."""
IMPORT = re.compile(rb"""^import\b[^;]*?"(\.[^"]+)";""", re.MULTILINE)
VERSION = "VERSION"
"""Stands in the page and the service worker for the version."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent: its bytes plain and compressed, and its type."""

    body: bytes
    compressed: bytes
    media_type: str

    @classmethod
    def of(cls, name: str, body: bytes) -> StaticFile:
        return cls(body, gzip.compress(body, 9, mtime=0), MEDIA_TYPES[PurePosixPath(name).suffix])

    def response(self, request: Request, more: Mapping[str, str]) -> Response:
        """The answer to a request, compressed if its client reads that, with `more` headers."""
        headers = {**more, "vary": "accept-encoding"}
        body = self.body
        if "gzip" in request.headers.get("accept-encoding", "") and len(self.compressed) < len(body):
            body = self.compressed
            headers["content-encoding"] = "gzip"
        return Response(body, media_type=self.media_type, headers=headers)


@cache
def web_files() -> tuple[str, Mapping[str, StaticFile]]:
    """The version, which changes with any file, and the files by their names below `web/`."""
    paths = sorted(path for path in WEB.rglob("*") if path.suffix in MEDIA_TYPES)
    bodies = {path.relative_to(WEB).as_posix(): path.read_bytes() for path in paths}
    digests = [[name, hashlib.sha256(body).hexdigest()] for name, body in bodies.items()]
    version = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]
    for page, first in PAGES.items():
        # Modules are asked for together: else a browser learns of each from the one that imports it.
        names = _imports(bodies, first)
        links = "".join(f'<link rel="modulepreload" href="./studio/{VERSION}/{name}">\n' for name in names)
        bodies[page] = bodies[page].replace(b"</head>", links.encode() + b"</head>")
    for name in (*PAGES, "service-worker.js"):
        bodies[name] = bodies[name].replace(VERSION.encode(), version.encode())
    return version, {name: StaticFile.of(name, body) for name, body in bodies.items()}


def _imports(bodies: Mapping[str, bytes], first: tuple[str, ...]) -> list[str]:
    """Some modules and all that they import, each once."""
    names = list(first)
    for name in names:
        for path in IMPORT.findall(bodies[name]):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.decode()))
            if imported not in names:
                names.append(imported)
    return names


@router.get("/")
async def page(request: Request) -> Response:
    """The page of the studio."""
    _, files = web_files()
    return files["index.html"].response(request, FRESH)


@router.get("/verify")
async def verify_page(request: Request) -> Response:
    """The page where everybody checks a file."""
    _, files = web_files()
    return files["verify.html"].response(request, FRESH)


@router.get("/studio/{version}/{name:path}")
async def module(version: str, name: str, request: Request) -> Response:
    """A module, style or picture of one version."""
    current, files = web_files()
    if version != current or name not in files:
        # Never the page: a browser would read it as a module.
        return PlainTextResponse("there is no such file in this version; reload the page\n", 404, SECURITY)
    return files[name].response(request, IMMUTABLE)


def _serve_at_the_root(name: str) -> None:
    @router.get(f"/{name}", name=name)
    async def root_file(request: Request) -> Response:
        _, files = web_files()
        return files[name].response(request, FRESH)


for _name in AT_THE_ROOT:
    _serve_at_the_root(_name)
