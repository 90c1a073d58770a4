"""The economics of the server in answers."""
