"""From the bodies of requests to the drafts of jobs."""
