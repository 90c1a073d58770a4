"""The command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hinode


def run_python(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    source = Path(hinode.__file__).parents[1]
    return subprocess.run(
        [sys.executable, *words.split()],
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_and_version_are_answered_without_loading_torch() -> None:
    result = run_python("-X importtime -m hinode --version")
    assert (result.returncode, result.stdout) == (0, f"hinode {hinode.__version__}\n")
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "numpy", "av", "PIL", "rich", "sqlalchemy", "alembic", "fastapi", "uvicorn"}


def test_a_clip_from_a_process_of_its_own(toy_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.webp"
    result = run_python(
        f"-W error -m hinode generate kite --size 32x32 --seconds 0.5 --model toy -o {path}",
        HINODE_HOME=str(toy_home),
    )
    assert (result.returncode, result.stdout) == (0, f"{path}\n"), result.stderr
    assert path.is_file()
    assert "\x1b" not in result.stderr  # no progress bar where there is no terminal


def test_a_reader_who_has_enough_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "hinode", "trust", "status"],
        env={**os.environ, "PYTHONPATH": str(Path(hinode.__file__).parents[1]), "HINODE_HOME": str(tmp_path)},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert result.returncode == 141
    assert b"error" not in result.stderr
