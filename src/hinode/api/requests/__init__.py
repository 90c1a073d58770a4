"""From the body of a request to the draft of a job."""
