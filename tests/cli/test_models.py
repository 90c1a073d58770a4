"""`hinode models`: list, show, add, pull, verify, remove, and the operator's statement."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hinode import cli
from hinode.engines.diffusers.loading import compatibility
from hinode.licensing import operator
from hinode.licensing.licences import LICENCES, Licence
from hinode.licensing.operator import EUROPEAN_UNION, Operator
from hinode.registry import entries
from hinode.registry.families import FAMILIES
from tests.registry.checkpoints import write_pipeline, write_weights
from tests.registry.hubs import serve

DOCS = Path(__file__).resolve().parents[2] / "docs"
LICENCES_PAGE = DOCS / "reference" / "licences.md"
PAGES = [DOCS / "howto" / "use-open-checkpoints.md", LICENCES_PAGE]
FAMILY = next(iter(FAMILIES))
HUNYUAN = next(name for name, family in FAMILIES.items() if family.licence == "Tencent-Hunyuan-Community")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def accept_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoints here hold no network; tests/engines/diffusers/test_compatibility.py adds real ones."""
    monkeypatch.setattr(compatibility, "check", lambda entry, home: None)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path / "weights")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ("models", *arguments))


def add(name: str, source: Path | str, *options: str, family: str = FAMILY) -> Result:
    return run("add", name, "--family", family, "--source", str(source), *options)


def test_every_model_of_every_engine_is_listed(home: Path, checkpoint: Path) -> None:
    assert add("mine", checkpoint).exit_code == 0
    items = {item["name"]: item for item in json.loads(run("list", "--json").stdout)}
    profiles = items["book"].pop("profiles")
    assert profiles == {
        "draft": "book in 3 steps",
        "standard": "book in 5 steps",
        "best": "book in 10 steps",
    }
    assert items["book"] | {"bytes": 0} == {
        "name": "book",
        "engine": "native",
        "family": "",
        "licence": "Apache-2.0",
        "bytes": 0,
        "usable": True,
        "reason": "",
        "entry": None,
    }
    files = (Path(cli.__file__).parents[1] / "weights").glob("book.*")
    assert items["book"]["bytes"] == sum(file.stat().st_size for file in files)
    assert items["testcard"]["engine"] == "testcard"
    assert (items["mine"]["engine"], items["mine"]["family"]) == ("diffusers", FAMILY)
    assert items["mine"]["entry"]["source"] == str(checkpoint)
    table = run("list").stdout
    assert all(name in table for name in ("NAME", "book", "testcard", "mine", FAMILY))
    assert "best       book in 10 steps" in run("show", "book").stdout


def test_a_model_is_added_shown_verified_and_removed(home: Path, checkpoint: Path) -> None:
    added = add("mine", checkpoint, "--profile", "draft")
    assert (added.exit_code, added.stdout) == (0, f"{home / 'models' / 'mine.toml'}\n")
    output = run("show", "mine").stdout
    assert str(checkpoint) in output
    assert "draft" in output
    assert FAMILIES[FAMILY].licence in output
    assert run("show", "diffusers/mine").stdout == output
    assert run("verify").stdout == "mine: 7 files as they were\n"
    (checkpoint / "vae" / "config.json").write_text("{ }")
    changed = run("verify", "mine")
    assert (changed.exit_code, changed.stdout) == (1, "mine: changed: vae/config.json\n")
    (result,) = json.loads(run("verify", "--json").stdout)
    assert (result["good"], result["changed"]) == (False, ["vae/config.json"])
    assert run("remove", "mine").stdout == "removed mine\n"
    assert (checkpoint / "model_index.json").is_file()
    assert "mine" not in run("list").stdout


def test_a_lora_and_its_licence_are_shown(tmp_path: Path, checkpoint: Path) -> None:
    file = write_weights(tmp_path / "style.safetensors")
    added = add(
        "mine", checkpoint, "--lora", f"{file}:0.5@draft,standard#4,5", "--lora-licence", "CC-BY-NC-4.0"
    )
    assert added.exit_code == 0
    assert "--no-commercial" in added.stderr
    output = run("show", "mine").stdout
    assert "at 0.5, for draft and standard only, distilled to 4 steps" in output
    assert "lora terms CC-BY-NC-4.0" in output
    assert f"{FAMILIES[FAMILY].licence} AND CC-BY-NC-4.0" in output
    assert "Not for commercial use (Sections 1(i) and 2(a)(1))." in output
    assert "Apache License 2.0: the whole text was read." in output


