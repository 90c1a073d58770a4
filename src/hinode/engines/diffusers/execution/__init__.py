"""A pipeline of diffusers, carried out a step at a time."""
