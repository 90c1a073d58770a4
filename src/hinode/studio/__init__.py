"""The web app: the files that a browser reads, as they are in `web/`, and the routes that serve them."""
