"""The middleware of every request: authentication, access log, retries, body sizes, metrics."""
