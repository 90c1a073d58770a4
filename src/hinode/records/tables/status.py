"""What probes of the service measured, and the incidents that followed from it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from hinode.records.tables.schema import metadata

status_probers = Table(
    "status_probers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("holder", String(64), nullable=False),  # prober_…: the process whose turn it is
    Column("project_id", ForeignKey("projects.id")),  # of the clips of probes; null before the first turn
    Column("url", Text, nullable=False),  # of the server that is probed
    Column("interval", Float(53), nullable=False),  # seconds between two probes of a component
    Column("reported_at", Float(53)),  # the last sample of any component
    Column("lease_until", Float(53), nullable=False),
)

status_components = Table(
    "status_components",
    metadata,
    Column("name", String(100), primary_key=True),  # such as "clips/native"
    Column("at", Float(53), nullable=False),  # the last sample
    Column("ok", Boolean, nullable=False),
    Column("seconds", Float(53), nullable=False),  # what it took
    Column("message", Text, nullable=False),  # why it failed, in one sentence for everybody; "" if it did not
    Column("failures", Integer, nullable=False),  # in a row
    Column("successes", Integer, nullable=False),  # in a row
    Column("failing_since", Float(53)),  # the first of those failures
)

status_buckets = Table(
    "status_buckets",
    metadata,
    Column("component", String(100), primary_key=True),
    Column("resolution", Integer, primary_key=True, autoincrement=False),  # seconds: a minute, an hour, a day
    Column("start", Float(53), primary_key=True),
    Column("good", Float(53), nullable=False),  # seconds for which samples stand that were good
    Column("bad", Float(53), nullable=False),  # the same, for bad ones
    Column("samples", Integer, nullable=False),
)

status_incidents = Table(
    "status_incidents",
    metadata,
    Column("id", String(64), primary_key=True),  # incident_…
    Column("component", String(100), nullable=False),
    Column("impact", String(16), nullable=False),  # jobs.status.incidents.Impact
    Column("cause", Text, nullable=False),  # the message of the first sample
    Column("opened_at", Float(53), nullable=False),
    Column("escalated_at", Float(53)),
    Column("closed_at", Float(53)),
    Index("ix_status_incidents_component", "component", "opened_at"),
)

status_notes = Table(
    "status_notes",
    metadata,
    Column("id", String(64), primary_key=True),  # note_…
    Column("incident_id", ForeignKey("status_incidents.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
)
