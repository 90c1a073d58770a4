"""`hinode usage export`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_the_table_is_written_whole_and_a_wrong_period_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))
    result = run("usage", "export", tmp_path / "usage.csv", "--since", "2026-11-01", "--until", "2026-12-01")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "usage.csv").read_text().startswith("BillingAccountId,")
    result = run("usage", "export", tmp_path / "none.csv", "--since", "2026-12-01", "--until", "2026-11")
    assert (result.exit_code, "since is not before until" in result.stderr) == (2, True)
    assert not (tmp_path / "none.csv").exists()
