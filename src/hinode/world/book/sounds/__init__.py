"""How the picture book sounds."""
