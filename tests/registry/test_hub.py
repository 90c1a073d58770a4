from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch

from hinode.errors import BadInput, ModelError, OutputError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.registry import acquisition, entries, huggingface
from hinode.registry.entries import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.huggingface import HuggingFace

from .shelf import COMMITS, Shelf, served, tiny_decoder, write_gguf, write_pipeline, write_weights

FAMILY = "wan2.1-t2v"
VAE = "vae/diffusion_pytorch_model.safetensors"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def _family(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("hinode.registry.families")
    module.FAMILIES = {FAMILY: FAMILIES[FAMILY]}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hinode.registry.families", module)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A hub with a pipeline and all that lies about in such repositories, and one with single files."""
    repository = write_pipeline(tmp_path / "hub" / "org" / "wan")
    (repository / "LICENSE.txt").write_text("free")
    (repository / "assets").mkdir()
    (repository / "assets" / "demo.mp4").write_bytes(b"x" * 1000)
    write_weights(repository / "loras" / "fast.safetensors")  # no part of the pipeline
    write_weights(repository / "vae" / "diffusion_pytorch_model.fp16.safetensors")
    (repository / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    (repository / ".gitattributes").write_text("")
    extras = tmp_path / "hub" / "org" / "extras"
    extras.mkdir()
    write_gguf(extras / "q4.gguf")
    write_gguf(extras / "q8.gguf")
    write_weights(extras / "loras" / "fast.safetensors")
    tensors = {name: torch.from_numpy(values) for name, values in tiny_decoder().items()}
    torch.save(tensors, extras / "taew.pth")
    torch.save({"other": torch.zeros(1)}, extras / "other.pth")
    return Shelf(tmp_path / "hub")


def add(home: Path, source: str = "org/wan", **options: object) -> Entry:
    return acquisition.add("wan", home, **{"family": FAMILY, "source": source} | options)  # type: ignore[arg-type]


def test_what_a_pipeline_loads_is_fetched_and_nothing_else(home: Path, shelf: Shelf) -> None:
    entry = add(home)
    assert not entry.pulled
    assert shelf.asked == []  # adding asks nobody
    told: list[tuple[str, int, int]] = []
    entry = acquisition.pull(entry, home, lambda: shelf, lambda *words: told.append(words))
    assert entry == entries.find("wan", home)
    assert entry.revision == COMMITS["main"]
    assert set(entry.files) == {
        *("model_index.json", "LICENSE.txt", "scheduler/scheduler_config.json", "tokenizer/tokenizer.json"),
        *("transformer/config.json", TRANSFORMER, "vae/config.json", VAE),
    }
    assert entries.folder(entry, home) == home / "models" / "wan"
    assert {path.name for path in (home / "models" / "wan").iterdir()} == {
        *("model_index.json", "LICENSE.txt", "scheduler", "tokenizer", "transformer", "vae")
    }
    assert told[-1][1] == told[-1][2] == acquisition.sizes(entry, home)
    assert all(0 <= done <= total for _, done, total in told)
    assert acquisition.verify(entry, home).good
    assert entries.obstacle(entry, home) is None


def test_a_pull_that_stopped_goes_on_at_the_same_commit(home: Path, shelf: Shelf) -> None:
    entry = add(home, revision="v1")
    shelf.stop_at = VAE
    with pytest.raises(ModelError, match="pull again"):
        acquisition.pull(entry, home, lambda: shelf)
    entry = entries.find("wan", home)
    assert not entry.pulled
    assert entry.revision == COMMITS["v1"]
    fetched = list(shelf.fetched)
    shelf.stop_at = ""
    acquisition.pull(entry, home, lambda: shelf)
    assert shelf.fetched[len(fetched) :] == [VAE]
    assert entries.find("wan", home).pulled


def test_bytes_that_are_not_those_promised_are_thrown_away(home: Path, shelf: Shelf) -> None:
    for spoilt in ("scheduler/scheduler_config.json", VAE):  # known by Git's digest, and by SHA-256
        shelf.spoil = spoilt
        with pytest.raises(ModelError, match=f"{spoilt} of org/wan came with other bytes"):
            acquisition.pull(
                add(home) if not entries.names(home) else entries.find("wan", home), home, lambda: shelf
            )
        assert not (home / "models" / "wan" / spoilt).exists()
    assert not entries.find("wan", home).pulled


def test_pulling_again_mends_what_was_changed(home: Path, shelf: Shelf) -> None:
    entry = acquisition.pull(add(home), home, lambda: shelf)
    place = home / "models" / "wan" / VAE
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    assert acquisition.verify(entry, home).changed == (VAE,)
    shelf.fetched.clear()
    acquisition.pull(entry, home, lambda: shelf)
    assert shelf.fetched == [VAE]
    assert acquisition.verify(entry, home).good


def test_a_single_file_brings_its_base_its_decoder_and_its_loras(
    home: Path, shelf: Shelf, tmp_path: Path
) -> None:
    own = write_weights(tmp_path / "own.safetensors")
    entry = add(
        home,
        "org/extras/q4.gguf",
        base="org/wan",
        loras=["org/extras/loras/fast.safetensors:0.5", str(own)],
        licence="MIT",
    )
    entry = acquisition.pull(entry, home, lambda: shelf)
    assert "q8.gguf" not in shelf.fetched
    assert TRANSFORMER not in shelf.fetched  # the single file stands for it
    assert "transformer/config.json" in shelf.fetched
    assert entry.base == f"org/wan@{COMMITS['main']}"
    assert entry.loras[0].source == f"org/extras/loras/fast.safetensors@{COMMITS['main']}"
    assert entries.folder(entry, home) == home / "models" / "wan" / "q4.gguf"
    assert (entries.locate(entry.base, entry, home) / VAE).is_file()
    assert entries.locate(entry.loras[0].source, entry, home).is_file()
    assert entries.locate(entry.loras[1].source, entry, home) == own
    assert str(own) in entry.files
    assert entries.obstacle(entry, home) is None
    assert acquisition.verify(entry, home).good
    assert entries.remove("wan", home) > 0
    assert own.is_file()
    assert list((home / "models").iterdir()) == []


def test_removing_a_local_model_deletes_only_what_was_pulled_for_it(
    home: Path, shelf: Shelf, tmp_path: Path
) -> None:
    mine = write_pipeline(home / "models" / "wan")
    entry = add(home, str(mine), loras=["org/extras/loras/fast.safetensors"])
    assert not entry.pulled
    entry = acquisition.pull(entry, home, lambda: shelf)
    assert acquisition.verify(entry, home).good
    entries.remove("wan", home)
    assert (mine / "model_index.json").is_file()
    assert not (mine / entries.PARTS).exists()


def test_pickles_are_refused_before_a_byte_of_them_is_fetched(home: Path, shelf: Shelf) -> None:
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/taew.pth")
    with pytest.raises(BadInput, match=r"taew\.pth' is a pickle.*--allow-pickle"):
        acquisition.pull(entry, home, lambda: shelf)
    assert "taew.pth" not in shelf.fetched
    entries.remove("wan", home)
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/taew.pth", pickle=True)
    assert acquisition.pull(entry, home, lambda: shelf).pulled
    entries.remove("wan", home)
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/other.pth", pickle=True)
    with pytest.raises(BadInput, match="no tiny decoder that can be read"):
        acquisition.pull(entry, home, lambda: shelf)
    assert not entries.find("wan", home).pulled


def test_a_repository_with_code_of_its_own_is_not_made_usable(home: Path, shelf: Shelf) -> None:
    index = shelf.folder / "org" / "wan" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": ["mine", "Mine"]}))
    with pytest.raises(BadInput, match="never run here"):
        acquisition.pull(add(home), home, lambda: shelf)
    assert not entries.find("wan", home).pulled


def test_a_licence_that_excludes_the_operator_keeps_the_weights_away(home: Path, shelf: Shelf) -> None:
    operator.write(Operator(("DE",), 0.0), home)
    entry = add(home, licence="MiniMax-H3-Community")
    with pytest.raises(BadInput, match="grants nothing in DE"):
        acquisition.pull(entry, home, lambda: shelf)
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("org/nobody", "there is no org/nobody"),
        (
            "org/extras",
            "has no model_index.json; name one of its files, such as org/extras/loras/fast.safetensors",
        ),
        ("org/extras/q2.gguf", r"there is no file q2\.gguf in org/extras"),
    ],
)
def test_what_is_not_there_is_one_sentence(home: Path, shelf: Shelf, source: str, says: str) -> None:
    base = {"base": "org/wan"} if source.count("/") > 1 else {}
    with pytest.raises(BadInput, match=says):
        acquisition.pull(add(home, source, **base), home, lambda: shelf)


