"""Workers that reach the jobs over HTTP: their tokens, and what a token allows."""
