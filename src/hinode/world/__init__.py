"""The drawn world: a picture book whose every clip comes with the exact facts behind it."""