def test_the_terms_of_a_licence_are_shown_in_plain_words(checkpoint: Path) -> None:
    add("h3", checkpoint, "--licence", "MiniMax-H3-Community")
    output = run("show", "h3").stdout
    assert "Not in the European Union, GB, KR and US (Sections I.5 and V.4" in output
    assert "up to 20,000,000 US dollars" in output
    assert 'Show "MiniMax H3"' in output
    assert "only excerpts of the text were read" in output
    assert json.loads(run("show", "book", "--json").stdout)["terms"][0].startswith("Apache License 2.0")


def test_the_operator_is_stated_once_and_bit_by_bit(home: Path) -> None:
    assert "not stated" in run("operator").stdout
    assert not home.exists()
    first = run("operator", "--territory", "DE", "--territory", "FR", "--revenue", "2000000")
    assert first.exit_code == 0, first.output
    assert "DE FR" in first.stdout
    assert "2,000,000 US dollars" in first.stdout
    statement = json.loads(run("operator", "--no-commercial", "--permission", "cogvideox", "--json").stdout)
    assert statement == {
        "territories": ["DE", "FR"],
        "annual_revenue": 2000000.0,
        "monthly_users": None,
        "commercial": False,
        "permissions": ["CogVideoX"],
    }
    run("operator", "--territory", "EU")
    assert operator.read(home).territories == EUROPEAN_UNION


def test_a_licence_that_excludes_the_operator_is_refused_by_its_clause(home: Path, checkpoint: Path) -> None:
    index = json.loads((checkpoint / "model_index.json").read_text())
    index["_class_name"] = FAMILIES[HUNYUAN].pipelines[""]
    (checkpoint / "model_index.json").write_text(json.dumps(index))
    added = add("hy", checkpoint, family=HUNYUAN)
    assert added.exit_code == 0
    assert "you have not stated what it depends on" in added.stderr
    operator.write(Operator(("FR",), monthly_users=1), home)
    item = next(item for item in json.loads(run("list", "--json").stdout) if item["name"] == "hy")
    assert not item["usable"]
    assert 'grants nothing in FR (Sections 1(l) and 5(c), "Territory")' in item["reason"]
    table = run("list")
    assert next(line for line in table.stdout.splitlines() if line.startswith("hy ")).endswith("no")
    assert table.stderr.startswith("hy: the Tencent Hunyuan Community License Agreement grants nothing")


def test_a_model_is_pulled_from_the_hub(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    write_pipeline(tmp_path / "hub" / "org" / "wan")
    added = add("wan", "org/wan")
    assert "hinode models pull wan" in added.stderr
    assert "is not on this machine yet" in run("verify", "wan").stderr
    with serve(tmp_path / "hub") as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        pulled = run("pull", "wan")
    assert (pulled.exit_code, pulled.stdout) == (0, f"{home / 'models' / 'wan'}\n"), pulled.output
    assert entries.find("wan", home).pulled
    assert run("verify", "wan").stdout == "wan: 7 files as they were\n"
    removed = json.loads(run("remove", "wan", "--json").stdout)
    assert removed["freed"] > 0
    assert not (home / "models" / "wan").exists()


def test_the_commands_of_the_pages_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pipeline(tmp_path / "weights")
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) >= 8
    for prompt, program, *arguments in commands:
        assert (prompt, program) == ("$", "hinode")
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, (arguments, result.output)


@pytest.mark.parametrize("licence", LICENCES.values(), ids=LICENCES)
def test_the_page_lists_every_licence(licence: Licence) -> None:
    row = next(
        line
        for line in LICENCES_PAGE.read_text(encoding="utf-8").splitlines()
        if f"`{licence.key}`" in line and line[0] == "|"
    )
    assert row.rstrip(" |").endswith(licence.reading)
    for ceiling in (licence.revenue, licence.users):
        assert ceiling is None or f"{ceiling.maximum:,}" in row
    assert ("EU, GB, KR" in row) == bool(licence.excluded)
    assert ("US (" in row) == ("US" in licence.excluded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "sora"], "no added model 'sora'"),
        (["pull", "sora"], "no added model 'sora'"),
        (["verify", "sora"], "no added model 'sora'"),
        (["remove", "book"], "no added model 'book'"),
        (["add", "x", "--family", "sora", "--source", "."], "there is no family 'sora'; choose "),
        (["add", "x", "--family", FAMILY, "--source", "."], "no model_index.json"),
        (
            ["add", "x", "--family", FAMILY, "--source", "o/r", "--licence", "GPL"],
            "there is no licence 'GPL'; choose",
        ),
        (["operator", "--territory", "Germany"], "no territory 'Germany'"),
        (["operator", "--revenue", "-1"], "no amount of revenue"),
        (["operator", "--permission", "GPL"], "no licence 'GPL'"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
