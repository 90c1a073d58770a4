"""The audit log: entries in a chain of hashes, whose head is signed outside the log.

`log` is the only writer of its table; what signs and exports it is in `jobs.audit`.
"""
