from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.stores import Moto
from hinode.jobs.files.cached import CachedObjects
from hinode.jobs.files.s3 import S3Remote


@pytest.fixture
def open_objects(moto: Moto, tmp_path: Path) -> Callable[..., CachedObjects]:
    """Opens a store with a cache of a name, all on one new prefix."""
    prefix = f"{moto.url}/{secrets.token_hex(4)}"

    def open_objects(
        name: str = "cache",
        *,
        max_bytes: int = 10**9,
        endpoint: str = moto.endpoint,
        public_endpoint: str = "",
        worker_endpoint: str = "",
        clock: Callable[[], float] = time.time,
    ) -> CachedObjects:
        remote = S3Remote(
            prefix,
            endpoint=endpoint,
            public_endpoint=public_endpoint,
            worker_endpoint=worker_endpoint,
            clock=clock,
        )
        return CachedObjects(tmp_path / name, remote, clock, max_bytes=max_bytes)

    return open_objects
