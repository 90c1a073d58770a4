"""Batches: a file of up to 50,000 requests, and the files of their results."""
