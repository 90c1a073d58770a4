"""Models that people add: entries, acquisition, inspection, families."""
