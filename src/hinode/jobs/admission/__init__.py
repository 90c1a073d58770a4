"""Before a job is in the queue: its quote, its provider, its project's limits, and requests sent again."""
