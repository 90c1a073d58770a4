"""The engine of open checkpoints: it drives the pipelines of the library diffusers, a step at a time.

This package is named after the library and does not hide it: `import diffusers` is absolute, here as
anywhere, and means the library. Only `offer` may be imported where torch must not be.
"""
