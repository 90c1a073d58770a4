"""`hinode upstreams`: the other servers, and whether they get jobs."""

from __future__ import annotations

import dataclasses
import json
import os
import time

from hinode.cli import options
from hinode.cli.table import moment, print_table
from hinode.settings import Settings


def upstreams(as_json: options.AsJson = False) -> None:
    """Print the servers of upstreams.toml, their prices, their burn rates, and whether they get jobs."""
    from hinode.engines.remote.report import report

    servers = report(Settings.from_environment(os.environ).home, time.time)
    if as_json:
        print(json.dumps([dataclasses.asdict(server) for server in servers]))
        return
    print_table(
        (
            "NAME",
            "DIALECT",
            "MODELS",
            "USD PER SECOND",
            "STATE",
            "BURN 5 MIN",
            "BURN 30 MIN",
            "DRAINED SINCE",
        ),
        [
            (
                server.name,
                server.dialect,
                ",".join(server.models),
                ",".join(
                    f"{server.prices[name]:g}" if name in server.prices else "-" for name in server.models
                ),
                server.state.value,
                f"{server.short_burn:.1f}",
                f"{server.long_burn:.1f}",
                moment(server.drained_at),
            )
            for server in servers
        ],
    )
