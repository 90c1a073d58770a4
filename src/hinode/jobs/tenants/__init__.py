"""Projects with their keys and limits."""
