"""The public status: `board` reads it every few seconds at most, `wire` and `page` show it."""
