"""Entries: read, listed, removed; and the places on the hub that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.errors import BadInput, ModelError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.registry import entries, paths
from hinode.registry.entry import Remote
from tests.registry.checkpoints import add, write_pipeline


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "",
        'family = "wan2.1-t2v"\nsource = "x"',
        'family = 1\nsource = "x"\nlicence = "MIT"',
        'family = "wan"\nsource = "x"\nlicence = "none"',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\nfiles = 3',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\nspeed = 3',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\nprofile = "fast"',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[files]\n"a" = "00"',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[[loras]]\nsource = "x"\nweight = "much"',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[[loras]]\nweight = 1',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[[loras]]\nsource = "x"\nsteps = "few"',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[[loras]]\nsource = "x"\nshift = -3.0',
        'family = "wan"\nsource = "x"\nlicence = "MIT"\n[[loras]]\nsource = "x"\nprofiles = ["fast"]',
    ],
)
def test_a_damaged_entry_is_one_sentence_and_hides_no_other(home: Path, checkpoint: Path, text: str) -> None:
    add(home, source=str(checkpoint))
    paths.entry_file("bad", home).write_text(text)
    assert list(entries.readable(home)) == ["wan"]
    assert entries.names(home) == ("bad", "wan")
    with pytest.raises(ModelError, match=r"bad\.toml") as caught:
        entries.find("bad", home)
    assert "\n" not in str(caught.value)
    assert entries.remove("bad", home) == 0
    assert entries.names(home) == ("wan",)


def test_a_short_entry_written_by_hand_is_enough(home: Path, checkpoint: Path) -> None:
    (home / "models").mkdir(parents=True)
    paths.entry_file("wan", home).write_text(
        f'family = "wan2.1-t2v"\nsource = "{checkpoint}"\nlicence = "apache-2.0"\n'
    )
    entry = entries.find("wan", home)
    assert (entry.engine, entry.profile, entry.licence) == ("diffusers", "standard", "Apache-2.0")


def test_an_unknown_model_is_answered_with_the_known_ones(home: Path, checkpoint: Path) -> None:
    with pytest.raises(BadInput, match="add one with `hinode models add`"):
        entries.find("wan", home)
    add(home, source=str(checkpoint))
    for look in (entries.find, entries.remove):
        with pytest.raises(BadInput, match="choose wan"):
            look("../wan", home)


def test_removing_a_model_leaves_the_persons_own_files(home: Path, checkpoint: Path) -> None:
    before = {path: path.read_bytes() for path in checkpoint.rglob("*") if path.is_file()}
    add(home, source=str(checkpoint))
    # even where they lie at the place of pulled ones
    own = write_pipeline(home / "models" / "own")
    add(home, "own", source=str(own))
    assert entries.remove("wan", home) == entries.remove("own", home) == 0
    assert {path: path.read_bytes() for path in checkpoint.rglob("*") if path.is_file()} == before
    assert (own / "model_index.json").is_file()
    assert entries.names(home) == ()


def test_models_that_can_be_used_are_offered_first(home: Path, checkpoint: Path) -> None:
    add(home, "a-h3", source=str(checkpoint), licence="MiniMax-H3-Community")
    add(home, "b-unpulled", source="org/repo")
    add(home, "c-wan", source=str(checkpoint))
    assert entries.available("diffusers", home) == ("c-wan", "a-h3", "b-unpulled")
    assert entries.available("native", home) == ()
    operator.write(Operator(("JP",), 0.0), home)
    assert entries.available("diffusers", home) == ("a-h3", "c-wan", "b-unpulled")
    assert "hinode models pull b-unpulled" in (entries.obstacle(entries.find("b-unpulled", home), home) or "")


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("org/repo", Remote("org/repo")),
        ("org/repo@v1", Remote("org/repo", "", "v1")),
        ("org/re.po-1/sub/x.gguf", Remote("org/re.po-1", "sub/x.gguf")),
        ("org/repo/x.safetensors@abc", Remote("org/repo", "x.safetensors", "abc")),
        ("/org/repo", None),
        ("./org/repo", None),
        ("~/org/repo", None),
        ("org", None),
        ("org/repo/../../x", None),
        ("org/repo/", None),
        ("org/repo\\x", None),
        ("https://example.org/org/repo", None),
    ],
)
def test_a_reference_is_a_path_or_a_place_on_the_hub(text: str, remote: Remote | None) -> None:
    assert Remote.of(text) == remote
    if remote is not None:
        assert str(remote) == text
