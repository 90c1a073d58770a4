from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hinode.jobs.executors import LocalExecutor, Spec, group_exists, restart_delay
from hinode.records.database import DatabaseError

PATIENCE = 60.0

# Stands in for a worker: it says who it is and what it was given, and lives as it is lost_workers to.
WORKER = """
import json, os, signal, sys
def say(line): print(line, flush=True)
life = sys.argv[1]
if life == "stubbornly": signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("a word first")
say(json.dumps({"worker": f"worker_{os.getpid()}"}))
open(sys.argv[2] + f"/{os.getpid()}", "w").write(os.environ["HINODE_THREADS"] + os.environ.get("COLOUR", ""))
if life == "briefly": sys.exit(3)
while sys.stdin.buffer.read(1) or life == "stubbornly": pass
open(sys.argv[2] + f"/{os.getpid()}-left", "w")
"""


class LostWorkers:
    """The ids of lost workers, in order."""

    def __init__(self) -> None:
        self.queue: queue.Queue[str] = queue.Queue()

    def __call__(self, worker_id: str) -> None:
        self.queue.put(worker_id)

    def next(self) -> str:
        return self.queue.get(timeout=PATIENCE)


def spec(life: str, folder: Path) -> Spec:
    folder.mkdir(exist_ok=True)
    return Spec((sys.executable, "-c", WORKER, life, str(folder)), {"COLOUR": " red"})


def pids(folder: Path, count: int) -> list[int]:
    """Process numbers of so many workers, once they are all there."""
    until = time.monotonic() + PATIENCE
    while len(numbers := [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]) < count:
        assert time.monotonic() < until
        time.sleep(0.01)
    return numbers


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_run_until_they_are_drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HINODE_THREADS", raising=False)
    lost_workers = LostWorkers()
    executor = LocalExecutor(2, lost_workers)
    assert executor.capacity() == 2
    for left in (1, 0):
        executor.launch(spec("long", tmp_path / "w"))
        assert executor.capacity() == left
    with pytest.raises(ValueError, match="no capacity"):
        executor.launch(spec("long", tmp_path / "w"))
    running = pids(tmp_path / "w", 2)
    executor.drain(PATIENCE)
    assert not any(map(is_alive, running))
    assert {lost_workers.next(), lost_workers.next()} == {f"worker_{pid}" for pid in running}
    environment = (tmp_path / "w" / str(running[0])).read_text()
    assert int(environment.split()[0]) >= 1
    assert environment.endswith("red")
    assert executor.capacity() == 0


def test_a_worker_that_is_killed_is_told_of_at_once_and_replaced(tmp_path: Path) -> None:
    lost_workers = LostWorkers()
    executor = LocalExecutor(1, lost_workers)
    executor.launch(spec("long", tmp_path / "w"))
    (first,) = pids(tmp_path / "w", 1)
    os.kill(first, signal.SIGKILL)
    assert lost_workers.next() == f"worker_{first}"
    second = next(pid for pid in pids(tmp_path / "w", 2) if pid != first)
    assert is_alive(second)
    executor.stop()
    assert not is_alive(second)


def test_a_worker_that_keeps_going_down_is_started_less_and_less_often(tmp_path: Path) -> None:
    executor = LocalExecutor(1, lost_workers := LostWorkers())
    executor.launch(spec("briefly", tmp_path / "w"))
    assert len({lost_workers.next(), lost_workers.next()}) == 2
    executor.stop()
    assert [restart_delay(crashes) for crashes in (0, 1, 2, 3, 4, 20)] == [0, 0, 1, 2, 4, 30]


def test_a_worker_that_will_not_end_is_ended(tmp_path: Path) -> None:
    executor = LocalExecutor(1, lost_workers := LostWorkers())
    executor.launch(spec("stubbornly", tmp_path / "w"))
    (pid,) = pids(tmp_path / "w", 1)
    executor.drain(0.2)
    assert not is_alive(pid)
    assert lost_workers.next() == f"worker_{pid}"


def test_a_database_that_is_away_does_not_end_the_watch(tmp_path: Path) -> None:
    lost: queue.Queue[str] = queue.Queue()

    def unreachable(worker_id: str) -> None:
        lost.put(worker_id)
        raise DatabaseError("the database cannot be used")

    executor = LocalExecutor(1, unreachable)
    executor.launch(spec("briefly", tmp_path / "w"))
    assert lost.get(timeout=PATIENCE) != lost.get(timeout=PATIENCE)
    executor.stop()


def test_a_program_that_is_not_there_does_not_end_the_watch(tmp_path: Path) -> None:
    executor = LocalExecutor(1, LostWorkers())
    executor.launch(Spec((str(tmp_path / "missing"),)))
    executor.drain(PATIENCE)


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
def test_what_a_worker_started_ends_with_it(tmp_path: Path) -> None:
    loader = "import os, subprocess, sys; from pathlib import Path\n"
    loader += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
    loader += 'print(\'{"worker": "worker_1"}\', flush=True)\n'
    loader += f"Path({str(tmp_path)!r}, f'{{child.pid}} {{os.getpid()}}').touch()\nsys.stdin.read()"
    seen: queue.Queue[tuple[str, bool]] = queue.Queue()
    groups: list[int] = []
    executor = LocalExecutor(1, lambda worker_id: seen.put((worker_id, group_exists(groups[0]))))
    executor.launch(Spec((sys.executable, "-c", loader)))
    until = time.monotonic() + PATIENCE
    while not (names := [path.name for path in tmp_path.iterdir()]):
        assert time.monotonic() < until
        time.sleep(0.01)
    child, leader = map(int, names[0].split())
    groups.append(leader)
    os.kill(leader, signal.SIGKILL)
    assert seen.get(timeout=PATIENCE) == ("worker_1", False)
    assert not is_alive(child)
    executor.stop()


def test_a_start_that_is_refused_is_tried_again(tmp_path: Path) -> None:
    calls: list[int | None] = []

    def before(pid: int | None) -> None:
        calls.append(pid)
        if len(calls) == 1:
            raise OSError("the device is in use")

    executor = LocalExecutor(1, LostWorkers(), before)
    executor.launch(spec("long", tmp_path / "w"))
    (pid,) = pids(tmp_path / "w", 1)
    executor.drain(PATIENCE)
    assert calls == [None, None, pid]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_do_not_outlive_whoever_started_them(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import sys, threading\n"
        "from hinode.jobs.executors import LocalExecutor, Spec\n"
        "executor = LocalExecutor(2, print)\n"
        "for _ in range(2): executor.launch(Spec(tuple(sys.argv[1:])))\n"
        "threading.Event().wait()\n"
    )
    command = spec("long", tmp_path / "w").command
    parent = subprocess.Popen([sys.executable, "-c", program, *command], stdout=subprocess.DEVNULL)
    running = pids(tmp_path / "w", 2)
    parent.send_signal(number)
    parent.wait(PATIENCE)
    until = time.monotonic() + PATIENCE
    while len([path for path in (tmp_path / "w").iterdir() if path.name.endswith("-left")]) < 2:
        assert time.monotonic() < until, f"{running} are still there"
        time.sleep(0.01)
