"""A licence from end to end: whom it excludes is refused everywhere, and what is made carries its terms."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from hinode import cli, engines, pipeline
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.clip import Clip
from hinode.engines.protocol import EngineEntry
from hinode.engines.testcard.engine import TestcardEngine
from hinode.errors import BadInput, ModelError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.records.database import Database
from hinode.registry import acquisition
from hinode.registry.entry import Entry
from hinode.request import Capabilities, Request
from hinode.settings import Settings
from tests.marking import MARKING
from tests.videos import read_video

H3 = "MiniMax-H3-Community"
CLAUSE = 'Sections I.5 and V.4, "Excluded Territories"'
SMALL = Request("a red kite", 64, 36, seconds=0.5)


class StrictEngine(TestcardEngine):
    """A test card whose weights are under a licence with limits."""

    def capabilities(self, model: str | None = None) -> Capabilities:
        card = super().capabilities(None)
        return dataclasses.replace(card, engine="strict", model="h3", models=("h3",), licence=H3)


ENGINE = EngineEntry(f"{__name__}:StrictEngine")


@pytest.fixture
def settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install_entry_points: Callable[..., None]
) -> Settings:
    """Settings of an operator in Germany with such an engine, and another name for its model."""
    install_entry_points(strict=f"{__name__}:ENGINE")
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    operator.write(Operator(("DE",), annual_revenue=0.0), tmp_path / "home")
    return Settings(home=tmp_path / "home", aliases={"sora-2": "testcard", "film": "strict/h3"})


def test_capabilities_refuse_and_name_the_clause(settings: Settings) -> None:
    with pytest.raises(BadInput) as caught:
        engines.capabilities("strict", settings, "h3")
    assert CLAUSE in str(caught.value)
    assert caught.value.field == "model"
    assert engines.models("strict", settings) == ("h3",)
    assert engines.capabilities("testcard", settings).model == "testcard"


def test_a_model_that_is_not_here_yet_is_not_promised(settings: Settings) -> None:
    acquisition.add(Entry("wan", "diffusers", "wan2.1-t2v", "org/wan"), settings.home)
    with pytest.raises(ModelError, match="hinode models pull wan"):
        engines.capabilities("diffusers", settings, "wan")
    assert engines.models("diffusers", settings) == ("wan",)


def test_the_command_refuses_before_anything_is_drawn(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    result = CliRunner().invoke(cli.app, ["generate", "x", "--engine", "strict", "-o", str(out)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert CLAUSE in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("model", ["film", "strict/h3", "strict", "h3"])
def test_the_api_refuses_by_every_name_and_offers_none(settings: Settings, model: str) -> None:
    with closing(Database(settings.database_url)) as database:
        database.upgrade()
        context = Context(settings, database, lambda: 1_800_000_000.0)
        key = context.tenants.create_key("test").key
        client = TestClient(create_app(context), headers={"Authorization": f"Bearer {key}"})
        answer = client.post(
            "/v1/videos", json={"prompt": "x", "model": model, "size": "64x36", "seconds": "1"}
        )
        assert answer.status_code == 400, answer.text
        assert CLAUSE in answer.json()["error"]["message"]
        assert answer.json()["error"]["param"] == "model"
        offered = {model["id"] for model in client.get("/v1/models").json()["data"]}
        assert "testcard" in offered
        assert not offered & {"film", "strict/h3", "h3"}


def test_a_licence_of_ones_own_lifts_it(settings: Settings) -> None:
    operator.write(Operator(("DE",), 0.0, permissions=(H3,)), settings.home)
    assert engines.capabilities("strict", settings, "h3").licence == H3


def test_a_video_carries_the_terms_of_its_weights(clip: Clip, tmp_path: Path) -> None:
    result = Clip(clip.frames.copy(), clip.fps, dataclasses.replace(clip.provenance, model="h3", licence=H3))
    pipeline.finish(SMALL, result, tmp_path / "clip.mp4", "mp4", marking=MARKING)
    metadata = read_video(tmp_path / "clip.mp4").metadata
    facts = json.loads(metadata["description"])
    assert facts["licence"] == "MiniMax H3 Community License Agreement of 2 August 2026"
    assert facts["licence_url"].startswith("https://huggingface.co/MiniMaxAI/")
    assert facts["attribution"] == "MiniMax H3"
    assert any("a machine made it" in term for term in facts["licence_terms"])
    assert "MiniMax H3. Its weights are under the MiniMax H3 Community License" in metadata["comment"]


def test_a_video_of_an_engine_names_the_licence(settings: Settings, tmp_path: Path) -> None:
    pipeline.generate(SMALL, engines.get("testcard", settings), tmp_path / "clip.mp4", "mp4", marking=MARKING)
    metadata = read_video(tmp_path / "clip.mp4").metadata
    facts = json.loads(metadata["description"])
    assert facts["licence"] == "Apache License 2.0"
    assert "attribution" not in facts
    assert "License" not in metadata["comment"]
