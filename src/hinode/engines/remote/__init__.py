"""Other servers as capacity: whoever else can make a video, behind the same protocol as our own engines.

`dialects` says how each kind of server is spoken to, as data; `upstreams` reads which ones there are;
`wire` turns requests into bodies and answers into facts; `client` sends them; `breaker`, `slots` and `pool`
decide who is asked; `footage` decodes what comes back; `run` drives one request from beginning to end.
"""
