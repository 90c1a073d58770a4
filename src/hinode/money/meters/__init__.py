"""Meters: what jobs use of machines, energy and storage.

counters    counters of energy of this machine: NVML, RAPL
meter       seconds and energy of one attempt at a job, by stage
usage       what a job used, as it is recorded
days        what a project uses day by day beside its jobs: bytes served, screening calls
events      usage as CloudEvents
focus       usage as a FOCUS table
"""
