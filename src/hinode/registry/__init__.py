"""The registry of other people's checkpoints: entries, their files, families, and fetching from a hub.

Nothing here loads weights or imports torch, except to read the shapes in a pickle.
"""
