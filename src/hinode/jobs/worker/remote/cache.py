"""Copies of the files of a job on the machine of its worker, in front of those on the server."""

from __future__ import annotations

from hinode.jobs.files.cached import CachedObjects
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Lease


class Cache(CachedObjects):
    """`CachedObjects` of one process. Of finished jobs nothing stays: see `begin`."""

    def begin(self, lease: Lease) -> None:
        """Remove the files of jobs before, and keep those that this one reads."""
        references = lease.job.request.get("references", ())
        needed = {str(reference.get("digest")) for reference in references} | {str(lease.job.checkpoint)}
        Objects.sweep(self, needed, older_than=-1.0)  # on this machine alone
