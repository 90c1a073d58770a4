"""The official clients of Sora's API, unmodified, against a real server: nothing but the base URL is ours.

Each client runs all of its scenarios in a process of its own (client.py, client.mjs) and in a project of its
own. The tests here check its reports, and the files that it downloaded.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.serving import ServerHarness
from hinode.jobs.tenants.tenant import Limits
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.rights import attestations
from tests.sdk.installed import node, node_packages, python_packages

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.timeout(1200)  # the first one installs the clients
INSTALLED = "python-installed"
"""The newest `openai` for Python, which is a package of these tests' own environment; it is quick."""
VERSIONS = ("2.2.0", "2.11.0", "2.30.0")
"""Older versions of it: the first with videos, and two of its prime."""

WIDTH, HEIGHT = 128, 72
MOVIE_SECONDS = 2
SKY = (40, 120, 220)
UPLOADS = {"image": "picture.png", "large_image": "large.png", "movie": "clip.mp4"}

PYTHON_SCENARIOS = [
    part.name
    for part in ast.parse((HERE / "client.py").read_text()).body
    if isinstance(part, ast.FunctionDef)
    and any(isinstance(mark, ast.Name) and mark.id == "scenario" for mark in part.decorator_list)
]
NODE_CLIENTS = {"node": ("openai", "client.mjs"), "tanstack": ("tanstack", "tanstack.mjs")}
"""Packages and script of each client for Node."""
NODE_SCENARIOS = [
    (client, scenario)
    for client, (_, script) in NODE_CLIENTS.items()
    for scenario in re.findall(r"^  async (\w+)\(\)", (HERE / script).read_text(), re.MULTILINE)
]
OTHERS = [
    *((f"python-{version}", scenario) for version in VERSIONS for scenario in PYTHON_SCENARIOS),
    *NODE_SCENARIOS,
]
CASES = [
    *((INSTALLED, scenario) for scenario in PYTHON_SCENARIOS),
    *(pytest.param(client, scenario, marks=pytest.mark.slow) for client, scenario in OTHERS),
]


@dataclass
class Driver:
    """The process of a client, its folder, and its reports so far."""

    process: subprocess.Popen[str]
    folder: Path
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    def report(self, scenario: str) -> dict[str, Any]:
        """The client's report of a scenario, as soon as it is there."""
        assert self.process.stdout is not None
        while scenario not in self.reports and (line := self.process.stdout.readline()):
            report = json.loads(line)
            self.reports[report["scenario"]] = report
        assert scenario in self.reports, (self.folder / "errors").read_text()[-4000:]
        return self.reports[scenario]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHarness]:
    """A server whose jobs take a moment, so that clients can observe them in progress."""
    home = tmp_path_factory.mktemp("served") / "home"
    with ServerHarness(home, workers=2, environment={"HINODE_TESTCARD_STEP_SECONDS": "0.01"}) as running:
        yield running
        assert running.stop() == 0, running.last_words()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the clients upload: a picture of one colour, in two sizes, and a short clip of it."""
    folder = tmp_path_factory.mktemp("uploads")
    picture = Image.new("RGB", (WIDTH, HEIGHT), SKY)
    picture.save(folder / "picture.png")
    picture.resize((1280, 720)).save(folder / "large.png")
    with av.open(str(folder / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(12 * MOVIE_SECONDS):
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode(None))
    return {name: folder / file for name, file in UPLOADS.items()}


@pytest.fixture(scope="module")
def drivers(
    request: pytest.FixtureRequest,
    server: ServerHarness,
    files: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Driver]]:
    """All clients of the selected tests at once, each with keys of a project that no other one uses."""
    started: dict[str, Driver] = {}
    selected = [item for item in request.session.items if item.path == Path(__file__)]
    clients = dict.fromkeys(item.callspec.params["client"] for item in selected)  # type: ignore[attr-defined]
    database = Database(f"sqlite:///{server.home / 'hinode.db'}")
    tenants = Tenants(database, time.time)

    def key(name: str, project: str, **more: Any) -> str:
        with database.write() as connection:  # pictures of people may be uploaded
            attestations.confirm(connection, project, "test", time.time())
        return tenants.create_key(name, project=project, **more).key

    try:
        other = key("other", tenants.create_project("other", Limits()).id)
        for name in clients:
            folder = tmp_path_factory.mktemp(name)
            config = folder / "config.json"
            project = tenants.create_project(name, Limits()).id
            small = tenants.create_project(f"{name}-small", Limits(max_queued=1)).id
            command, environment, packages = _command(name)
            config.write_text(
                json.dumps(
                    {
                        "base_url": server.base_url,
                        "key": key(name, project),
                        "read_key": key("reads", project, scopes=["read"]),
                        "slow_key": key("slow", project, requests_per_minute=2),
                        "small_key": key("small", small),
                        "other_key": other,
                        "packages": str(packages),
                        "folder": str(folder),
                        "size": f"{WIDTH}x{HEIGHT}",
                        "movie_seconds": MOVIE_SECONDS,
                        **{kind: str(path) for kind, path in files.items()},
                    }
                )
            )
            with (folder / "errors").open("w") as errors:
                process = subprocess.Popen(
                    [*command, str(config)],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            started[name] = Driver(process, folder)
        yield started
    finally:
        database.close()
        for driver in started.values():
            driver.process.kill()
            driver.process.communicate()


def _command(client: str) -> tuple[list[str], dict[str, str], Path]:
    """How to run a client: program and script, environment, folder of its packages."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "HINODE_", "PYTHON", "NODE_"))
        and not name.lower().endswith("_proxy")
    }
    if client in NODE_CLIENTS:
        packages, script = NODE_CLIENTS[client]
        return [str(node()), str(HERE / script)], environment, node_packages(packages)
    if client == INSTALLED:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(HERE / "client.py")]
        return command, environment, HERE
    folder = python_packages(f"openai-{client.removeprefix('python-')}")
    # -S: nothing of the environment that runs the tests is seen, Hinode and its openai least of all.
    command = [sys.executable, "-S", "-W", "ignore::DeprecationWarning", str(HERE / "client.py")]
    return command, {**environment, "PYTHONPATH": str(folder)}, folder


@pytest.mark.parametrize(("client", "scenario"), CASES)
def test_client(client: str, scenario: str, drivers: dict[str, Driver]) -> None:
    report = drivers[client].report(scenario)
    assert "error" not in report, report["error"]
    outputs = report["outputs"]
    if "first_frame" in outputs:
        first = next(_frames(Path(outputs["first_frame"])))
        width, height = map(int, outputs.get("size", f"{WIDTH}x{HEIGHT}").split("x"))
        assert first.shape == (height, width, 3)
        assert np.abs(first.astype(int) - SKY).mean() < 8, "the clip does not begin with the picture"
    for variant, path in outputs.get("files", {}).items():
        _check(variant, Path(path), outputs)


def _check(variant: str, path: Path, outputs: dict[str, Any]) -> None:
    if variant != "video":
        with Image.open(path) as picture:
            assert picture.format == {"thumbnail": "WEBP", "spritesheet": "JPEG"}[variant]
            picture.load()
            assert min(picture.size) >= 32
        return
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert "mp4" in container.format.name
        assert stream.codec_context.name == "h264"
        assert f"{stream.width}x{stream.height}" == outputs["size"]
        count = sum(1 for _ in container.decode(stream))
        assert stream.average_rate is not None
        assert count / float(stream.average_rate) == pytest.approx(outputs["seconds"], abs=0.2)


def _frames(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
