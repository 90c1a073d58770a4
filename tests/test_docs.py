"""The pages say what the code does, as far as a program can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.records.database import Database
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_endpoint_is_on_the_page(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/hinode.db")
    paths = create_app(Context.of(Settings(tmp_path), database)).openapi()["paths"]
    database.close()
    page = API.replace("$OPENAI_BASE_URL", "/v1")
    missing = [
        path
        for path in paths
        if not re.search(re.sub(r"\\{\w+\\}", r"[^/\\s]+", re.escape(path)) + r"\b", page)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"HINODE_[A-Z_]+", (ROOT / "src/hinode/settings.py").read_text())))
)
def test_every_setting_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in API


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)\s]*)?\)", text):
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"(?m)^#+ (.*)$", other.read_text(encoding="utf-8"))
            made = {"#" + re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in made, anchor


def test_every_dependency_is_on_the_page_and_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[>\[<=; ]", one)[0] for group in asked for one in group}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    pins = (ROOT / "constraints.txt").read_text()
    assert [name for name in names if f"`{name}`" not in page and f"`{name}[" not in page] == []
    assert [name for name in names if not re.search(rf"(?m)^{name}==", pins)] == []
