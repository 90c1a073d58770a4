"""Hostile files: the process that reads them has limits and no network, and this one survives all of them."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from hinode.errors import BadInput
from hinode.trust.verification import reader
from hinode.trust.verification.check import check_file, sidecar_of
from hinode.trust.verification.process import Limits
from hinode.trust.verification.reader import CHILD, read
from hinode.trust.verification.report import ELSEWHERE, NO_ROOM, report
from hinode.trust.verification.values import State
from tests.trust.verification.conftest import Check
from tests.trust.verification.signing import Studio, find_box

QUICK, ALL = 20, 1000
SEED = 24
MAX_PARENT_GROWTH = 64 << 20


@contextmanager
def listening() -> Iterator[tuple[str, list[object]]]:
    """The address of a server on this machine, and the connections that were made to it."""
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                connections.append(address)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10 << 20))
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.mp4", b""),
        ("archive.mp4", zipped()),
        ("text.mp4", b"not a video"),
        ("script.html", b"<script>alert(1)</script>"),
    ],
)
def test_what_is_no_media_file_is_said_to_be_unreadable(check: Check, name: str, data: bytes) -> None:
    found = check(data, name)
    assert found.verdict is State.UNREADABLE
    assert found.text.startswith("It cannot be checked: ")


def test_a_video_without_a_record_has_none(check: Check, plain: bytes) -> None:
    assert check(plain).verdict is State.NONE


def test_links_folders_and_pipes_are_refused(tmp_path: Path, signed: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(signed)
    link, pipe = tmp_path / "link.mp4", tmp_path / "pipe.mp4"
    link.symlink_to(tmp_path / "clip.mp4")
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path, tmp_path / "missing.mp4"):
        with pytest.raises(BadInput) as caught:
            read(path)
        assert caught.value.field == "file"


def test_a_sidecar_is_found_and_used(tmp_path: Path, studio: Studio, plain: bytes) -> None:
    webm = tmp_path / "clip.webm"
    webm.write_bytes(bytes.fromhex("1a45dfa3") + random.Random(1).randbytes(4000))
    assert sidecar_of(webm) is None
    alone = check_file(webm, anchors=studio.anchors)
    assert alone.verdict is State.NONE
    assert [finding.code for finding in alone.findings] == [NO_ROOM]
    manifest = studio.sign(webm.read_bytes(), media_type="application/octet-stream", embed=False)
    (tmp_path / "clip.webm.c2pa").write_bytes(manifest)
    found = check_file(webm, anchors=studio.anchors, sidecar=sidecar_of(webm))
    assert (found.verdict, found.has_sidecar) == (State.TRUSTED, True)
    with webm.open("ab") as file:
        file.write(b"more")
    changed = check_file(webm, anchors=studio.anchors, sidecar=sidecar_of(webm))
    assert changed.verdict is State.TAMPERED
    (tmp_path / "clip.webm.c2pa").write_bytes(manifest[:300])
    assert check_file(webm, sidecar=sidecar_of(webm)).verdict is State.DAMAGED


def test_an_address_in_a_file_is_not_fetched(check: Check, studio: Studio, plain: bytes) -> None:
    did = {"label": "cawg.identity", "data": {"sig_type": "cawg.identity_claims_aggregation"}}
    with listening() as (address, connections):
        remote = check(studio.sign(plain, embed=False, remote=f"{address}/clip.c2pa"))
        check(studio.sign(plain, verify=False, more=[did]))
        assert connections == []
    assert remote.verdict is State.NONE
    assert ELSEWHERE in [finding.code for finding in remote.findings]


def test_the_process_of_the_reader_cannot_open_a_connection_or_a_file() -> None:
    """Whatever the library would do: after the limits are set, there is no way out."""
    options = {
        "beside": None,
        "nice": 0,
        "wait_seconds": 30,
        "output_bytes": 1 << 20,
        "cpu_seconds": 10,
        "memory_bytes": 1 << 30,
    }
    program = f"""
