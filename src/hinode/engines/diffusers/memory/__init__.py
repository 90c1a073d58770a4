"""The memory plan: which parts of a model are in memory when, and how much they take.

Nothing here loads weights: `loading` and `execution` import from this package, not the other way round.
"""
