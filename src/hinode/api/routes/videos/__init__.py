"""Videos: creation, direction, progress, files."""
