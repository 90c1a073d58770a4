"""Run the services of deploy/compose.yaml as processes of this machine, and make a clip with them.

What is Hinode's own runs with the file's commands and settings, and the proxy with its own configuration if
Caddy is installed here; PostgreSQL is the one of the tests. Host names become ports, and mounts folders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import HOST, ROOT, ServerHarness

DEPLOY = ROOT / "deploy"
VARIABLES = {"POSTGRES_PASSWORD": "secret", "GRAFANA_PASSWORD": "secret", "HINODE_MODELS": "sora-2=testcard"}
CLIP = {"seconds": "2", "size": "64x64"}
CLIP_SECONDS = 180.0
"""For a clip, of which the start of the worker takes the most."""


def read(variables: Mapping[str, str], *names: str) -> dict[str, Any]:
    """The files of Compose, the first overlaid with the others, as far as Hinode's files use such overlays.

    Args:
        variables: values for `${NAME}`.
        names: of the files, by default compose.yaml alone.

    Raises:
        ValueError: a variable is missing that a file requires.
    """
    result: dict[str, Any] = {}
    for name in names or ("compose.yaml",):
        _overlay(result, interpolate(yaml.safe_load((DEPLOY / name).read_text()), variables))
    return result


def interpolate(node: Any, variables: Mapping[str, str]) -> Any:
    """A file, or a part of it, with values for `${NAME}`, `${NAME:-default}` and `${NAME:?message}`."""
    if isinstance(node, dict):
        return {name: interpolate(value, variables) for name, value in node.items()}
    if isinstance(node, list):
        return [interpolate(value, variables) for value in node]
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if kind == ":?" and not variables.get(name):
            raise ValueError(f"{name} is missing: {rest}")
        return variables.get(name) or (rest if kind == ":-" else "")

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, node)


def _overlay(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            _overlay(base[name], value)
        else:
            base[name] = value


def hinode_services(compose: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that are Hinode's own."""
    services: dict[str, dict[str, Any]] = compose["services"]
    return {name: service for name, service in services.items() if service["image"].startswith("hinode:")}


