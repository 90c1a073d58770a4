"""The program that reads a file from a stranger. It runs in a process of its own, see `reader`.

The native reader of C2PA can crash, take gigabytes or look up addresses that the file names. Here it has
limits of memory and of time, its only files are the ones that it was started with, and no more can be opened:
a socket is a file too. The program imports nothing of Hinode, so that it starts quickly.

Standard input is the file. The argument is a JSON object: `beside` is the number of an open file, the
sidecar, or null, `anchors` are certificates as PEM, and the rest are limits. Two lines of JSON are written:
the facts of the file itself, and then what the C2PA reader says. A process that dies in that reader has
written the first.

With `ingredient`, the definition of one, the file is what another is made from, and there is one line, see
`_read_ingredient`.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import io
import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any

BLOCK_BYTES = 1 << 20
MAX_BOXES = 4096
"""Boxes of the top level that are looked at."""
MARKS = (
    bytes.fromhex("d8fec3d61b0e483c92975828877ec481"),  # the type of the box in an MP4
    bytes.fromhex("6332706100110010800000aa00389b71"),  # the type of the store of manifests
    b"c2pa.claim",
    b"c2pa.signature",
    b"c2pa.assertions",
)
"""What a file with a manifest contains; part of it is left when the rest was destroyed."""
MEDIA = b"mdat"
UNCHECKED = "org.hinode.ingredient.unchecked"
"""What validation results say of an ingredient that is too large to be compared with its record."""
HASH_OF_CONTENT = "assertion.bmffHash."
UNTRUSTED = "signingCredential.untrusted"
MATROSKA = bytes.fromhex("1a45dfa3")
"""The first bytes of WebM and MKV."""
LONG_SIZE = 1
TO_THE_END = 0
MAX_STORE_BYTES = 4 << 20
"""Of the box with the manifests of an ingredient that is too large to be read whole."""
NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000
"""Flags of Linux."""
BESIDE = 3
"""The number of its file, the one after the standard files."""

Box = tuple[bytes, int, int]
"""Its type, where its content begins, and how many bytes the content has."""


def main() -> None:
    """Read standard input and write the two lines."""
    options = json.loads(sys.argv[1])
    from c2pa import Builder, Context, Reader  # before no more files can be opened

    limit_process(options)
    file = open(0, "rb", closefd=False)  # noqa: SIM115
    if "ingredient" in options:
        _write(_read_ingredient(file, options, Context, Reader, Builder))
        return
    _write(_facts(file))
    file.seek(0)
    _write(_read_manifests(file, options, Context, Reader))


def limit_process(options: dict[str, Any]) -> None:
    """Give up what reading a file does not need, on systems that can limit a process. The file beside it gets
    the number `BESIDE`."""
    if options["beside"] is not None:
        os.dup2(options["beside"], BESIDE)
    with suppress(AttributeError, OSError):
        os.nice(options["nice"])  # the workers come first
    with suppress(AttributeError, ValueError):
        signal.alarm(options["wait_seconds"])  # also if the parent has died
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        files = BESIDE if options["beside"] is None else BESIDE + 1
        for limit, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, options["output_bytes"]),
            (resource.RLIMIT_CPU, options["cpu_seconds"]),
            (resource.RLIMIT_AS, options["memory_bytes"]),
            (resource.RLIMIT_NOFILE, files),  # the number of a new file would have to be lower
        ):
            resource.setrlimit(limit, (value, value))
    # Where the system allows it, a network without any device too.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).unshare(NEW_USER_AND_NETWORK)


def _facts(file: IO[bytes]) -> dict[str, Any]:
    """Digests of a file, its boxes if it is an MP4, and which marks of a manifest are in it."""
    digest, size, tail = hashlib.sha256(), 0, b""
    marks: set[int] = set()
    overlap = max(map(len, MARKS)) - 1
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
        size += len(block)
        window = tail + block
        marks |= {index for index, mark in enumerate(MARKS) if index not in marks and mark in window}
        tail = window[-overlap:]
    boxes = list(read_boxes(file, size))
    file.seek(0)
    is_matroska = file.read(len(MATROSKA)) == MATROSKA
    return {
        "size": size,
        "sha256": digest.hexdigest(),
        "media_sha256": media_digest(file, boxes),
        "is_matroska": is_matroska,
        "marks": len(marks),
        "boxes": [[kind.decode("latin-1"), count] for kind, _, count in boxes[:64]],
    }


def read_boxes(file: IO[bytes], size: int) -> Iterator[Box]:
    """The boxes of the top level of an MP4; none of another file."""
    at = 0
    for number in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if number == 0 and kind not in (b"ftyp", b"moov", b"free", b"skip", b"wide", b"mdat"):
            return
        if length == LONG_SIZE and len(head) == 16:
            length, start = struct.unpack(">Q", head[8:])[0], 16
        elif length == TO_THE_END:
            length = size - at
        if length < start or at + length > size:
            return
        yield kind, at + start, length - start
        at += length


def media_digest(file: IO[bytes], boxes: list[Box]) -> str | None:
    """The SHA-256, in hexadecimal digits, of the packed pictures and sound of an MP4: the contents of its
    `mdat` boxes, one after the other, which a new manifest does not change. None for a file without any."""
    media = [box for box in boxes if box[0] == MEDIA]
    if not any(count for _, _, count in media):
        return None
    digest = hashlib.sha256()
    for _, start, count in media:
        file.seek(start)
        while count and (block := file.read(min(count, BLOCK_BYTES))):
            digest.update(block)
            count -= len(block)
    return digest.hexdigest()


def _read_manifests(
    file: IO[bytes], options: dict[str, Any], context: Any, reader: Callable[..., Any]
) -> dict[str, Any]:
    """The manifests of a file as the library writes them, or the name of its error."""
    trust = {"trust": {"user_anchors": options["anchors"]}} if options["anchors"] else {}
    settings = {
        **trust,
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},  # none, for what the two settings do not know of
    }
    sidecar = None
    if options["beside"] is not None:
        with open(BESIDE, "rb", closefd=False) as opened:
            sidecar = opened.read(options["sidecar_bytes"])
    try:
        with reader(None, file, manifest_data=sidecar, context=context.from_dict(settings)) as read:
            text = read.crjson()
            embedded, state = bool(read.is_embedded()), str(read.get_validation_state())
        return {"manifests": json.loads(text), "state": state, "is_embedded": embedded}
    except MemoryError:
        return {"error": "MemoryError", "message": ""}
    except Exception as error:
        kind, _, message = str(error).partition(": ")  # the library has classes for some kinds only
        return {"error": kind[:40], "message": message[:400]}


def _read_ingredient(
    file: IO[bytes],
    options: dict[str, Any],
    context: Any,
    reader: Callable[..., Any],
    builder: Callable[..., Any],
) -> dict[str, Any]:
    """What the manifest of an ingredient says, and the ingredient as an archive, from which a builder takes
    it over without reading the file again; or the name of an error of the library.

    With `is_large` the pictures and the sound are not compared with the manifest, and only that is read.
    """
    definition = dict(options["ingredient"])
    kind, stream, store = definition["format"], file, None
    try:
        if options["is_large"]:
            head, store = _read_store(file)
            stream = io.BytesIO(head)
        with (
            context.from_dict(options["settings"]) as settings,
            reader(kind, stream, manifest_data=store, context=settings) as read,
        ):
            values, state = json.loads(read.json()), str(read.get_validation_state())
        whole: dict[str, Any] = {"claim_generator_info": [{"name": "Hinode"}], "assertions": []}
        if store is not None:
            state, results = _without_content(values["validation_results"])
            definition |= {
                "manifest_data": {"format": "application/c2pa", "identifier": "store"},
                "active_manifest": values["active_manifest"],
                "validation_results": results,
            }
            whole["ingredients"] = [definition]
        with context.from_dict(options["settings"]) as settings, builder(whole, context=settings) as build:
            if store is None:
                file.seek(0)
                build.add_ingredient(definition, kind, file)
            else:
                build.add_resource("store", io.BytesIO(store))
            archive = io.BytesIO()
            build.write_ingredient_archive(definition["label"], archive)
    except MemoryError:
        return {"error": "MemoryError", "message": ""}
    except Exception as error:
        name, _, message = str(error).partition(": ")
        return {"error": name[:40], "message": message[:400]}
    label = values["active_manifest"]
    return {
        "state": state,
        "label": label,
        "active": values["manifests"][label],
        "archive": base64.b64encode(archive.getvalue()).decode(),
    }


def _read_store(file: IO[bytes]) -> tuple[bytes, bytes]:
    """The first box of an MP4, and the store of manifests in it; raises ValueError if there is none."""
    head = b""
    for kind, start, count in read_boxes(file, os.fstat(file.fileno()).st_size):
        if not head:
            file.seek(0)
            head = file.read(start + count)
        if kind != b"uuid" or count > MAX_STORE_BYTES:
            continue
        file.seek(start)
        content = file.read(count)
        # Its type, a version of four bytes, a purpose that ends with a zero, and an offset of eight bytes.
        purpose, _, rest = content[20:].partition(b"\0")
        if content.startswith(MARKS[0]) and purpose == b"manifest":
            return head, rest[8:]
    raise ValueError("ManifestNotFound: the file has no box with manifests")


def _without_content(results: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The state and the results of a validation to which the pictures were not shown."""
    active = results["activeManifest"]
    failures = [entry for entry in active["failure"] if not entry["code"].startswith(HASH_OF_CONTENT)]
    note = {"code": UNCHECKED, "explanation": "the file is too large to be compared with its record"}
    active |= {"failure": failures, "informational": [*active["informational"], note]}
    codes = {entry["code"] for entry in failures}
    state = "Trusted" if not codes else "Valid" if codes == {UNTRUSTED} else "Invalid"
    return state, results


def _write(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
