"""A checked request that is to become a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hinode.jobs.states import Priority
from hinode.request import MediaFile, Request


@dataclass(frozen=True)
class Draft:
    """A checked request that is to become a job.

    Attributes:
        project_id: the project that submits it.
        key_id: API key that it came with, or None.
        request: names its model, so that a later default changes nothing.
        requested_model: name of the model as the client wrote it.
        priority: class of work.
        inputs: files that the request's references name, by role and number; already in the store.
        source_id: video that this one is made from, or None.
        batch_id: batch that it is a line of, or None.
        request_hash: digest of the request in normal form, by which a retry is recognised.
    """

    project_id: str
    key_id: str | None
    request: Request
    requested_model: str
    priority: Priority = Priority.INTERACTIVE
    inputs: Mapping[str, MediaFile] = field(default_factory=dict)
    source_id: str | None = None
    batch_id: str | None = None
    request_hash: str | None = None
