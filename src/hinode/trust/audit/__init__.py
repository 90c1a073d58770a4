"""The audit log: entries in a chain of hashes, whose head is signed outside the log.

Values and pure decisions. The table and its only writer are in `jobs.audit`.
"""
