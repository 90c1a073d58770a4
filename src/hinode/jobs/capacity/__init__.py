"""How many workers there are, where they run, and when they start and end."""
