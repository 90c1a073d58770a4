"""LiteLLM's proxy, unmodified, in front of a real server, and behind one that makes its videos there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import openai
import pytest
from openai import OpenAI
from openai.types import Video
from PIL import Image

from benchmarks.serving import HOST, ServerHarness, free_port
from tests.sdk.installed import python_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first one installs it
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

KEY = "sk-proxy"
START_SECONDS = 300
SIZE = (128, 72)
ASKED: dict[str, Any] = {
    "prompt": "a red balloon over the sea",
    "model": "sora-2",
    "seconds": "4",
    "size": "128x72",
}
UPSTREAMS = """
[[upstream]]
name = "litellm"
dialect = "openai"
url = "{url}"
key_env = "PROXY_KEY"
models = {{card = "sora-2"}}
"""


@dataclass
class Chain:
    """A client of each: of a server, of the proxy in front of it, and of a server in front of the proxy."""

    back: OpenAI
    proxy: OpenAI
    front: OpenAI

    def jobs(self) -> list[Video]:
        """What the last server was asked for, newest first."""
        return list(self.back.videos.list())


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    packages, folder, port = python_packages("litellm"), tmp_path_factory.mktemp("litellm"), free_port()
    url = f"http://{HOST}:{port}"
    (folder / "front").mkdir()
    (folder / "front" / "upstreams.toml").write_text(UPSTREAMS.format(url=url))
    environment = {"HINODE_MODELS": "sora-2=remote/card", "PROXY_KEY": KEY}
    front = ServerHarness(folder / "front", environment=environment)
    with ServerHarness(folder / "back") as back, Proxy(packages, folder, port, back) as proxy, front:
        yield Chain(
            OpenAI(base_url=back.base_url, api_key=back.key("client"), max_retries=0),
            OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0),
            OpenAI(base_url=front.base_url, api_key=front.key("client"), max_retries=0),
        )
        assert proxy.process.poll() is None


class Proxy:
    """The proxy as a process, with one model: that of a server."""

    def __init__(self, packages: Path, folder: Path, port: int, back: ServerHarness) -> None:
        parameters = {"model": "openai/sora-2", "api_base": back.base_url, "api_key": back.key("litellm")}
        models = [{"model_name": "sora-2", "litellm_params": parameters}]
        config, self.log = folder / "config.yaml", folder / "litellm.log"
        config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": KEY}}))
        words = ["--config", str(config), "--host", HOST, "--port", str(port)]
        # -S: nothing of the environment that runs the tests is seen.
        code = "from litellm import run_server; run_server()"
        self.command = [sys.executable, "-S", "-c", code, *words]
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "HOME": str(folder)}
        self.url = f"http://{HOST}:{port}/health/liveliness"

    def __enter__(self) -> Proxy:
        with self.log.open("w") as log:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, cwd=self.log.parent
            )
        end = time.monotonic() + START_SECONDS
        while not self.alive():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.5)
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()

    def alive(self) -> bool:
        try:
            return httpx.get(self.url, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def picture() -> tuple[str, bytes, str]:
    content = io.BytesIO()
    Image.new("RGB", SIZE, (40, 120, 220)).save(content, "PNG")
    return "picture.png", content.getvalue(), "image/png"


def finished(client: OpenAI, video: Video) -> Video:
    video = client.videos.poll(video.id, poll_interval_ms=200)
    assert video.status == "completed", video
    return video


def seconds(client: OpenAI, video: Video) -> float:
    """Length of the file of a video."""
    content = client.videos.download_content(video.id).read()
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == SIZE
        assert stream.average_rate is not None
        return sum(1 for _ in container.decode(stream)) / float(stream.average_rate)


@pytest.mark.parametrize("more", [{}, {"input_reference": picture()}], ids=["text", "picture"])
def test_a_video_through_the_proxy(chain: Chain, more: dict[str, Any]) -> None:
    video = finished(chain.proxy, chain.proxy.videos.create(**ASKED, **more))
    assert seconds(chain.proxy, video) == pytest.approx(4, abs=0.2)
    assert chain.jobs()[0].prompt == ASKED["prompt"]


def test_videos_from_videos_through_the_proxy(chain: Chain) -> None:
    source = finished(chain.proxy, chain.proxy.videos.create(**ASKED))
    of_source = {"video": {"id": source.id}}
    changes: dict[str, tuple[Callable[[], Video], float]] = {
        "remix": (lambda: chain.proxy.videos.remix(source.id, prompt="a blue balloon"), 4),
        "edit": (lambda: post(chain, "/videos/edits", prompt="make it blue", **of_source), 4),
        "extend": (
            lambda: post(chain, "/videos/extensions", prompt="it lands", seconds="4", **of_source),
            8,
        ),
    }
    for operation, (change, length) in changes.items():
        video = finished(chain.proxy, change())
        assert seconds(chain.proxy, video) == pytest.approx(length, abs=0.2), operation
        assert chain.jobs()[0].model_dump()["operation"] == operation


def post(chain: Chain, path: str, **body: Any) -> Video:
    """What `videos.edit` and `videos.extend` of older clients send: JSON."""
    return chain.proxy.post(path, cast_to=Video, body=body)


def test_a_refusal_comes_through_the_proxy(chain: Chain) -> None:
    for change, message in (
        ({"size": "1x1"}, "size 1x1 is out of range; give each side"),
        ({"seconds": "999"}, "999 seconds cannot be made"),
        ({"prompt": ""}, "prompt"),
    ):
        with pytest.raises(openai.BadRequestError, match=message):
            chain.proxy.videos.create(**{**ASKED, **change})


@pytest.mark.parametrize("more", [{}, {"input_reference": picture()}], ids=["text", "picture"])
def test_a_server_behind_the_proxy_gets_each_job_once(chain: Chain, more: dict[str, Any]) -> None:
    before = len(chain.jobs())
    video = finished(chain.front, chain.front.videos.create(**ASKED, **more))
    assert seconds(chain.front, video) == pytest.approx(4, abs=0.2)
    assert len(chain.jobs()) == before + 1
