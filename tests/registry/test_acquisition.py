"""Adding models: what is checked, what is stored, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from hinode.errors import BadInput, OutputError
from hinode.registry import acquisition, entries, paths
from hinode.registry.entry import Lora
from tests.registry.checkpoints import add, tiny_decoder_tensors, write_gguf, write_weights


def test_a_folder_is_added_with_all_its_digests_and_read_back(home: Path, checkpoint: Path) -> None:
    progress: list[tuple[str, int, int]] = []
    entry = add(home, source=str(checkpoint), watch=lambda *words: progress.append(words))
    assert entry == entries.find("wan", home)
    assert paths.locate(entry.source, entry, home) == checkpoint
    assert entry.pulled
    assert set(entry.files) == {
        path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()
    }
    assert progress[-1][1] == progress[-1][2] == acquisition.size(entry, home)
    assert acquisition.verify(entry, home).good
    assert entries.obstacle(entry, home) is None
    assert [path.name for path in (home / "models").iterdir()] == ["wan.toml"]


def test_every_field_of_an_entry_is_read_back(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    single = write_gguf(tmp_path / 'a "strange"\x7f näme.gguf')
    lora = write_weights(tmp_path / "loras" / "fast.safetensors")
    other = write_weights(tmp_path / "loras" / "style:2.safetensors")
    decoder = tmp_path / "taew.safetensors"
    save_file(tiny_decoder_tensors(), decoder)
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
    assert paths.locate(entry.source, entry, home) == single
    assert paths.locate(entry.base, entry, home) == checkpoint
    assert single.name in entry.files
    assert {"loras/fast.safetensors", "loras/style:2.safetensors", decoder.name} <= set(entry.files)
    assert "my weights/vae/config.json" in entry.files
    assert acquisition.verify(entry, home).good
    lora.write_bytes(lora.read_bytes() + b" ")
    assert acquisition.verify(entry, home).changed == ("loras/fast.safetensors",)
    other_folder = write_weights(tmp_path / "other" / lora.name)
    second = add(home, "second", source=str(checkpoint), loras=[str(other_folder)])
    assert str(other_folder) in second.files


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


def test_verification_names_what_differs(home: Path, checkpoint: Path) -> None:
    entry = add(home, source=str(checkpoint))
    weights = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    (checkpoint / "vae" / "config.json").unlink()
    write_weights(checkpoint / "transformer" / "more.safetensors")
    verification = acquisition.verify(entry, home)
    assert not verification.good
    assert verification.changed == ("vae/diffusion_pytorch_model.safetensors",)
    assert verification.missing == ("vae/config.json",)
    assert verification.added == ("transformer/more.safetensors",)
    assert verification.checked == len(entry.files)
    assert "lacks 'vae/config.json'" in (entries.obstacle(entry, home) or "")


def damage(checkpoint: Path, what: str) -> None:
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
    ("what", "message"),
    [
        ("no index", "no model_index.json"),
        ("index no json", "cannot be read"),
        ("part missing", "has no tokenizer, which its model_index.json names"),
        ("cut off", "cut off, damaged or of another format"),
        ("empty", "cut off, damaged or of another format"),
        ("renamed pickle", "cut off, damaged or of another format"),
        ("pickle", "is a pickle, and loading one runs whatever code is in it; .*--allow-pickle"),
        ("shard missing", "lacks m-00001-of-00002.safetensors"),
        ("auto_map", "Python code of its own .*auto_map.* never run here"),
        ("own pipeline", "Python code of its own"),
        ("own part", "Python code of its own"),
        ("no weights", "no weights in"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_refused_and_nothing_is_written(
    home: Path, checkpoint: Path, what: str, message: str
) -> None:
    damage(checkpoint, what)
    with pytest.raises(BadInput, match=message) as caught:
        add(home, source=str(checkpoint))
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_part_that_is_a_link_is_checked_and_verified_like_a_folder(
    home: Path, tmp_path: Path, checkpoint: Path
) -> None:
    shared = (checkpoint / "vae").rename(tmp_path / "shared")
    (checkpoint / "vae").symlink_to(shared)
    (shared / "above").symlink_to(checkpoint)
    entry = add(home, source=str(checkpoint))
    assert {"vae/config.json", "vae/diffusion_pytorch_model.safetensors"} <= set(entry.files)
    assert not any("above" in key for key in entry.files)
    write_weights(shared / "diffusion_pytorch_model.safetensors", 3.0)
    assert acquisition.verify(entry, home).changed == ("vae/diffusion_pytorch_model.safetensors",)
    (shared / "config.json").write_text('{"auto_map": {"AutoModel": "m.Net"}}')
    with pytest.raises(BadInput, match="Python code of its own"):
        add(home, "second", source=str(checkpoint))


def test_what_a_file_manager_leaves_beside_weights_is_ignored(home: Path, checkpoint: Path) -> None:
    (checkpoint / "transformer" / "._diffusion_pytorch_model.safetensors").write_bytes(b"\0\5\x16\7")
    (checkpoint / ".DS_Store").write_bytes(b"\0")
    entry = add(home, source=str(checkpoint))
    assert not any(Path(key).name.startswith(".") for key in entry.files)
    assert acquisition.verify(entry, home).good


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "WanImageToVideoPipeline"}, "its pipeline is WanImageToVideoPipeline; take one"),
        (
            {"expand_timesteps": True},
            "expand_timesteps in model_index.json is True; add it with --family wan2.2-ti2v",
        ),
        ({"transformer_2": ["diffusers", "WanTransformer3DModel"]}, "it has two denoisers"),
        ({"transformer": [None, None]}, "it has no transformer"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_folder_of_another_family_is_refused(
    home: Path, checkpoint: Path, change: dict[str, Any], message: str
) -> None:
    index = checkpoint / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    (checkpoint / "transformer_2").mkdir()
    with pytest.raises(BadInput, match=message) as caught:
        add(home, source=str(checkpoint))
    assert caught.value.field == "source"


def test_a_pickle_is_allowed_if_the_operator_says_so(home: Path, checkpoint: Path) -> None:
    damage(checkpoint, "pickle")
    entry = add(home, source=str(checkpoint), pickle=True)
    assert entries.find("wan", home).pickle
    assert "transformer/diffusion_pytorch_model.bin" in entry.files


def test_a_pickle_beside_safe_weights_is_ignored(home: Path, checkpoint: Path) -> None:
    (checkpoint / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    entry = add(home, source=str(checkpoint))
    assert "transformer/diffusion_pytorch_model.bin" not in entry.files


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"name": "a/b"}, "name", "cannot be the name"),
        ({"name": ".."}, "name", "cannot be the name"),
        ({"name": "BOOK"}, "name", "already something called"),
        ({"name": "testcard"}, "name", "already something called"),
        ({"family": "sora"}, "family", "choose wan2.1-t2v, "),
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
        ({"loras": ["./missing.safetensors:nan"]}, "lora", "cannot have 'nan'"),
        ({"loras": [__file__]}, "lora", "is no weight file"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_nothing_is_written(
    home: Path, checkpoint: Path, options: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        add(home, **{"source": str(checkpoint)} | options)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_name_is_used_once(home: Path, checkpoint: Path) -> None:
    add(home, source=str(checkpoint))
    before = paths.entry_file("wan", home).read_bytes()
    with pytest.raises(BadInput, match="already something called 'Wan'"):
        add(home, "Wan", source=str(checkpoint))
    assert paths.entry_file("wan", home).read_bytes() == before


def test_a_home_that_cannot_be_written_is_an_error(home: Path, checkpoint: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot make"):
        add(home, source=str(checkpoint))
