"""Every table. Times are seconds since 1970 as floats, from a clock that the caller passes in.

A table changes only together with a migration under `migrations/versions`; a test compares the two. Some
columns have another name in the database than in Python (`key`): the database keeps the first one.
"""

from __future__ import annotations

from hinode.records.tables.accounts import (
    api_keys,
    instances,
    one_time_tokens,
    organisations,
    projects,
    sessions,
    sign_in_attempts,
    users,
)
from hinode.records.tables.documents import (
    likes,
    posts,
    reports,
    storyboard_takes,
    storyboard_versions,
    storyboards,
)
from hinode.records.tables.jobs import (
    artifacts,
    attempts,
    batch_lines,
    batches,
    idempotency,
    jobs,
    parents,
    quotes,
    rejections,
    runs,
    worker_objects,
    worker_tokens,
    workers,
)
from hinode.records.tables.library import (
    archives,
    characters,
    collection_items,
    collections,
    library,
    library_tags,
    uploads,
)
from hinode.records.tables.schema import metadata, schema_revisions
from hinode.records.tables.status import (
    status_buckets,
    status_components,
    status_incidents,
    status_notes,
    status_probers,
)
from hinode.records.tables.trust import authorities, marks
from hinode.records.tables.webhooks import deliveries, delivery_attempts, events, webhook_endpoints

__all__ = [
    "api_keys",
    "archives",
    "artifacts",
    "attempts",
    "authorities",
    "batch_lines",
    "batches",
    "characters",
    "collection_items",
    "collections",
    "deliveries",
    "delivery_attempts",
    "events",
    "idempotency",
    "instances",
    "jobs",
    "library",
    "library_tags",
    "likes",
    "marks",
    "metadata",
    "one_time_tokens",
    "organisations",
    "parents",
    "posts",
    "projects",
    "quotes",
    "rejections",
    "reports",
    "runs",
    "schema_revisions",
    "sessions",
    "sign_in_attempts",
    "status_buckets",
    "status_components",
    "status_incidents",
    "status_notes",
    "status_probers",
    "storyboard_takes",
    "storyboard_versions",
    "storyboards",
    "uploads",
    "users",
    "webhook_endpoints",
    "worker_objects",
    "worker_tokens",
    "workers",
]
