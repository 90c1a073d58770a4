"""Pools, servers and local-only projects on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from tests.engines.remote.fleet import Fleet
from tests.engines.remote.stubs import KEY, Answer

Run = Callable[..., Result]
POOL = '[pool.film]\nmember = [{model = "remote/wan"}, {model = "testcard/testcard", price = 1}]\n'
CLIP = ("--model", "film", "--size", "64x48", "--seconds", "1", "--fps", "8")


@pytest.fixture
def providers(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A provider and a pool of it and own workers, in the home of the command."""
    fleet = Fleet(tmp_path / "home")
    monkeypatch.setenv("HINODE_HOME", str(fleet.home))
    monkeypatch.setenv("STUB_KEY", KEY)
    fleet.add("sglang", prices={"wan": 0.1}, poll_seconds=0.05)
    fleet.engine()
    (fleet.home / "pools.toml").write_text(POOL)
    yield fleet
    for stub in fleet.stubs:
        stub.close()


def test_a_clip_of_a_pool_is_made_by_the_first_member_that_accepts_it(run: Run, providers: Fleet) -> None:
    (stub,) = providers.stubs
    made = run("generate", "a red kite", *CLIP, "-o", "a.mp4", "--json")
    assert made.exit_code == 0, made.output
    values = json.loads(made.stdout)
    assert (values["provider"], values["model"], values["routing"]["moves"]) == ("s1", "wan@s1", [])
    stub.overrides["create"].append(Answer(429))
    made = run("generate", "a red kite", *CLIP, "-o", "a.mp4")
    assert made.exit_code == 0, made.output
    assert "remote/wan@s1: no server took the request in time" in made.stderr
    assert "by testcard" in made.stderr


def test_a_clip_that_no_member_accepts_is_an_error(run: Run, providers: Fleet) -> None:
    (providers.home / "pools.toml").write_text('[pool.film]\nmember = [{model = "remote/wan"}]\n')
    providers.stubs[0].overrides["create"].append(Answer(429))
    made = run("generate", "a red kite", *CLIP, "-o", "a.mp4", "--quiet")
    assert made.exit_code == 1
    assert "no server took the request in time" in made.stderr
    assert len(providers.stubs[0].creations()) == 1


def test_the_servers_are_listed_with_their_health(run: Run, providers: Fleet) -> None:
    for _ in range(10):
        providers.engine().pool.health("s1").record(False)
    table = run("upstreams").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "DIALECT", "MODELS"]
    assert table[1].split()[:4] == ["s1", "sglang", "wan", "0.1"]
    (server,) = json.loads(run("upstreams", "--json").stdout)
    assert (server["prices"], server["drained_at"] is not None) == ({"wan": 0.1}, True)
    (providers.home / "upstreams.toml").unlink()
    assert json.loads(run("upstreams", "--json").stdout) == []


def test_a_project_is_made_local_only_and_open_again(run: Run, providers: Fleet) -> None:
    made = run("projects", "create", "--name", "secret", "--local-only", "--json")
    assert json.loads(made.stdout)["local_only"] is True
    changed = run("projects", "set", "secret", "--weight", "2", "--json")
    assert json.loads(changed.stdout)["local_only"] is True
    changed = run("projects", "set", "secret", "--not-local-only", "--json")
    assert json.loads(changed.stdout)["local_only"] is False
