"""A home that a previous version made opens with nothing lost: jobs, files, models, a batch, saved runs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving import ServerHarness

ARCHIVES = sorted(Path(__file__).parent.glob("home-*.tar.gz"))
PATIENCE = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.split(".")[0])
def previous(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previous]:
    """A server of this version on a copy of the home, and what the server before answered."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(request.param) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later
        archive.extractall(folder)
    facts = json.loads((folder / "facts.json").read_text())
    _move_expiry(folder / "home" / "hinode.db")
    with ServerHarness(folder / "home", environment={"HINODE_MODELS": "sora-2=testcard"}) as server:
        headers = {"Authorization": f"Bearer {facts['key']}"}
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=30) as client:
            yield Previous(client, facts, server)


class Previous:
    def __init__(self, client: httpx.Client, facts: dict[str, Any], server: ServerHarness) -> None:
        self.client = client
        self.facts = facts
        self.server = server

    def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(path).raise_for_status().json()
        return answer

    def end(self, path: str) -> dict[str, Any]:
        """Wait until a video or a batch has ended, and return it."""

        def final() -> dict[str, Any] | None:
            answer = self.get(path)
            unfinished = ("queued", "in_progress", "validating", "finalizing")
            return None if answer["status"] in unfinished else answer

        return self.server.wait_for(final, PATIENCE)


def _move_expiry(database: Path) -> None:
    """Files and batches of the archive expire by the calendar, which is not what is tested."""
    with sqlite3.connect(database) as connection:
        for table in ("uploads", "batches"):
            connection.execute(
                f"UPDATE {table} SET expires_at = ? WHERE expires_at IS NOT NULL", (time.time() + 86400,)
            )
    connection.close()


def _same(answer: dict[str, Any], before: dict[str, Any], *changed: str) -> None:
    """Every field has its value; an answer of this version may have more fields."""
    for name, value in before.items():
        if name in changed:
            continue
        if isinstance(value, dict) and isinstance(answer[name], dict):
            _same(answer[name], value)
        else:
            assert answer[name] == value, name


def test_finished_videos_are_there_with_their_files(previous: Previous) -> None:
    for name in ("completed", "native", "remix"):
        before = previous.facts[name]
        _same(previous.get(f"videos/{before['id']}"), before)
        content = previous.client.get(f"videos/{before['id']}/content").raise_for_status()
        assert content.headers["etag"].strip('"') == hashlib.sha256(content.content).hexdigest()
        for variant in ("thumbnail", "spritesheet"):
            previous.client.get(f"videos/{before['id']}/content?variant={variant}").raise_for_status()


def test_no_video_is_missing(previous: Previous) -> None:
    ids = [video["id"] for video in previous.get("videos?limit=100")["data"]]
    assert set(previous.facts["videos"]) <= set(ids)
    _same(previous.get(f"videos/{previous.facts['cancelled']['id']}"), previous.facts["cancelled"])


@pytest.mark.parametrize("name", ["queued", "card"])
def test_waiting_and_half_rendered_videos_are_finished(previous: Previous, name: str) -> None:
    before = previous.facts[name]
    after = previous.end(f"videos/{before['id']}")
    assert (after["status"], after["error"]) == ("completed", None)
    _same(after, before, "status", "progress", "stage", "completed_at", "expires_at", "making")
    previous.client.get(f"videos/{before['id']}/content").raise_for_status()


def test_a_video_of_a_network_that_is_no_longer_there_fails_in_one_sentence(previous: Previous) -> None:
    after = previous.end(f"videos/{previous.facts['saved']['id']}")
    assert after["status"] == "failed"
    assert after["error"]["message"].startswith("this server could not make the video; whoever runs it")


def test_batches_files_characters_and_endpoints_are_there(previous: Previous) -> None:
    batch = previous.facts["batch"]
    _same(previous.get(f"batches/{batch['id']}"), batch, "expires_at")
    assert previous.client.get(f"files/{batch['output_file_id']}/content").text == previous.facts["output"]
    _same(previous.get(f"files/{previous.facts['upload']['id']}"), previous.facts["upload"], "expires_at")
    open_batch = previous.end(f"batches/{previous.facts['open_batch']['id']}")
    assert (open_batch["status"], open_batch["request_counts"]["completed"]) == ("completed", 3)
    character = previous.facts["character"]
    _same(previous.get(f"videos/characters/{character['id']}"), character)
    endpoint = previous.facts["endpoint"]
    _same(previous.get(f"webhook_endpoints/{endpoint['id']}"), endpoint, "signing_secret")


def test_added_models_are_there(previous: Previous) -> None:
    listing = json.loads(previous.server.command("models", "list", "--json"))
    assert {"toy", "wan"} <= {model["name"] for model in listing}
