"""What belongs to a project: the rows of each table, for its export and its deletion."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from hinode.records import tables
from hinode.records.tables import metadata

Condition = sa.ColumnElement[bool]

SERVER = frozenset(
    {
        "audit_head",
        "audit_log",
        "audit_payloads",
        "authorities",
        "budget_charges",
        "budget_windows",
        "budgets",
        "fingerprints",  # of files, which may be of several projects
        "instances",
        "invoice_lines",  # as the ledger, they are kept for as long as the law asks for
        "invoice_series",
        "invoices",
        "ledger_accounts",  # the books outlive a project
        "ledger_transfers",
        "marks",  # of files that may be anywhere
        "operator_texts",
        "organisations",
        "payment_events",
        "payments",
        "policies",
        "promo_codes",
        "promo_redemptions",  # a code stays used
        "rejections",
        "rights_events",  # decisions, with ids in place of names
        "runs",
        "schema_revisions",
        "sign_in_attempts",
        "staydowns",
        "status_buckets",
        "status_components",
        "status_incidents",
        "status_notes",
        "status_probers",
        "takedown_matches",
        "takedowns",
        "usage",  # accounts of months that are over, with ids in place of names
        "usage_days",
        "withheld",
        "withheld_entries",
        "withheld_files",
        "worker_tokens",
        "workers",
    }
)
"""Tables of the whole server, and of notices of takedown, which stay for their reports."""
TOMBSTONE = "projects"
"""The row of a deleted project stays, without its name, since decisions refer to its id."""
SECRETS = frozenset({"digest", "password", "secret", "old_secret", "address", "token"})
"""Columns that an export leaves out, of the tables with secrets."""
WITH_SECRETS = frozenset(
    {"api_keys", "one_time_tokens", "sessions", "takedowns", "users", "webhook_endpoints"}
)


def conditions(project_id: str) -> dict[sa.Table, Condition]:
    """Which rows of each table belong to a project, the tables that refer to others first."""
    result: dict[sa.Table, Condition] = {}
    for table in reversed(metadata.sorted_tables):
        if table.name not in SERVER:
            result[table] = _condition(table, project_id)
    return result


def _condition(table: sa.Table, project_id: str) -> Condition:
    if table.name == TOMBSTONE:
        return table.c.id == project_id
    special = _THROUGH.get(table.name)
    return special(project_id) if special else table.c.project_id == project_id


def _inside(column: sa.Column[str], parent: sa.Table, project_id: str) -> Condition:
    return column.in_(sa.select(parent.c.id).where(parent.c.project_id == project_id))


def _through(column: sa.Column[str], parent: sa.Table) -> Callable[[str], Condition]:
    return lambda project_id: _inside(column, parent, project_id)


def _uses(project_id: str) -> Condition:
    uses = tables.consent_uses.c
    return sa.or_(
        _inside(uses.job_id, tables.jobs, project_id), _inside(uses.consent_id, tables.consents, project_id)
    )


def _delivery_attempts(project_id: str) -> Condition:
    mine = sa.select(tables.deliveries.c.id).where(
        _inside(tables.deliveries.c.endpoint_id, tables.webhook_endpoints, project_id)
    )
    return tables.delivery_attempts.c.delivery_id.in_(mine)


_THROUGH: dict[str, Callable[[str], Condition]] = {
    "artifacts": _through(tables.artifacts.c.job_id, tables.jobs),
    "attempts": _through(tables.attempts.c.job_id, tables.jobs),
    "batch_lines": _through(tables.batch_lines.c.batch_id, tables.batches),
    "collection_items": _through(tables.collection_items.c.collection_id, tables.collections),
    "consent_receipts": _through(tables.consent_receipts.c.consent_id, tables.consents),
    "consent_uses": _uses,
    "deliveries": _through(tables.deliveries.c.endpoint_id, tables.webhook_endpoints),
    "delivery_attempts": _delivery_attempts,
    "likes": _through(tables.likes.c.post_id, tables.posts),
    "parents": _through(tables.parents.c.job_id, tables.jobs),
    "reports": _through(tables.reports.c.post_id, tables.posts),
    "storyboard_takes": _through(tables.storyboard_takes.c.storyboard_id, tables.storyboards),
    "storyboard_versions": _through(tables.storyboard_versions.c.storyboard_id, tables.storyboards),
    "worker_objects": _through(tables.worker_objects.c.job_id, tables.jobs),
}
"""Tables without a column `project_id`: through which table their rows belong to a project."""
