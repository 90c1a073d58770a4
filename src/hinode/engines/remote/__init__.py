"""Other servers as an engine: they make the video, behind the same protocol as the engines of this machine.

`dialects` describes each kind of server as data; `upstreams` reads which servers are configured; `wire` turns
requests into bodies and answers into facts; `client` sends them; `pool` has the state of the servers;
`health` says which of them are drained, and `report` shows it; `run` drives one request from beginning to
end.
"""

from __future__ import annotations

from hinode.engines.protocol import EngineEntry

ENGINE = EngineEntry("hinode.engines.remote.engine:RemoteEngine", external=True)