class Stack:
    """The services as processes, with their files in one folder."""

    def __init__(self, folder: Path, database_url: str) -> None:
        compose = read(VARIABLES)
        self.folder = folder
        self.services: dict[str, ServerHarness] = {}
        for name, service in hinode_services(compose).items():
            settings = dict(service["environment"])
            _check_database(settings["HINODE_DATABASE_URL"], compose["services"])
            mounts = dict(mount.rsplit(":", 1)[::-1] for mount in service["volumes"])
            home = _image_variable("HINODE_HOME")
            settings |= {
                "HINODE_DATABASE_URL": database_url,
                "HINODE_STORE": str(folder / mounts[settings["HINODE_STORE"]]),
                "HINODE_HOME": str(folder / mounts[home]),
                # So that a clip can be followed.
                "HINODE_TESTCARD_STEP_SECONDS": "0.02",
            }
            server = ServerHarness(folder / mounts[home], environment=settings)
            server.log = folder / f"{name}.log"
            server.words = [HOST if word == "0.0.0.0" else word for word in service["command"]]
            if server.words[0] == "serve":
                server.words += ["--port", str(server.port)]
            self.services[name] = server

    @property
    def servers(self) -> dict[str, ServerHarness]:
        """The API servers."""
        return {name: service for name, service in self.services.items() if service.words[0] == "serve"}

    @contextmanager
    def running(self) -> Iterator[Stack]:
        """Start all services together, wait for the API servers, and stop all at the end."""
        try:
            for service in self.services.values():
                service.start(wait=False)
            for server in self.servers.values():
                server.wait_until_ready()
            yield self
        finally:
            for service in self.services.values():
                service.stop()

    @contextmanager
    def proxy(self) -> Iterator[ServerHarness | None]:
        """The proxy with its own configuration, or None if Caddy is not installed here."""
        if shutil.which("caddy") is None:
            yield None
            return
        front = ServerHarness(self.folder / "proxy")
        front.home.mkdir()
        addresses = {
            f"API_{name.rpartition('-')[2]}": f"{HOST}:{server.port}" for name, server in self.servers.items()
        }
        site = {"SITE_ADDRESS": front.origin, "HOME": str(front.home), "XDG_DATA_HOME": str(front.home)}
        command = ["caddy", "run", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
        with front.log.open("ab") as log:
            environment = {**os.environ, **addresses, **site}
            front.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            front.wait_until_ready()
            yield front
        finally:
            front.stop()


def _check_database(url: str, services: Mapping[str, Any]) -> None:
    """See that the database of a service is that of the file."""
    parts = urlsplit(url)
    server = services[parts.hostname or ""]["environment"]
    expected = (server["POSTGRES_USER"], server["POSTGRES_PASSWORD"], server["POSTGRES_DB"])
    if (parts.username, parts.password, parts.path.strip("/")) != expected:
        raise ValueError(f"the database of {url} is not the one that {parts.hostname} has")


def _image_variable(name: str) -> str:
    match = re.search(rf"{name}=(\S+)", (DEPLOY / "Dockerfile").read_text())
    if match is None:
        raise ValueError(f"deploy/Dockerfile does not set {name}")
    return match[1]


def measure() -> dict[str, Any]:
    """Make a clip through one API server, follow it at the other, and download it there; then stop the first
    and go on through the proxy, if there is one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hinode-compose-")))
        database_url = stack.enter_context(PostgreSQL()).create()
        began = time.monotonic()
        services = stack.enter_context(Stack(folder, database_url).running())
        ready = time.monotonic() - began
        first, second = services.servers.values()
        key = first.key("compose")
        video_id = first.submit(key, **CLIP)
        video = second.finished_video(key, video_id, CLIP_SECONDS)
        if video["status"] != "completed":
            raise RuntimeError(f"the clip was not made: {video['error']}")
        contents = []
        for server in (second, first):
            status, content = server.request("GET", f"/v1/videos/{video_id}/content", key=key)
            if status != 200:
                raise RuntimeError(f"the download answered {status}:\n{server.last_words()}")
            contents.append(hashlib.sha256(content).hexdigest())
        result: dict[str, Any] = {
            "services": sorted(services.services),
            "seconds_until_ready": round(ready, 1),
            "clip_bytes": len(content),
            "same_from_both": len(set(contents)) == 1,
            "proxy": False,
        }
        proxy = stack.enter_context(services.proxy())
        if proxy is not None:
            hidden = proxy.request("GET", "/metrics")[0] == 404
            statuses = quote_during(first.stop, proxy, key)
            last = proxy.finished_video(key, proxy.submit(key, **CLIP), CLIP_SECONDS)
            made = last["status"] == "completed"
            result |= {
                "proxy": True,
                "metrics_hidden": hidden,
                "requests_during_a_stop": len(statuses),
                "failed_during_a_stop": sum(status != 200 for status in statuses),
                "clip_after_a_stop": made,
            }
        return result


def quote_during(stop: Callable[[], object], proxy: ServerHarness, key: str) -> list[int]:
    """Post requests for quotes to the proxy, one after another, until `stop` has returned and once more.

    Returns:
        Statuses of the answers.
    """
    statuses = []
    with ThreadPoolExecutor(1) as side:
        stopping = side.submit(stop)
        stopped = False
        while not stopped:
            stopped = stopping.done()
            body = {"prompt": "a kite", **CLIP}
            statuses.append(proxy.request("POST", "/v1/videos/quote", key=key, body=body)[0])
        stopping.result()
    return statuses


def main(words: list[str]) -> None:
    """Print what `measure` found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compose", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(words)
    result = measure()
    if arguments.json:
        print(json.dumps({"benchmark": "compose", **result}))
        return
    for name, value in result.items():
        print(f"{name.replace('_', ' '):24} {', '.join(value) if isinstance(value, list) else value}")
