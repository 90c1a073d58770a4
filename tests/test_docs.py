"""Documents say what the code does, as far as a program can check it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from hinode import cli
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.records.database import Database
from hinode.settings import Settings
from runs import cli_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
CODE_PAGES = [
    ROOT / "CONTRIBUTING.md",
    DOCS / "explanation" / "design.md",
    *sorted((DOCS / "howto").glob("add-*.md")),
]
"""Pages that name files of the code."""
KINDS = ("howto", "reference", "explanation", "notes")


def read(*parts: str) -> str:
    """The text of a page of docs/."""
    return DOCS.joinpath(*parts).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description of the HTTP API."""
    home = tmp_path_factory.mktemp("home")
    database = Database(f"sqlite:///{home}/hinode.db")
    description = create_app(Context(Settings(home), database)).openapi()
    database.close()
    return description


def test_every_endpoint_is_in_the_reference(openapi: dict[str, Any]) -> None:
    page = read("reference", "api.md").replace("$OPENAI_BASE_URL", "/v1") + read("howto", "run-a-server.md")
    missing = [
        path
        for path in openapi["paths"]
        if not re.search(re.sub(r"\\{\w+\\}", r"[^/\\s]+", re.escape(path)) + r"\b", page)
    ]
    assert missing == []


def test_every_field_is_in_the_reference(openapi: dict[str, Any]) -> None:
    page = read("reference", "api.md")
    code = re.findall(r"(?ms)^```.*?^```|`[^`\n]+`", page)
    words = {word for text in code for word in re.findall(r"\w+", text)}
    schemas = openapi["components"]["schemas"].items()
    fields = {name: set(schema.get("properties", ())) for name, schema in schemas}
    missing = {name: sorted(names - words) for name, names in fields.items() if names - words}
    # Of files in forms, and of errors that FastAPI describes and this server never sends.
    assert set(missing) <= {"FilePart", "HTTPValidationError", "ValidationError"}, missing


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"HINODE_[A-Z_]+", (ROOT / "src/hinode/settings.py").read_text())))
)
def test_every_setting_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in read("reference", "settings.md")


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    assert read("reference", "cli.md") == cli_page.page(), "run: python -m runs.cli_page"


def test_the_index_lists_every_page() -> None:
    index = read("README.md")
    pages = [page for kind in KINDS for page in sorted((DOCS / kind).glob("*.md"))]
    paths = [str(page.relative_to(DOCS)) for page in pages if ".template" not in page.name]
    assert [path for path in ["tutorial.md", *paths] if f"]({path})" not in index] == []
    assert {page.parent.name for page in DOCS.glob("*/*.md")} == set(KINDS)


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


def test_pages_that_messages_name_exist() -> None:
    files = [
        *(ROOT / "src").rglob("*.py"),
        *(path for folder in ("benchmarks", "research", "runs") for path in (ROOT / folder).glob("*.*")),
    ]
    names = {
        name
        for path in files
        for name in re.findall(r"docs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8", errors="ignore"))
    }
    ours = {name for name in names if "NAME" not in name and not name.startswith("docs/serving")}
    assert len(ours) > 5
    assert sorted(name for name in ours if not (ROOT / name).is_file()) == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_on_pages_use_options_that_exist(page: Path) -> None:
    for block in code_blocks(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?hinode (.*)", line)
            if match:
                check_command(shlex.split(match[1], comments=True))


def code_blocks(text: str) -> list[str]:
    """The shell commands of a page: fenced, and indented by four spaces, outside the generated reference."""
    fenced = re.findall(r"(?ms)^```(?:console|sh|bash|)\n(.*?)^```", text)
    outside = re.sub(r"(?ms)^```.*?^```", "", text)
    indented = re.findall(r"(?m)(?:^ {4}\S.*\n?)+", outside)
    return [*fenced, *([] if text.startswith("# Command line") else indented)]


@lru_cache(maxsize=1)
def root_command() -> Any:
    """The command `hinode`, with all others below it."""
    return typer.main.get_command(cli.app)


def check_command(words: list[str]) -> None:
    """Check that a command line names a command, and options of it."""
    command = root_command()
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


@pytest.mark.parametrize("page", CODE_PAGES, ids=[page.stem for page in CODE_PAGES])
def test_files_that_pages_for_contributors_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:src/hinode|tests|docs|benchmarks|deploy)/[\w./-]+)`", text))
    if page.stem == "design":  # its table of changes leaves `src/hinode/` out
        changes = text[text.index("## Where do I change X?") : text.index("## Rules")]
        paths |= {
            f"src/hinode/{path}"
            for path in re.findall(r"`([\w./-]+/[\w.-]*|\w+\.py)`", changes)
            if not path.startswith(("src/", "tests/", "docs/", "deploy/"))
        }
    assert paths
    assert sorted(path for path in paths if "NAME" not in path and not (ROOT / path).exists()) == []


def test_the_example_of_an_engine_renders_a_clip(tmp_path: Path) -> None:
    project, module, engine = re.findall(
        r"(?ms)^```(?:toml|python)\n(.*?)^```", read("howto", "add-an-engine.md")
    )
    package = tmp_path / "hinode_noise"
    package.mkdir()
    (package / "__init__.py").write_text(module)
    (package / "engine.py").write_text(engine)
    (name, target), *_ = tomllib.loads(project)["project"]["entry-points"]["hinode.engines"].items()
    # What pip would write.
    metadata = tmp_path / "hinode_noise-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hinode-noise\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text(f"[hinode.engines]\n{name} = {target}\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    video = tmp_path / "noise.mp4"
    command = [sys.executable, "-m", "hinode", "generate", "anything", "--engine", name, "-o", str(video)]
    environment = {**os.environ, "PYTHONPATH": paths, "HINODE_HOME": str(tmp_path)}
    subprocess.run(command, check=True, env=environment)
    assert video.stat().st_size > 1000


def test_every_dependency_is_on_the_page_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[>\[<=; ]", requirement)[0] for group in groups for requirement in group}
    page = read("reference", "dependencies.md")
    pins = (ROOT / "constraints.txt").read_text()
    assert [name for name in names if f"`{name}`" not in page and f"`{name}[" not in page] == []
    assert [name for name in names if not re.search(rf"(?m)^{name}==", pins)] == []
