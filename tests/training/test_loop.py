"""Steps, tasks between them, rates, states, signals."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from hinode.errors import OutputError
from hinode.training.loop import (
    Progress,
    cosine_rate,
    iterate_steps,
    log_line,
    save_state,
    save_weights,
    stop_on_signal,
    take_step,
)


def test_a_run_takes_steps_until_it_is_finished(clock: None) -> None:
    progress = Progress(elapsed=1.0)
    steps = [progress.elapsed for _ in iterate_steps(lambda: progress.elapsed < 1.5, progress)]
    assert steps == pytest.approx([1.15, 1.3, 1.45])
    assert progress.elapsed >= 1.5
    assert list(iterate_steps(lambda: False, progress)) == []


def test_tasks_run_between_steps_at_their_intervals(clock: None) -> None:
    progress, often, seldom = Progress(), [], []
    tasks = ((0.3, lambda: often.append(progress.step)), (0.6, lambda: seldom.append(progress.step)))
    for _ in iterate_steps(lambda: progress.step < 9, progress, tasks=tasks):
        progress.step += 1
    assert often == [1, 3, 5, 7, 9]
    assert seldom == [3, 7]


def test_a_stopped_run_is_unfinished() -> None:
    progress, stop = Progress(), threading.Event()
    for _ in iterate_steps(lambda: progress.step < 9, progress, stop=stop):
        progress.step += 1
        if progress.step == 4:
            stop.set()
    assert progress.step == 4


def test_processes_agree_on_clock_and_stop() -> None:
    progress = Progress()
    steps = iterate_steps(lambda: progress.elapsed < 2, progress, agree=lambda elapsed, stop: (0.5, stop))
    next(steps)
    next(steps)
    assert progress.elapsed == 0.5
    assert list(iterate_steps(lambda: True, progress, agree=lambda elapsed, stop: (0.5, True))) == []


def test_the_cosine_rate_warms_up_and_ends_at_zero() -> None:
    assert [cosine_rate(1.0, step, 4, 0, 10) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert cosine_rate(2.0, 99, 4, 5, 10) == pytest.approx(1.0)
    assert cosine_rate(2.0, 99, 4, 10, 10) == pytest.approx(0.0)


def test_a_step_follows_the_clipped_gradient() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = torch.optim.SGD([weight], lr=9.0)
    take_step(50 * weight.square().sum(), optimizer, 0.5)
    assert torch.allclose(weight.detach(), torch.tensor([2.7, 3.6]))
    assert weight.grad is None


def test_a_failed_save_keeps_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})

    def fail(state: object, path: Path) -> None:
        path.write_bytes(b"half a st")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OutputError, match="the disk is full"):
            save_state(path, {"step": 2})
    assert torch.load(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_weights_are_bfloat16_with_metadata(tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "net.safetensors"
    save_weights(path, {"w": torch.ones(2, 3).T}, {"made_by": "test"})
    with safe_open(path, framework="pt") as reader:
        assert reader.metadata() == {"made_by": "test"}
        assert reader.get_tensor("w").dtype == torch.bfloat16


def test_log_lines_are_appended_and_echoed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    log_line(path, {"step": 1}, echo=False)
    log_line(path, {"step": 2}, echo=True)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1}, {"step": 2}]
    assert capsys.readouterr().out == '{"step": 2}\n'


def test_a_second_interrupt_is_immediate() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_no_signal_is_handled() -> None:
    handlers: list[object] = []

    def run() -> None:
        with stop_on_signal() as stop:
            handlers.append(signal.getsignal(signal.SIGTERM))
            assert not stop.is_set()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
