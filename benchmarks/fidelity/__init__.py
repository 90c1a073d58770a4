"""Pairs of clips that a careful look has ordered, and how often the measures order them so."""
