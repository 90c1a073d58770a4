"""Two studios, files that they signed, and a checker that trusts the first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hinode.trust.verification.check import check_file
from hinode.trust.verification.report import Report
from tests.trust.verification.signing import Studio, video

Check = Callable[..., Report]


@pytest.fixture(scope="session")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="session")
def stranger() -> Studio:
    return Studio("Stranger")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video without a manifest."""
    return video(tmp_path_factory.mktemp("plain") / "plain.mp4")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Another one."""
    return video(tmp_path_factory.mktemp("other") / "other.mp4", 20)


@pytest.fixture(scope="session")
def signed(studio: Studio, plain: bytes) -> bytes:
    return studio.sign(plain)


@pytest.fixture
def check(studio: Studio, tmp_path: Path) -> Check:
    """Checks the bytes of a file; the first studio is trusted."""

    def run(data: bytes, name: str = "clip.mp4", anchors: str | None = None, **more: Any) -> Report:
        path = tmp_path / name
        path.write_bytes(data)
        return check_file(path, anchors=studio.anchors if anchors is None else anchors, **more)

    return run
