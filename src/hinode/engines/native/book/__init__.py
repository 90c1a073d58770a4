"""The engine's second kind of model: a scene plan from the words, then pixels that follow the plan."""
