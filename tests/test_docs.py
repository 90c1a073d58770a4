"""Documents say what the code does, as far as a program can check it."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from hinode import cli
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.records.database import Database
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


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


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)\s]*)?\)", text):
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", other.read_text(encoding="utf-8"))
            anchors = {
                "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in anchors, anchor


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_on_pages_use_options_that_exist(page: Path) -> None:
    for block in re.findall(r"(?ms)^```(?:console|sh|bash|)\n(.*?)^```", page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?hinode (.*)", line)
            if match:
                check_command(shlex.split(match[1], comments=True))


def check_command(words: list[str]) -> None:
    """Check that a command line names a command, and options of it."""
    command: Any = typer.main.get_command(cli.app)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert options or not hasattr(command, "commands"), f"no command: {words}"
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert options <= names | {"-h", "--help"}, (command.name, options - names)


def test_make_knows_the_commands_on_the_pages() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for page in PAGES[:2]:
        commands = re.findall(r"(?m)(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"))
        assert set(commands) <= targets, page


def test_files_that_the_guide_for_contributors_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", text)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_dependency_is_on_the_page_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[>\[<=; ]", requirement)[0] for group in groups for requirement in group}
    page = (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
    pins = (ROOT / "constraints.txt").read_text()
    assert [name for name in names if f"`{name}`" not in page and f"`{name}[" not in page] == []
    assert [name for name in names if not re.search(rf"(?m)^{name}==", pins)] == []
