"""The memory plan: which parts of a model are in memory when, and how much they take. `loading` and
`execution` import from here."""
