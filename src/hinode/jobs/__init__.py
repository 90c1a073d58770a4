"""The durable life of a request: admitted, queued, fairly scheduled, worked on, finished, told of."""
