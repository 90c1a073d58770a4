"""Measurements of speed and memory; `make bench` runs them all. Nothing here is asserted: machines differ."""
