"""A client of a server that is killed again and again: it sends each request until it is answered."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from typing import Any

from benchmarks.audit import Promise
from benchmarks.serving import ServerHarness

WAIT_SECONDS = 120.0
OUTSTANDING = 6
SOURCE = {"prompt": "a balloon over the sea", "model": "sora-2", "seconds": "1", "size": "96x64", "seed": 9}

# Long enough to be killed while it runs, small enough to take a second or so.
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/videos", {**SOURCE, "seed": 1, "steps": 12}),
    ("/v1/videos", {**SOURCE, "seed": 2, "steps": 40, "seconds": "2"}),
    ("/v1/videos", {**SOURCE, "seed": 3, "steps": 4, "size": "320x180"}),
    ("/v1/videos/extensions", {"prompt": "it lands", "seconds": "1", "seed": 4, "video": {"id": "SOURCE"}}),
    ("/v1/videos/edits", {"prompt": "in blue", "seed": 5, "video": {"id": "SOURCE"}}),
)


class Client:
    """Requests videos, several at a time, and repeats a request until it is answered."""

    def __init__(self, server: ServerHarness, key: str, chance: random.Random) -> None:
        self.server = server
        self.key = key
        self.chance = chance
        self.accepted: dict[str, Promise] = {}
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client")

    def request(self, method: str, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        """One request, sent again until there is an answer.

        Raises:
            RuntimeError: the answer is an error of the request's own, or there is none for two minutes.
        """
        headers = {"Idempotency-Key": key} if key else {}
        end = time.monotonic() + WAIT_SECONDS
        last: object = None
        while time.monotonic() < end:
            try:
                status, answer = self.server.request(method, path, key=self.key, body=body, headers=headers)
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            else:
                if status < 400:
                    content: dict[str, Any] = json.loads(answer)
                    return content
                last = f"{status} {answer[:500]!r}"
                if status < 500 and status not in (408, 429):
                    break
                if status == 500:
                    self.problems.append(f"{method} {path} was answered with {last}")
            time.sleep(0.05)
        raise RuntimeError(f"{method} {path} failed: {last}")

    def submit(self, kind: int, source: str) -> str:
        """Submit the request number `kind` of `REQUESTS`; returns the job's id."""
        path, body = REQUESTS[kind]
        if "video" in body:
            body = {**body, "video": {"id": source}}
        key = f"key-{next(self._numbers)}"
        job: str = self.request("POST", path, body, key)["id"]
        if self.chance.random() < 0.1:  # as if the answer had been lost
            again = self.request("POST", path, body, key)["id"]
            if again != job:
                self.problems.append(f"{key} made two jobs, {job} and {again}")
        self.accepted[job] = Promise(kind)
        return job

    def wait(self, job: str) -> None:
        """Wait until a job is finished.

        Raises:
            RuntimeError: it failed, or is not finished in two minutes.
        """
        end = time.monotonic() + WAIT_SECONDS
        while (video := self.request("GET", f"/v1/videos/{job}"))["status"] != "completed":
            if video["status"] == "failed" or time.monotonic() > end:
                raise RuntimeError(f"{job} is not finished: {video}")
            time.sleep(0.05)

    def start(self, source: str) -> None:
        """Begin to request videos, from `source` where one is needed, in a thread of its own."""
        self._source = source
        self._thread.start()

    def stop(self) -> None:
        """Request no more."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        open_: list[str] = []
        try:
            while not self._over.is_set():
                while len(open_) < OUTSTANDING:
                    open_.append(self.submit(self.chance.randrange(len(REQUESTS)), self._source))
                    if self.chance.random() < 0.08:
                        self.accepted[open_[-1]].cancelled = True
                        self.request("POST", f"/v1/videos/{open_[-1]}/cancel")
                page = self.request("GET", f"/v1/videos?limit={3 * OUTSTANDING}")["data"]
                done = {video["id"] for video in page if video["status"] in ("completed", "failed")}
                open_ = [job for job in open_ if job not in done]
                self._over.wait(0.1)
        except Exception as error:
            self.problems.append(f"the client gave up: {error}")
