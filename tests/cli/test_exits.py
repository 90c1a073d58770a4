from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


def test_a_bug_is_one_sentence_and_a_log(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError("in the engine")

    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hinode.pipeline.generate", fail)
    result = run("generate", "a kite", "--engine", "testcard")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    (log,) = (tmp_path / "home" / "logs").iterdir()
    assert str(log) in result.stderr
    assert "in the engine" in log.read_text()


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [(KeyboardInterrupt(), 130, "stopped"), (MemoryError(), 1, "not enough memory")],
)
def test_interrupts_and_lack_of_memory_are_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, failure: BaseException, status: int, message: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise failure

    monkeypatch.setattr("hinode.pipeline.generate", fail)
    result = run("generate", "a kite")
    assert result.exit_code == status
    assert message in result.stderr


def test_a_log_folder_that_cannot_be_written_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        monkeypatch.setenv("HINODE_HOME", "/dev/null/home")
        raise ZeroDivisionError

    monkeypatch.setattr("hinode.pipeline.generate", fail)
    result = run("generate", "a kite", "--engine", "testcard")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: internal error (ZeroDivisionError); the details could not be written to the log folder\n"
    )
