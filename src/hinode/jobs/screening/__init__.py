"""Screening of jobs: the gate before a job is accepted, and the record of its decisions."""
