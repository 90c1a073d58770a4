"""Training of the reader: clips at their keys, what it never sees, losses, the run."""
