"""What anybody can find out about a file: who signed it, whether it was changed, and what it was made from.

`reader` reads a file in a process of its own (`child`), `report` says in plain words what that process found,
and `check` does both. Nothing here is sent over a network.
"""
