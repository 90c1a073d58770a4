"""Signed provenance (C2PA): the keys, what a manifest says, and where files leave Hinode."""
