"""An engine that draws a test card at once, for clients and tests."""
