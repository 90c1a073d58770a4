"""PgBouncer in front of PostgreSQL, where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import HOST, free_port
from hinode.doctor.installation import Installation
from hinode.doctor.state import check_notifications
from hinode.jobs.store import Store
from hinode.records.database import Database, DatabaseError
from hinode.settings import Settings
from tests.jobs.service import add_projects, draft

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed"),
]


@pytest.fixture(params=["transaction", "session"])
def pooled_url(request: pytest.FixtureRequest, postgres: PostgreSQL) -> Iterator[str]:
    """The URL of a new database behind a pooler in a mode."""
    url = sa.make_url(postgres.create())
    with tempfile.TemporaryDirectory(prefix="hinode-pool-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{url.database} = host={url.query['host']} user={url.username}\n"
            f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {request.param}\ndefault_pool_size = 40\n"
        )
        # It refuses to run as root.
        user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        command = ["pgbouncer", str(folder / "pgbouncer.ini")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, user=user)
        pooled = f"postgresql://{url.username}@{HOST}:{port}/{url.database}"
        try:
            with closing(Database(pooled)) as database:
                _wait(database, process)
            yield pooled
        finally:
            process.terminate()
            process.wait()


def _wait(database: Database, process: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            database.check_writable()
            return
        except DatabaseError:
            assert process.poll() is None
            time.sleep(0.05)


def test_jobs_go_through_a_pooler_and_doctor_names_its_mode(
    pooled_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with closing(Database(pooled_url)) as database:
        database.upgrade()
        add_projects(database)
        store = Store(database)
        worker = store.register_worker("here", 1)

        def make(_: int) -> None:
            store.submit([draft()])
            lease = store.claim(worker, host="here")
            if lease is not None:
                store.finish(lease, {}, {}, 60.0)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(make, range(40)))
        assert sum(store.counts().jobs.values()) == 40
    installation = Installation(Settings(home=tmp_path, database_url=pooled_url), HOST, 0)
    if request.node.callspec.params["pooled_url"] == "session":
        assert check_notifications(installation) == "LISTEN and NOTIFY work"
    else:
        with pytest.raises(DatabaseError, match="pooler in transaction mode") as caught:
            check_notifications(installation)
        assert "session mode" in str(caught.value.remedy)
