"""Streams of server-sent events, all fed by one look at the database."""
