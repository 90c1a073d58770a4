from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from hinode import engines
from hinode.errors import BadInput, ModelError, OutputError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.registry import acquisition, entries
from hinode.registry.entries import Entry, Lora, Remote
from hinode.registry.families import FAMILIES
from hinode.settings import Settings

from .shelf import tiny_decoder, write_gguf, write_pipeline, write_weights

FAMILY = "wan2.1-t2v"


@pytest.fixture(autouse=True)
def _family(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of families that says what the entries here need, whatever the real one has."""
    import sys
    import types

    module = types.ModuleType("hinode.registry.families")
    module.FAMILIES = {  # type: ignore[attr-defined]
        FAMILY: FAMILIES[FAMILY],
        "h3": dataclasses.replace(FAMILIES[FAMILY], licence="MiniMax-H3-Community"),
    }
    monkeypatch.setitem(sys.modules, "hinode.registry.families", module)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path / "my weights")


def add(home: Path, name: str = "wan", **options: Any) -> Entry:
    reserved = engines.reserved_names(Settings(home=home))
    return acquisition.add(name, home, **{"family": FAMILY, "reserved_names": reserved} | options)


def test_a_folder_is_added_with_all_its_digests_and_read_back(home: Path, checkpoint: Path) -> None:
    told: list[tuple[str, int, int]] = []
    entry = add(home, source=str(checkpoint), watch=lambda *words: told.append(words))
    assert entry == entries.find("wan", home)
    assert entries.folder(entry, home) == checkpoint
    assert entry.pulled
    assert set(entry.files) == {
        path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()
    }
    assert told[-1][1] == told[-1][2] == acquisition.sizes(entry, home)
    assert acquisition.verify(entry, home).good
    assert entries.obstacle(entry, home) is None
    assert [path.name for path in (home / "models").iterdir()] == ["wan.toml"]


def test_everything_an_entry_can_say_is_read_back(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    single = write_gguf(tmp_path / 'a "strange"\x7f näme.gguf')
    lora = write_weights(tmp_path / "loras" / "fast.safetensors")
    other = write_weights(tmp_path / "loras" / "style:2.safetensors")
    decoder = tmp_path / "taew.safetensors"
    save_file(tiny_decoder(), decoder)
    entry = add(
        home,
        "Wan_2.1-q4",
        source=str(single),
        base=str(checkpoint),
        decoder=str(decoder),
        loras=[f"{lora}:0.75", f"{other}", f"{other}:-1e-1"],
        licence="other",
        profile="draft",
    )
    assert entry.loras == (Lora(str(lora), 0.75), Lora(str(other), 1.0), Lora(str(other), -0.1))
    assert entries.find("Wan_2.1-q4", home) == entry
    assert entries.folder(entry, home) == single
    assert entries.locate(entry.base, entry, home) == checkpoint
    assert single.name in entry.files
    assert {"loras/fast.safetensors", "loras/style:2.safetensors", decoder.name} <= set(entry.files)
    assert "my weights/vae/config.json" in entry.files
    assert acquisition.verify(entry, home).good
    lora.write_bytes(lora.read_bytes() + b" ")
    assert acquisition.verify(entry, home).changed == ("loras/fast.safetensors",)
    moved = tmp_path / "elsewhere" / lora.name
    write_weights(moved)
    assert str(moved) in add(home, "second", source=str(checkpoint), loras=[str(moved)]).files


def test_a_lora_may_be_for_some_profiles_and_distil(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    files = [str(write_weights(tmp_path / name)) for name in ("fast.safetensors", "style.safetensors")]
    loras = acquisition.parse_loras(
        [files[0], f"{files[1]}:0.5"], profiles=["draft, standard", "all"], steps=[4, 0], shifts=[5.0, 0.0]
    )
    fast, style = Lora(files[0], 1.0, ("draft", "standard"), 4, 5.0), Lora(files[1], 0.5)
    assert loras == (fast, style)
    assert acquisition.parse_loras(files, weights=[0.8]) == (Lora(files[0], 0.8), Lora(files[1], 0.8))
    entry = add(home, source=str(checkpoint), loras=loras, eight_bits=True)
    assert entries.find("wan", home) == entry
    assert entry.eight_bits
    assert entry.under("draft").loras == (fast, style)
    best = entry.under("best")
    assert (best.profile, best.loras, best.files) == ("best", (style,), entry.files)


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"steps": [4, 4]}, "lora-steps", "given 2 times and --lora 1 times"),
        ({"steps": [201]}, "lora-steps", "201 steps"),
        ({"profiles": ["draft,fast"]}, "lora-profiles", "no profile 'fast'"),
        ({"weights": [math.inf]}, "lora", "cannot have 'inf'"),
        ({"shifts": [-3.0]}, "lora-shift", "cannot have the timestep shift -3"),
    ],
)
def test_what_cannot_be_said_of_a_lora(
    tmp_path: Path, said: dict[str, list[Any]], field: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        acquisition.parse_loras([str(write_weights(tmp_path / "fast.safetensors"))], **said)
    assert caught.value.field == field


def test_loras_have_licences_of_their_own(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    loras = [str(write_weights(tmp_path / f"{name}.safetensors")) for name in ("style", "fast")]
    given = {"source": str(checkpoint), "loras": loras}
    entry = add(home, "two", **given, lora_licences=("cc-by-nc-4.0", ""))
    assert [lora.licence for lora in entry.loras] == ["CC-BY-NC-4.0", ""]
    assert entries.find("two", home) == entry
    assert entry.terms == "Apache-2.0 AND CC-BY-NC-4.0"
    assert "--no-commercial" in (entries.obstacle(entry, home) or "")
    operator.write(Operator(commercial=False), home)
    assert entries.obstacle(entry, home) is None
    assert add(home, "same", **given, lora_licences=("Apache-2.0",)).terms == "Apache-2.0"
    with pytest.raises(BadInput, match="--lora-licence is given 3 times and --lora 2 times"):
        add(home, "many", **given, lora_licences=("MIT",) * 3)
    with pytest.raises(BadInput, match="there is no licence 'GPL'"):
        add(home, "other", **given, lora_licences=("GPL",))
    file = entries.path("two", home)
    file.write_text(file.read_text().replace("CC-BY-NC-4.0", "my own"))
    with pytest.raises(ModelError, match="there is no licence 'my own'"):
        entries.find("two", home)


def test_a_base_and_every_lora_are_verified(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    files = {name: write_weights(tmp_path / f"{name}.safetensors") for name in ("one", "style")}
    entry = add(
        home,
        source=str(files["one"]),
        base=str(checkpoint),
        loras=[str(files["style"])],
    )
    assert acquisition.verify(entry, home).good
    files["base"] = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    for file in files.values():
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        (changed,) = acquisition.verify(entry, home).changed
        assert changed.endswith(file.name)
        file.write_bytes(data)


def test_what_differs_is_named(home: Path, checkpoint: Path) -> None:
    entry = add(home, source=str(checkpoint))
    weights = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    (checkpoint / "vae" / "config.json").unlink()
    write_weights(checkpoint / "transformer" / "more.safetensors")
    verdict = acquisition.verify(entry, home)
    assert not verdict.good
    assert verdict.changed == ("vae/diffusion_pytorch_model.safetensors",)
    assert verdict.missing == ("vae/config.json",)
    assert verdict.added == ("transformer/more.safetensors",)
    assert verdict.checked == len(entry.files)
    assert "lacks 'vae/config.json'" in (entries.obstacle(entry, home) or "")


def broken(checkpoint: Path, what: str) -> None:
    """Break a checkpoint in one way."""
    index = checkpoint / "model_index.json"
    weights = checkpoint / "transformer" / "diffusion_pytorch_model.safetensors"
    match what:
        case "no index":
            index.unlink()
        case "index no json":
            index.write_text("{")
        case "part missing":
            shutil.rmtree(checkpoint / "tokenizer")
        case "cut off":
            weights.write_bytes(weights.read_bytes()[:-1])
        case "empty":
            weights.write_bytes(b"")
        case "renamed pickle":
            weights.write_bytes(b"PK\x03\x04" + bytes(100))
        case "pickle":
            weights.rename(weights.with_suffix(".bin"))
        case "shard missing":
            weight_map = {"a": "m-00001-of-00002.safetensors", "b": weights.name}
            (checkpoint / "transformer" / "m.safetensors.index.json").write_text(
                json.dumps({"weight_map": weight_map})
            )
        case "auto_map":
            (checkpoint / "tokenizer" / "tokenizer.json").write_text('{"auto_map": {"AutoModel": "m.Net"}}')
            (checkpoint / "tokenizer" / "m.py").write_text("raise SystemExit")
        case "own pipeline":
            values = json.loads(index.read_text())
            index.write_text(json.dumps(values | {"_class_name": ["pipeline", "Mine"]}))
        case "own part":
            values = json.loads(index.read_text())
            index.write_text(json.dumps(values | {"transformer": ["net", "Net"]}))
            (checkpoint / "transformer" / "net.py").write_text("raise SystemExit")
        case "no weights":
            for path in checkpoint.rglob("*.safetensors"):
                path.unlink()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no index", "no model_index.json"),
        ("index no json", "cannot be read"),
        ("part missing", "has no tokenizer, which its model_index.json names"),
        ("cut off", "cut off, damaged or of another kind"),
        ("empty", "cut off, damaged or of another kind"),
        ("renamed pickle", "cut off, damaged or of another kind"),
        ("pickle", "is a pickle, and loading one runs whatever code is in it; .*--allow-pickle"),
        ("shard missing", "lacks m-00001-of-00002.safetensors"),
        ("auto_map", "Python code of its own .*auto_map.* never run here"),
        ("own pipeline", "Python code of its own"),
        ("own part", "Python code of its own"),
        ("no weights", "no weights in"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_refused_and_nothing_is_written(
    home: Path, checkpoint: Path, what: str, says: str
) -> None:
    broken(checkpoint, what)
    with pytest.raises(BadInput, match=says) as caught:
        add(home, source=str(checkpoint))
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_pickle_is_let_through_where_the_operator_says_so(home: Path, checkpoint: Path) -> None:
    broken(checkpoint, "pickle")
    entry = add(home, source=str(checkpoint), pickle=True)
    assert entries.find("wan", home).pickle
    assert "transformer/diffusion_pytorch_model.bin" in entry.files


def test_a_pickle_beside_safe_weights_is_passed_over(home: Path, checkpoint: Path) -> None:
    (checkpoint / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    entry = add(home, source=str(checkpoint))
    assert "transformer/diffusion_pytorch_model.bin" not in entry.files


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"name": "a/b"}, "name", "cannot be the name"),
        ({"name": ".."}, "name", "cannot be the name"),
        ({"name": "NANO"}, "name", "already something called"),
        ({"name": "testcard"}, "name", "already something called"),
        ({"family": "sora"}, "family", f"choose {FAMILY} or h3"),
        ({"licence": "GPL"}, "licence", "choose Apache-2.0, "),
        ({"profile": "fast"}, "profile", "choose draft, standard or best"),
        ({"source": "./missing"}, "source", "there is nothing at"),
        ({"source": ""}, "source", "is empty"),
        ({"revision": "main"}, "revision", "have no revision"),
        ({"base": "org/repo"}, "base", "needs no base"),
        ({"source": "org/repo/x.gguf"}, "base", "only one part of a pipeline"),
        ({"source": "org/repo/x.gguf", "base": "org/repo/y.gguf"}, "base", "base is a single file"),
        ({"decoder": "org/repo"}, "decoder", "is a whole repository"),
        ({"loras": ["org/repo:0.5"]}, "lora", "is a whole repository"),
        ({"loras": ["./missing.safetensors"]}, "lora", "there is no file"),
        ({"loras": ["./missing.safetensors:nan"]}, "lora", "cannot have the weight 'nan'"),
        ({"loras": [__file__]}, "lora", "is no weight file"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_leaves_nothing(
    home: Path, checkpoint: Path, options: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        add(home, **{"source": str(checkpoint)} | options)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_name_is_taken_once(home: Path, checkpoint: Path) -> None:
    add(home, source=str(checkpoint))
    before = entries.path("wan", home).read_bytes()
    with pytest.raises(BadInput, match="already something called 'Wan'"):
        add(home, "Wan", source=str(checkpoint))
    assert entries.path("wan", home).read_bytes() == before


def test_a_family_that_no_table_knows_needs_a_licence(
    home: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "hinode.registry.families", None)
    with pytest.raises(BadInput, match="licence of the weights is not stated"):
        add(home, source=str(checkpoint))
    assert add(home, source=str(checkpoint), licence="mit").licence == "MIT"


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
    entries.path("bad", home).write_text(text)
    assert list(entries.entries(home)) == ["wan"]
    assert entries.names(home) == ("bad", "wan")
    with pytest.raises(ModelError, match=r"bad\.toml") as caught:
        entries.find("bad", home)
    assert "\n" not in str(caught.value)
    assert entries.remove("bad", home) == 0
    assert entries.names(home) == ("wan",)


def test_what_a_person_writes_by_hand_is_enough(home: Path, checkpoint: Path) -> None:
    (home / "models").mkdir(parents=True)
    entries.path("wan", home).write_text(
        f'family = "{FAMILY}"\nsource = "{checkpoint}"\nlicence = "apache-2.0"\n'
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


def test_removing_a_model_leaves_a_persons_own_files(home: Path, checkpoint: Path) -> None:
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
    add(home, "a-h3", source=str(checkpoint), family="h3")
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
def test_places_on_the_hub_are_told_from_paths(text: str, remote: Remote | None) -> None:
    assert Remote.of(text) == remote
    if remote is not None:
        assert str(remote) == text


def test_where_nothing_can_be_written_it_says_so(home: Path, checkpoint: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot make"):
        add(home, source=str(checkpoint))
