"""What surrounds every request: authentication, the access log, retries, metrics."""
