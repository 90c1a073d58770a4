"""Which parts of a model are in memory when, and how much they take."""
