"""The audit log in the database: its only writer, its signed head, and its export."""
