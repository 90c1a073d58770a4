"""Fixtures of signed files."""

from __future__ import annotations

import pytest

from hinode.trust.provenance.authority import Authority, open_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("authority"))
