"""One request at other servers, from beginning to end.

`run` drives it; `search` finds the server, among the `candidates`; `lookup` finds a job whose creation was
not answered; `losses` records clips that are made in vain; `delivery` fetches the file that comes back, and
`decoder` decodes it; `steps` waits for all of this so that the run can be stopped meanwhile.
"""
