"""The models that the server offers, and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.api.catalogue import Catalogue
from hinode.errors import BadInput
from hinode.settings import Settings
from tests.api.conftest import CheckError, Server


def test_models(server: Server, check_error: CheckError) -> None:
    listed = server.client.get("/v1/models").json()
    names = {model["id"] for model in listed["data"]}
    assert listed["object"] == "list"
    assert names >= {
        "sora-2",
        "sora-2-pro",
        "sora-2-2025-10-06",
        "sora-2-pro-2025-10-06",
        "sora-2-2025-12-08",
    }
    assert {"book", "testcard"} <= names
    for model in listed["data"]:
        assert model["object"] == "model"
        assert model["shutdown_date"] is None
        assert server.client.get(f"/v1/models/{model['id']}").json() == model
    assert server.client.get("/v1/models/native/book").json()["model"] == "book"
    check_error(server.client.get("/v1/models/sora-1"), 404, "model")


@pytest.mark.parametrize(
    "name", ["sora-2-2025-12-08", "sora-2-pro-2025-10-06", "testcard", "testcard/testcard"]
)
def test_aliases_and_names_of_models(server: Server, name: str) -> None:
    video = server.create(model=name)
    assert video["model"] == name
    job = server.context.store.job(server.project_id, video["id"])
    assert job is not None
    assert (job.engine, job.model) == ("testcard", "testcard")


def test_without_aliases_sora_s_names_mean_the_default_model(tmp_path: Path) -> None:
    catalogue = Catalogue(Settings(home=tmp_path), lambda: 0.0)
    for name in (None, "sora-2", "sora-2-pro-2025-10-06"):
        assert (catalogue.find(name).engine, catalogue.find(name).model) == ("native", "book")
    dated = Catalogue(Settings(home=tmp_path, aliases={"sora-2-pro": "testcard"}), lambda: 0.0)
    assert dated.find("sora-2-pro-2025-10-06").engine == "testcard"
    assert dated.find("sora-2-2025-10-06").engine == "native"


def test_an_alias_may_name_a_model_or_another_alias(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def catalogue(**aliases: str) -> Catalogue:
        return Catalogue(Settings(home=tmp_path, aliases=aliases), lambda: 0.0)

    for target, others in (("book", {}), ("b", {"b": "book"}), ("sora-2", {}), ("native", {})):
        models = catalogue(a=target, **others)
        models.check_aliases()
        assert (models.find("a").engine, models.find("a").model) == ("native", "book")
    for target, message in (("nope", "there is no model 'nope'"), ("native/x", "no model 'x'"), ("a", "'a'")):
        with pytest.raises(BadInput, match=f"HINODE_MODELS has a={target}: .*{message}") as refusal:
            catalogue(a=target).check_aliases()
        assert refusal.value.field == "HINODE_MODELS"
    catalogue(a="remote/x").check_aliases()  # it may be there later
    assert "the model a cannot be used: no other server is configured" in caplog.text
