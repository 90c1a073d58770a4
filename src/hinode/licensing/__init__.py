"""Licences of models: the terms as data, and whether an operator may use them."""
