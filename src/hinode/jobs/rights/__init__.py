"""Acting on decisions about rights: jobs stop, and videos, files and characters are withheld and restored."""
