"""A worker whose jobs and files are those of a server, over HTTP."""
