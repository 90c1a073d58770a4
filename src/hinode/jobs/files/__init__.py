"""The object store, the files that clients upload, and characters."""
