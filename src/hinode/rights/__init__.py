"""Rights of people and rights-holders: records and decisions of consent and takedown.

The jobs act on the decisions: they stop, hide and restore.
"""
