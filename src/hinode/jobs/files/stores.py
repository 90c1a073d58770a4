"""The store that the settings name: a folder, or a bucket behind a cache."""

from __future__ import annotations

import time
from collections.abc import Callable

from hinode.jobs.files.cached import CachedObjects
from hinode.jobs.files.objects import Objects
from hinode.settings import Settings


def open_store(settings: Settings, clock: Callable[[], float] = time.time) -> Objects:
    """The store of a server or of a worker; nothing is asked of it yet.

    Raises:
        BadInput: the client of S3 is not installed, or an AWS_ variable has a wrong value.
    """
    if not settings.store_url:
        return Objects(settings.store, clock)
    from hinode.jobs.files.s3 import S3Remote

    remote = S3Remote(
        settings.store_url,
        endpoint=settings.store_endpoint,
        public_endpoint=settings.store_public_endpoint,
        worker_endpoint=settings.store_worker_endpoint,
        clock=clock,
    )
    return CachedObjects(settings.store, remote, clock, max_bytes=settings.store_cache_bytes)
