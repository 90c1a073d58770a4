"""Films: a storyboard becomes shots, each rendered once, joined into one file."""
