"""The library of a project: its videos with titles, tags and collections, where they came from, and trash."""
