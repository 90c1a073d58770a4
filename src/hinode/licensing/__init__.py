"""Licences of model weights: the terms as data (`licences.toml`), and whether an operator may use a model."""
