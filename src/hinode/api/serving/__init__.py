"""The process of `hinode serve`: its HTTP server, its connections and its readiness."""
