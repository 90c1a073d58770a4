"""Process groups of workers on this machine, by files: who started them, and which outlive that process.

A worker ends when its parent dies, but not at once: it saves its run first, and its memory on the device is
free only then. Whoever starts a worker in its place waits for that.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from hinode.jobs.executors import GROUP_SECONDS, end_group, group_exists

log = logging.getLogger(__name__)


def record(folder: Path, leader: int, owner: int) -> None:
    """Enter that process `owner` has started the group that `leader` leads; for the life of the owner."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    values = {"leader": leader, "started": _started(leader), "owner": owner, "owner_started": _started(owner)}
    (folder / f"{leader}.json").write_text(json.dumps(values), encoding="utf-8")


def reap(folder: Path, seconds: float) -> None:
    """Wait until the groups whose owner has died have ended too, and kill those that have not in time.

    Args:
        folder: of `record`.
        seconds: for the groups to end by themselves.
    """
    until = time.monotonic() + seconds
    for path in sorted(folder.glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            leader, owner = int(values["leader"]), int(values["owner"])
            started, owner_started = values["started"], values["owner_started"]
        except FileNotFoundError:  # another worker's start has removed it
            continue
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)  # half written by a process that died
            continue
        if owner_started is not None and _started(owner) == owner_started:
            continue
        while _started(leader) == started is not None and time.monotonic() < until:
            time.sleep(0.1)
        if _started(leader) == started is not None:
            log.warning("a worker outlives the process that started it and is killed", extra={"pid": leader})
        # A group whose number was given to a new process is another group.
        if _started(leader) in (started, None) and group_exists(leader):
            end_group(leader, GROUP_SECONDS)
        path.unlink(missing_ok=True)


def _started(pid: int) -> int | None:
    """When a process was started, in ticks since boot; None if there is none, or nobody can tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may contain spaces
    return None if state in "ZX" else int(fields[18])
