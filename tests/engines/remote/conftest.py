from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.remote.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "home")
    yield fleet
    for stub in fleet.stubs:
        stub.close()
