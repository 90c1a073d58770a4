"""Backups: the database, the store and the files of the home in one file, and the way back."""
