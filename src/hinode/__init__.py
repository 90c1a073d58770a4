"""Hinode: text in, video out, from a model that draws on your own machine."""

__version__ = "0.1.0"
