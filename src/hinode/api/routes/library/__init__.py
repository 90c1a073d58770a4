"""Files and characters of a project."""
