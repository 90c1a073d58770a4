"""Workers as actors of a Ray cluster. Ray is capacity: the database alone knows the jobs."""
