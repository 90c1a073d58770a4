"""Pools: one model name for several models, of own workers and of providers, and which of them makes a job.

`pools` reads the file that describes them; `decision` puts the members of a pool in order, a pure function;
`router` finds out what that function has to know; `record` is the decision as a job stores it.
"""
