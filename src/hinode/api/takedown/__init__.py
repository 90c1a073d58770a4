"""The page on which anybody can ask for the removal of content."""
