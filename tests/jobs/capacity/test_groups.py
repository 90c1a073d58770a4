"""Process groups that outlive whoever started them are waited for, and killed in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hinode.jobs.capacity import groups
from hinode.jobs.executors import group_exists

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")

PATIENCE = 60.0
OWNER = """
import os, subprocess, sys
from pathlib import Path
from hinode.jobs.capacity import groups
sleep = "import time; time.sleep(float(%r))" % sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", sleep], stdout=subprocess.DEVNULL, process_group=0)
groups.record(Path(sys.argv[1]), child.pid, os.getpid())
print(child.pid, flush=True)
"""


def orphan(folder: Path, seconds: float) -> int:
    """A group whose owner has died; its leader sleeps for so long."""
    command = [sys.executable, "-c", OWNER, str(folder), str(seconds)]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def is_running(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def test_a_group_that_ends_by_itself_is_waited_for(tmp_path: Path) -> None:
    leader = orphan(tmp_path, 1.0)
    groups.reap(tmp_path, PATIENCE)
    assert not is_running(leader)
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_does_not_end_is_killed(tmp_path: Path) -> None:
    leader = orphan(tmp_path, 1000.0)
    groups.reap(tmp_path, 0.0)
    assert not is_running(leader)
    assert list(tmp_path.iterdir()) == []


def test_the_group_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], process_group=0)
    try:
        groups.record(tmp_path, child.pid, os.getpid())
        groups.reap(tmp_path, 0.0)
        assert child.poll() is None
        assert group_exists(child.pid)
    finally:
        child.kill()
        child.wait()


def test_a_record_that_is_half_written_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "7.json").write_text('{"leader": 7')
    start = time.monotonic()
    groups.reap(tmp_path, PATIENCE)
    assert time.monotonic() - start < PATIENCE
    assert list(tmp_path.iterdir()) == []
