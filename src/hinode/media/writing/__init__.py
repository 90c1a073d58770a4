"""Clips as files: video, moving and still pictures, other formats, and what a file says about itself."""
