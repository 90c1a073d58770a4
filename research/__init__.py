"""Experiments that decided something: run by the scripts in `runs/`, no part of the installed package."""
