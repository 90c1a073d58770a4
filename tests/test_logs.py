from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hinode import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object() -> None:
    stream = io.StringIO()
    logs.start(stream)
    logging.getLogger("hinode.jobs").info("claimed %s", "a job", extra={"epoch": 3})
    logging.getLogger("hinode.jobs").debug("not said")
    (line,) = read(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "hinode.jobs", "message": "claimed a job", "epoch": 3}


def test_a_failure_that_lasts_is_one_line_a_minute() -> None:
    stream, now = io.StringIO(), 0.0
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    handler.addFilter(logs.Repeats(lambda: now))
    log = logging.getLogger("hinode.repeats")
    log.propagate, log.handlers = False, [handler]
    log.setLevel(logging.INFO)
    for second in range(150):
        now = float(second)
        log.warning("the disk is away")
        log.info("request", extra={"request_id": f"req_{second}", "repeats_as": ("429", "key_1")})
        log.info("request", extra={"request_id": f"req_{second}"})
        for job in ("video_1", "video_2"):  # each job has a line of its own
            log.error("the job failed", extra={"job_id": job})
        try:
            raise OSError(28, "full")
        except OSError:
            log.exception("a batch could not be moved on")
    lines = read(stream)
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["repeated"] for line in requests if "repeated" in line] == [59, 59]
    assert len(requests) == 150 + 3
    assert not any("repeats_as" in line for line in lines)
    assert len(lines) == 3 * 4 + len(requests)
    disk = [line.get("repeated") for line in lines if line["message"] == "the disk is away"]
    assert disk == [None, 59, 59]
    log.handlers = []


def test_lines_say_what_they_are_about() -> None:
    stream = io.StringIO()
    logs.start(stream)
    log = logging.getLogger("hinode")

    async def request(number: int) -> None:
        with logs.about(request_id=f"req_{number}"):
            await asyncio.sleep(0)
            with logs.about(job_id="video_1"):
                log.info("inside")
            await asyncio.sleep(0)
            log.info("after")

    async def both() -> None:
        await asyncio.gather(request(1), request(2))

    asyncio.run(both())
    log.info("outside")
    told = [{key: line[key] for key in line.keys() & {"request_id", "job_id"}} for line in read(stream)]
    assert told == [
        {"request_id": "req_1", "job_id": "video_1"},
        {"request_id": "req_2", "job_id": "video_1"},
        {"request_id": "req_1"},
        {"request_id": "req_2"},
        {},
    ]


def test_an_exception_stays_on_its_line() -> None:
    stream = io.StringIO()
    logs.start(stream)
    try:
        raise ZeroDivisionError("in the engine room")
    except ZeroDivisionError:
        logging.getLogger("hinode").exception("a step failed")
    (line,) = read(stream)
    assert "ZeroDivisionError: in the engine room" in line["exception"]
    assert line["level"] == "error"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nobody_can_forge_a_line(stream: io.StringIO) -> None:
    logs.start(stream)
    logging.getLogger("hinode").info("name: %s", 'x\n{"level": "error"}\x1b[2J\u2028')
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_plain_text() -> None:
    stream = Terminal()
    logs.start(stream)
    with logs.about(job_id="video_1"):
        logging.getLogger("hinode").warning("the worker died", extra={"status": -9})
    assert stream.getvalue()[8:] == " warning the worker died  [job_id=video_1 status=-9]\n"
