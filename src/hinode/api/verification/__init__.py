"""Checks of files for everybody: `desk` limits and runs them, `wire` has their answers."""
