from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.remote.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "home")
    yield made
    for stub in made.stubs:
        stub.close()
