"""What the processes of one installation agree on about its Ray cluster: names, folders, variables."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.jobs.capacity.placement import Need
from hinode.settings import Settings

OBJECT_STORE_BYTES = 80 << 20
"""About the least that Ray allows: nothing large ever travels as one of its objects."""
MIN_FREE_BYTES = 1 << 30
RECONNECT_SECONDS = 300
"""How long nodes wait for a lost head; longer than its restart takes."""


def check(address: str | None) -> None:
    """Raises BadInput: Ray is not installed, or the address is none of a cluster."""
    if importlib.util.find_spec("ray") is None:
        remedy = "install it with: pip install 'hinode[ray]'"
        raise BadInput("the executor ray needs Ray, which is not installed", remedy, field="executor")
    if address is not None and re.fullmatch(r"[\w.-]{1,253}:[0-9]{1,5}", address, re.ASCII) is None:
        remedy = "give HOST:PORT of its head, such as 10.0.0.5:6379"
        raise BadInput(f"{quote(address)} is no address of a Ray cluster", remedy, field="ray-address")


def namespace(instance: str) -> str:
    """The namespace of the actors of an installation, whose id is in its database."""
    return f"hinode-{instance}"


def folder(home: Path) -> Path:
    """Where a local Ray keeps its files; short, because the paths of sockets may have 107 characters."""
    name = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"hinode-{name}"


def token_file(settings: Settings) -> Path:
    """The file of the secret of a local Ray, which is made if need be: other users may not start actors."""
    path = settings.home / "ray" / "token"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def variables(token: Path | None) -> dict[str, str]:
    """The environment of every process of Ray that is started here; `token` is the secret of a local one."""
    values = {
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_SECONDS),
        "RAY_DEDUP_LOGS": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": str(16 << 20),
        "RAY_ROTATION_BACKUP_COUNT": "1",
        # A worker whose actor ends saves its run; Ray would kill it at once.
        "RAY_kill_child_processes_on_worker_exit": "false",
    }
    if token is not None:
        values |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    return values


def worker_environment(environment: Mapping[str, str], need: Need) -> dict[str, str]:
    """The variables of a worker, from those of the server.

    Ray chooses its GPUs, and without a claim it has none. Its threads are the processors that it claims.
    """
    values = {name: value for name, value in environment.items() if name.startswith(("HINODE_", "HF_"))}
    if not values.get("HINODE_DEVICE", "").startswith("cpu"):
        values.pop("HINODE_DEVICE", None)
    if not need.gpus:
        values["CUDA_VISIBLE_DEVICES"] = ""
    count = str(max(1, int(need.cpus)))
    return {**values, "HINODE_THREADS": count, "OMP_NUM_THREADS": count}
