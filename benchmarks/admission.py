"""How long a video takes to be accepted with a quote, a maximum and a hold, beside one that is free.

Both are sent in turn to one server in this process, with SQLite. The ratio says more about the code than the
milliseconds do, most of which are the disk's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.records.database import Database
from hinode.records.tables import projects
from hinode.settings import Settings

BAR = 1.3
BODY = {"model": "testcard", "prompt": "a card", "size": "640x360", "seconds": 2, "seed": 1}
CREDIT = 10**9


def measure(count: int) -> dict[str, float | int]:
    """Median seconds of both, and the median of their ratios."""
    with tempfile.TemporaryDirectory(prefix="hinode-") as folder:
        settings = Settings(home=Path(folder), threads=1, device="cpu")
        today = datetime.now(UTC).date().isoformat()
        price = "name: testcard/testcard, provider: us, mark: own, source: ours"
        price += f', date: "{today}", usd_per_second: {{"720": 0.1}}'
        (settings.home / "prices.yaml").write_text(f'version: "{today}"\nprices:\n  - {{{price}}}\n')
        database = Database(settings.database_url)
        database.upgrade()
        context = Context(settings, database)
        keys = {}
        for name in ("free", "paid"):
            project = context.tenants.create_project(name)
            keys[name] = {"authorization": f"Bearer {context.tenants.create_key(name, project=name).key}"}
        with database.write() as connection:
            connection.execute(sa.update(projects).where(projects.c.id == project.id).values(billing=True))
            credit.add_credit(connection, "pay", project.id, CREDIT, "USD", Kind.PAYMENTS, time.time())
        seconds: dict[str, list[float]] = {"free": [], "paid": []}
        with TestClient(create_app(context)) as client:
            quoted = client.post("/v1/videos/quote", json=BODY, headers=keys["paid"]).json()
            terms = {"free": {}, "paid": {"quote_id": quoted["id"], "max_cost": quoted["price"]}}
            for _ in range(count + 3):
                for name, times in seconds.items():
                    begin = time.perf_counter()
                    client.post(
                        "/v1/videos", json={**BODY, **terms[name]}, headers=keys[name]
                    ).raise_for_status()
                    times.append(time.perf_counter() - begin)
        database.close()
    free, paid = (times[3:] for times in seconds.values())
    # Of neighbours, which a busy machine slows alike.
    ratio = statistics.median(after / before for before, after in zip(free, paid, strict=True))
    return {"count": count, "free": statistics.median(free), "paid": statistics.median(paid), "ratio": ratio}


def main(words: list[str]) -> None:
    """Measure and print."""
    name = "python -m benchmarks admission"
    parser = argparse.ArgumentParser(prog=name, description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100, help="requests of each kind (default 100)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    result = measure(options.count)
    if options.json:
        print(json.dumps(result))
        return
    free, paid = 1000 * result["free"], 1000 * result["paid"]
    verdict = "holds" if result["ratio"] <= BAR else "misses"
    print(f"free {free:.1f} ms, with quote, maximum and hold {paid:.1f} ms")
    print(f"ratio {result['ratio']:.2f}, bar {BAR}: {verdict}")
