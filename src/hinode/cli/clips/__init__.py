"""Commands that make a clip, and those that plan or quote it."""
