"""Commands of the operator: the server, its status, its upstreams, its backups and its health."""
