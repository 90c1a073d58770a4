"""The drawn world: paper-cut skies whose every clip comes with the exact facts behind it."""