import importlib.util, json, socket
spec = importlib.util.spec_from_file_location("child", {str(CHILD)!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
def attempt(work):
    try:
        work()
        return "done"
    except OSError as error:
        return error.strerror
with socket.create_connection(("127.0.0.1", PORT), 5):
    pass
child.limit_process({options!r})
print(json.dumps([
    attempt(lambda: socket.create_connection(("127.0.0.1", PORT), 5)),
    attempt(lambda: socket.getaddrinfo("example.com", 443)),
    attempt(lambda: open("/etc/hostname")),
]))
"""
    with listening() as (address, connections):
        port = address.rpartition(":")[2]
        words = [sys.executable, "-I", "-c", program.replace("PORT", port)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        assert len(connections) == 1  # the one from before the limits
    connection, name, file = json.loads(done.stdout)
    assert connection == file == "Too many open files"
    assert name != "done"


@pytest.mark.parametrize(
    "limits",
    [Limits(cpu_seconds=0), Limits(output_bytes=600), Limits(wait_seconds=0)],
    ids=["processor", "output", "wait"],
)
def test_a_file_that_takes_too_much_is_damaged_or_unreadable(
    check: Check, signed: bytes, limits: Limits
) -> None:
    found = check(signed, limits=limits)
    assert found.verdict in (State.DAMAGED, State.UNREADABLE)
    assert "signed record that cannot be read" in found.text or "takes more time or memory" in found.text


def test_a_reader_that_crashes_is_survived(
    check: Check, signed: bytes, plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As native code does that follows a wild pointer, after the facts of the file are written."""
    crashing = tmp_path / "child.py"
    text = CHILD.read_text().replace(
        "    _write(_read_manifests(", "    import ctypes; ctypes.string_at(0)\n    _write(_read_manifests("
    )
    assert "string_at" in text
    crashing.write_text(text)
    monkeypatch.setattr(reader, "CHILD", crashing)
    assert check(signed).verdict is State.DAMAGED
    assert check(plain).verdict is State.UNREADABLE


def test_no_text_of_a_file_can_hide_or_turn_what_is_around_it(
    check: Check, studio: Studio, plain: bytes
) -> None:
    name = "fair\u202egp4.\x1b[2J\nname"
    more = [{"label": "c2pa.ai-disclosure", "data": {"modelType": "x", "modelName": name}}]
    found = check(studio.sign(plain, more=more, verify=False))
    assert name not in repr(found)
    assert not {"\x1b", "\u202e", "\n"} & set(found.manifest.model if found.manifest else "")


@pytest.mark.parametrize(
    "manifests",
    [
        {},
        {"manifests": []},
        {"manifests": [3]},
        {"manifests": {"label": 1}},
        {"manifests": [{"label": ["x"], "assertions": [], "signature": 7, "validationResults": "no"}]},
        {"manifests": [{"assertions": {"c2pa.actions.v2": {"actions": [None, {"action": {}}]}}}]},
        {"manifests": [{"label": "a", "assertions": {"c2pa.ingredient": {"c2pa_manifest": {"url": "/a"}}}}]},
    ],
)
def test_a_store_of_any_shape_gives_a_report(manifests: dict[str, object]) -> None:
    reading = reader.Reading(9, "0" * 64, manifests=manifests, state="Invalid", marks=1)
    assert report(reading).verdict in (State.DAMAGED, State.TAMPERED)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A file with one kind of damage: bits, runs of bytes, sizes of boxes, cuts, doubled parts."""
    kind = chance.randrange(6)
    at = chance.randrange(len(data))
    if kind == 0:
        changed = bytearray(data)
        for _ in range(chance.choice((1, 3, 30, 300))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + chance.randbytes(chance.randrange(1, 400)) + data[at:]
    if kind == 3:
        end = min(len(data), at + chance.randrange(1, 2000))
        return data[:at] + data[at:end] * chance.randrange(2, 5) + data[end:]
    if kind == 4:
        end = min(len(data), at + chance.randrange(1, 2000))
        return data[:at] + data[end:]
    names = (
        b"uuid",
        b"jumb",
        b"jumd",
        b"cbor",
        b"moov",
        b"trak",
        b"stco",
        b"mdat",
        b"ftyp",
        b"bfdb",
        b"json",
    )
    places = [place for name in names if (place := data.find(name, at)) > 4] or [find_box(data, b"moov") - 4]
    place = chance.choice(places) - 4
    size = chance.choice((0, 1, 7, 8, 9, 2**31, 2**32 - 1, chance.randrange(2**32), len(data)))
    return data[:place] + size.to_bytes(4, "big") + data[place + 4 :]


@pytest.mark.timeout(1800)  # a thousand processes, on a machine that may be busy
@pytest.mark.parametrize("count", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)])
def test_damaged_files_never_crash_and_never_pass_for_trusted(
    tmp_path: Path, studio: Studio, signed: bytes, count: int
) -> None:
    """Only what a signature leaves out may differ in a file that is trusted: the head, padding and `free`."""
    chance = random.Random(SEED)
    files = [mutate(signed, chance) for _ in range(count)]
    memory = psutil.Process().memory_info().rss
    media = read_media(tmp_path / "whole.mp4", signed)

    def examine(number: int) -> State:
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(files[number])
        reading = read(path, studio.anchors, limits=Limits(memory_bytes=256 << 20, cpu_seconds=5))
        path.unlink()
        verdict = report(reading).verdict
        assert reading.sha256
        if verdict is State.TRUSTED:
            assert reading.media_sha256 == media
        if verdict in (State.NONE, State.UNREADABLE):
            assert reading.marks == 0
        return verdict

    with ThreadPoolExecutor(4) as threads:
        verdicts = Counter(threads.map(examine, range(count)))
    assert psutil.Process().memory_info().rss - memory < MAX_PARENT_GROWTH
    assert verdicts[State.TAMPERED] + verdicts[State.DAMAGED] > count / 2
    assert {State.TAMPERED, State.DAMAGED} <= verdicts.keys()


def read_media(path: Path, data: bytes) -> str | None:
    """The digest of the pictures of a file."""
    path.write_bytes(data)
    return read(path).media_sha256


@pytest.mark.slow
def test_a_gigabyte_is_read_in_bounded_memory(tmp_path: Path, signed: bytes) -> None:
    """With holes in it, so that it takes no place on the disk."""
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.write(signed)
        file.write((1).to_bytes(4, "big") + b"mdat" + (1 << 30).to_bytes(8, "big"))
        file.truncate(len(signed) + (1 << 30))
    found = check_file(path)
    assert found.verdict is State.TAMPERED
    assert found.size == len(signed) + (1 << 30)
