from __future__ import annotations

import logging
import threading

import pytest

from hinode.jobs.periodic import PeriodicTask, PeriodicTasks


def test_tasks_do_not_wait_for_each_other() -> None:
    gate, done, slow_began = threading.Event(), threading.Event(), threading.Event()
    times: list[int] = []

    def slow() -> None:
        slow_began.set()
        gate.wait(30)

    def quick() -> None:
        assert slow_began.wait(30)
        times.append(len(times))
        if len(times) == 3:
            done.set()

    tasks = PeriodicTasks([PeriodicTask("slow", 0.0, slow), PeriodicTask("quick", 0.0, quick)])
    tasks.start()
    assert done.wait(30)
    gate.set()
    tasks.stop()
    assert len(times) >= 3
    before = len(times)
    assert not any(thread.name.startswith("task ") for thread in threading.enumerate())
    assert len(times) == before


def test_a_failure_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    answers = iter([OSError("disk is gone")] * 5 + [None, None])
    now = [0.0]

    def do() -> None:
        answer = next(answers, "over")
        if answer == "over":
            done.set()
        elif isinstance(answer, OSError):
            raise answer

    tasks = PeriodicTasks([PeriodicTask("sweeping", 0.0, do)], clock=lambda: now[0])
    with caplog.at_level(logging.INFO):
        tasks.start()
        assert done.wait(30)
        tasks.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "sweeping failed, and will be tried again",
        "sweeping works again",
    ]
    assert "disk is gone" in caplog.text


def test_stopping_what_never_began_is_nothing() -> None:
    PeriodicTasks([PeriodicTask("idle", 1.0, lambda: None)]).stop()
