"""LoRAs as they are written on the command line, and in an entry."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hinode.errors import BadInput, ModelError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.registry import entries, loras, paths
from hinode.registry.entry import Lora
from tests.registry.checkpoints import add, write_weights


@pytest.mark.parametrize(
    ("suffix", "lora"),
    [
        ("", Lora("x.safetensors")),
        (":0.75", Lora("x.safetensors", 0.75)),
        (":-1e-1", Lora("x.safetensors", -0.1)),
        ("@draft", Lora("x.safetensors", profiles=("draft",))),
        ("#4", Lora("x.safetensors", steps=4)),
        ("#4,5.5", Lora("x.safetensors", steps=4, shift=5.5)),
        (":0.8@draft,standard#4", Lora("x.safetensors", 0.8, ("draft", "standard"), 4)),
        ("@high", Lora("x.safetensors", noise="high")),
        (":0.8@draft@low#4", Lora("x.safetensors", 0.8, ("draft",), 4, noise="low")),
    ],
)
@pytest.mark.parametrize("folder", ["", "/models/", "C:\\models\\", "org/repo/", "style:2/"])
def test_a_lora_is_a_source_and_what_follows_it(folder: str, suffix: str, lora: Lora) -> None:
    (parsed,) = loras.parse([f"{folder}x.safetensors{suffix}"])
    assert parsed == dataclasses.replace(lora, source=f"{folder}x.safetensors")


@pytest.mark.parametrize("revision", ["main", "v1.0", "a" * 40])
def test_a_revision_of_the_hub_stays_with_its_source(revision: str) -> None:
    source = f"org/repo/x.safetensors@{revision}"
    assert loras.parse([source]) == (Lora(source),)
    assert loras.parse([f"{source}:0.5@best#8"]) == (Lora(source, 0.5, ("best",), 8),)
    assert loras.parse([f"{source}@both"]) == (Lora(source, noise="both"),)


def test_the_name_of_an_existing_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "fast.safetensors@draft#4")
    assert loras.parse([str(file), f"{file}:2"]) == (Lora(str(file)), Lora(str(file), 2.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x.safetensors@fast", "no profile 'fast'"),
        ("x.safetensors@draft,fast", "no profile 'fast'"),
        ("org/repo/x.safetensors@draft,fast", "no profile 'fast'"),
        ("x.safetensors:nan", "cannot have 'nan'"),
        ("x.safetensors#4,inf", "cannot have 'inf'"),
        ("x.safetensors#201", "cannot distil a model to 201 steps"),
        ("x.safetensors#4,-3", "with the timestep shift -3"),
    ],
)
def test_a_wrong_lora_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        loras.parse([text])
    assert caught.value.field == "lora"


def test_a_lora_counts_in_its_profiles(home: Path, tmp_path: Path, checkpoint: Path) -> None:
    files = [str(write_weights(tmp_path / name)) for name in ("fast.safetensors", "style.safetensors")]
    texts = [f"{files[0]}@draft,standard#4,5", f"{files[1]}:0.5@low"]
    entry = add(home, source=str(checkpoint), loras=texts, eight_bits=True)
    fast, style = Lora(files[0], 1.0, ("draft", "standard"), 4, 5.0), Lora(files[1], 0.5, noise="low")
    assert entry.loras == (fast, style)
    assert entries.find("wan", home) == entry
    assert entry.eight_bits
    assert entry.with_profile("draft").loras == (fast, style)
    best = entry.with_profile("best")
    assert (best.profile, best.loras, best.files) == ("best", (style,), entry.files)


def test_licences_are_stated_once_for_all_loras_or_once_for_each() -> None:
    texts = ["style.safetensors", "fast.safetensors"]
    assert [lora.licence for lora in loras.parse(texts, ["cc-by-nc-4.0", ""])] == ["CC-BY-NC-4.0", ""]
    assert [lora.licence for lora in loras.parse(texts, ["mit"])] == ["MIT", "MIT"]
    with pytest.raises(BadInput, match="--lora-licence is given 3 times and --lora 2 times"):
        loras.parse(texts, ["MIT"] * 3)
    with pytest.raises(BadInput, match="there is no licence 'GPL'"):
        loras.parse(texts, ["GPL"])


def test_the_licences_of_loras_hold_together_with_that_of_the_model(
    home: Path, tmp_path: Path, checkpoint: Path
) -> None:
    files = [str(write_weights(tmp_path / f"{name}.safetensors")) for name in ("style", "fast")]
    entry = add(home, source=str(checkpoint), loras=files, lora_licences=("cc-by-nc-4.0", ""))
    assert entries.find("wan", home) == entry
    assert entry.terms == "Apache-2.0 AND CC-BY-NC-4.0"
    assert "--no-commercial" in (entries.obstacle(entry, home) or "")
    operator.write(Operator(commercial=False), home)
    assert entries.obstacle(entry, home) is None
    same = add(home, "same", source=str(checkpoint), loras=files, lora_licences=("Apache-2.0",))
    assert same.terms == "Apache-2.0"
    file = paths.entry_file("wan", home)
    file.write_text(file.read_text().replace("CC-BY-NC-4.0", "my own"))
    with pytest.raises(ModelError, match="there is no licence 'my own'"):
        entries.find("wan", home)
