"""Storyboards and the feed."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from hinode.records.tables.schema import metadata

storyboards = Table(
    "storyboards",
    metadata,
    Column("id", String(64), primary_key=True),  # board_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("revision", Integer, nullable=False),  # from 1; it grows with every change
    Column("document", JSON, nullable=False),  # jobs.storyboards.document
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Index("ix_storyboards_project_id_id", "project_id", "id"),
)

storyboard_versions = Table(
    "storyboard_versions",
    metadata,
    Column("storyboard_id", ForeignKey("storyboards.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # the revision that it was
    Column("title", Text, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
)

storyboard_takes = Table(
    "storyboard_takes",
    metadata,
    Column("storyboard_id", ForeignKey("storyboards.id"), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), primary_key=True, index=True),
    Column("shot_id", String(64), nullable=False),  # "" for a film of all shots
)

posts = Table(
    "posts",
    metadata,
    Column("id", String(64), primary_key=True),  # post_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("video_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("caption", Text, nullable=False),
    Column("author", Text, nullable=False),  # as it was called when it published
    Column("credits", JSON, nullable=False),  # the posts that the video came from, nearest first
    Column("created_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Index("ix_posts_project_id_id", "project_id", "id"),
)

likes = Table(
    "likes",
    metadata,
    Column("post_id", ForeignKey("posts.id"), primary_key=True),
    Column("person", String(64), primary_key=True),  # id of the user, or of the API key
    Column("created_at", Float(53), nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("post_id", ForeignKey("posts.id"), primary_key=True),
    Column("person", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
)
