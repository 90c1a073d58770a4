"""Events, and their delivery to webhooks."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from hinode.records.tables.schema import metadata, partial_index

events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),  # evt_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    # What happened, in one word: "video_…:completed". It can happen only once.
    Column("once", String(100), nullable=False, unique=True),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),  # whe_…
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JSON, nullable=False),
    Column("secret", Text, nullable=False),  # whsec_…; needed in the clear to sign with
    Column("old_secret", Text),
    Column("old_secret_until", Float(53)),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("disabled_at", Float(53)),  # it answered 410 Gone; an update makes it live again
    Column("deleted_at", Float(53)),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("event_id", ForeignKey("events.id"), nullable=False),
    Column("endpoint_id", ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("status", String(16), nullable=False),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Float(53), nullable=False),
    Column("next_at", Float(53), nullable=False),  # earliest time of the next attempt
    Column("epoch", Integer, nullable=False, server_default="0"),  # fencing token, as for jobs
    Column("lease_until", Float(53)),
    Column("delivered_at", Float(53)),
    partial_index("ix_deliveries_pending", "next_at", where="status = 'pending'"),
    Index("ix_deliveries_endpoint_id", "endpoint_id", "id"),
    Index("ix_deliveries_event_id", "event_id"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("at", Float(53), nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
)
