"""The status of the service: probes of it, what they measured, incidents, and objectives.

`prober` runs the `probes` of a server, one process at a time (`turn`), and `history` enters their samples.
`objectives`, `budget` and `incidents` are pure. `report` reads everything that the status page shows;
`notices` sends incidents to webhooks and by mail; `upkeep` deletes what the probes left.
"""