def test_files_of_a_local_model_are_not_pulled(home: Path, tmp_path: Path) -> None:
    entry = add(home, str(write_pipeline(tmp_path / "mine")))
    with pytest.raises(BadInput, match="were not pulled"):
        acquisition.pull(entry, home, lambda: Shelf(tmp_path))


def test_a_repository_cannot_write_outside_its_folder(
    home: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.registry.hub import HubFile, Listing

    for path in ("../evil.json", "/evil.json", "vae/../../evil.json", "vae\\..\\evil.json"):
        monkeypatch.setattr(
            shelf, "listing", lambda repository, revision, path=path: Listing("a" * 40, (HubFile(path, 1),))
        )
        entry = entries.find("wan", home) if entries.names(home) else add(home)
        with pytest.raises(BadInput, match="has a file called"):
            acquisition.pull(entry, home, lambda: shelf)


def test_a_disk_that_is_too_small_is_told_before_the_weights(
    home: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.registry import hub

    monkeypatch.setattr(hub, "SPARE", 2**60)
    with pytest.raises(OutputError, match="the disk has"):
        acquisition.pull(add(home), home, lambda: shelf)
    assert shelf.fetched == []


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"pip install 'hinode\[diffusers\]'"):
        HuggingFace()


class TestTheRealLibrary:
    """huggingface_hub itself, against a server on this machine."""

    @pytest.fixture(autouse=True)
    def _library(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        pytest.importorskip("huggingface_hub")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)

    def test_a_pipeline_arrives(self, home: Path, shelf: Shelf) -> None:
        told: list[tuple[str, int, int]] = []
        with served(shelf.folder) as (address, seen):
            entry = acquisition.pull(
                add(home, revision="v1"),
                home,
                lambda: HuggingFace(address),
                lambda *words: told.append(words),
            )
            count = len(seen)
            acquisition.pull(entry, home, lambda: HuggingFace(address))
        assert count == len(entry.files)
        assert len(seen) == count  # what is there and right is not fetched again
        assert entry.revision == COMMITS["v1"]
        assert acquisition.verify(entry, home).good
        assert told[-1][1] == told[-1][2] == acquisition.sizes(entry, home)
        assert not (home / "models" / "wan" / ".cache").exists()

    def test_a_download_goes_on_where_the_connection_broke(
        self, home: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface, "BLOCK", 1000)
        large = write_weights(shelf.folder / "org" / "wan" / TRANSFORMER, count=500)
        pauses: list[float] = []
        with served(shelf.folder, cut=large.name) as (address, seen):
            entry = acquisition.pull(add(home), home, lambda: HuggingFace(address, pauses.append))
        assert [line for line in seen if "bytes=" in line] == [f"{large.name} bytes=16000-"]
        assert pauses == [1.0]
        assert acquisition.verify(entry, home).good

    def test_a_download_goes_on_where_the_process_died(
        self, home: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface, "BLOCK", 1000)
        large = write_weights(shelf.folder / "org" / "wan" / TRANSFORMER, count=500)

        def dies(name: str, done: int, total: int) -> None:
            if name == TRANSFORMER and done > 20_000:
                raise KeyboardInterrupt

        with served(shelf.folder) as (address, seen):
            with pytest.raises(KeyboardInterrupt):
                acquisition.pull(add(home), home, lambda: HuggingFace(address), dies)
            seen.clear()
            entry = acquisition.pull(entries.find("wan", home), home, lambda: HuggingFace(address))
        assert seen[0].startswith(f"{large.name} bytes=20")
        assert acquisition.verify(entry, home).good

    @pytest.mark.parametrize(
        ("source", "revision", "says"),
        [
            ("org/nobody", "", "no repository 'org/nobody' on the hub"),
            ("org/wan", "v9", "no revision 'v9'"),
            ("org/gated", "", "accepted its licence; accept it on its page"),
        ],
    )
    def test_what_the_hub_refuses_is_one_sentence(
        self, home: Path, shelf: Shelf, source: str, revision: str, says: str
    ) -> None:
        with served(shelf.folder) as (address, _), pytest.raises(BadInput, match=says) as caught:
            acquisition.pull(add(home, source, revision=revision), home, lambda: HuggingFace(address))
        assert "\n" not in str(caught.value)

    def test_a_token_goes_to_the_hub_and_not_where_it_leads(
        self, home: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        with served(shelf.folder) as (store, given), served(shelf.folder, leads_to=store) as (address, seen):
            entry = acquisition.pull(add(home), home, lambda: HuggingFace(address))
        assert len(seen) == len(given) == len(entry.files)
        assert all("Bearer hf_secret" in line for line in seen)
        assert not any("hf_secret" in line for line in given)

    def test_a_hub_that_gives_nothing_is_given_up(self, home: Path, shelf: Shelf) -> None:
        pauses: list[float] = []
        with (
            served(shelf.folder, dry="config.json") as (address, seen),
            pytest.raises(ModelError, match="goes on from where it stopped"),
        ):
            acquisition.pull(add(home), home, lambda: HuggingFace(address, pauses.append))
        assert seen.count("config.json") == huggingface.MAX_ATTEMPTS
        assert pauses == [2.0, 4.0, 8.0, 16.0]

    def test_a_hub_that_is_not_there_is_one_sentence(self, home: Path) -> None:
        with pytest.raises(ModelError, match="could not be fetched"):
            acquisition.pull(add(home), home, lambda: HuggingFace("http://127.0.0.1:9", lambda seconds: None))
