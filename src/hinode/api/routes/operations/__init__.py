"""Batches, models, health and metrics."""
