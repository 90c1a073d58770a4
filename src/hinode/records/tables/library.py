"""What a project keeps: entries of the library, collections, archives, uploads, characters."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from hinode.records.tables.schema import metadata, partial_index

library = Table(
    "library",
    metadata,
    # What people say about a video. Jobs of an earlier version have no row until upkeep adds it.
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("title", Text),
    Column("notes", Text, nullable=False, server_default=""),
    Column("favourite", Boolean, nullable=False, server_default=text("false")),
    Column("published", Boolean, nullable=False, server_default=text("false")),
    # Title, prompt and tags as `jobs.library.words` writes them, for search.
    Column("words", Text, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="1"),  # grows with every change
    Column("changed_at", Float(53), nullable=False),
    partial_index("ix_library_favourite", "project_id", "job_id", where="favourite"),
    Index("ix_library_project_id_changed_at", "project_id", "changed_at"),
)

library_tags = Table(
    "library_tags",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("key", String(200), primary_key=True),  # the tag as `jobs.library.words` writes it
    Column("project_id", String(64), nullable=False),
    Column("tag", String(100), nullable=False),  # as the person wrote it
    Index("ix_library_tags_project_id_key", "project_id", "key", "job_id"),
)

collections = Table(
    "collections",
    metadata,
    Column("id", String(64), primary_key=True),  # coll_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("changed_at", Float(53), nullable=False),
    Index("ix_collections_project_id_id", "project_id", "id"),
    Index("ix_collections_project_id_changed_at", "project_id", "changed_at"),
)

collection_items = Table(
    "collection_items",
    metadata,
    Column("collection_id", ForeignKey("collections.id"), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), primary_key=True, index=True),
)

archives = Table(
    "archives",
    metadata,
    Column("id", String(64), primary_key=True),  # archive_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("job_ids", JSON, nullable=False),  # in the order of the files
    Column("created_at", Float(53), nullable=False, index=True),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),  # file-…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("filename", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("deleted_at", Float(53)),
    Index("ix_uploads_project_id_id", "project_id", "id"),
)

characters = Table(
    "characters",
    metadata,
    Column("id", String(64), primary_key=True),  # char_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("notes", Text, nullable=False, server_default=""),
    Column("person", Boolean, nullable=False, server_default=text("false")),  # needs a consent
    Column("created_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Index("ix_characters_project_id_id", "project_id", "id"),
)
