"""Measures of clips of the picture book against the plans they were drawn from; see `suite`."""
