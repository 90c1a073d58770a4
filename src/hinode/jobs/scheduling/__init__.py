"""Which job is next, what waits and why, and when each will start and end."""
