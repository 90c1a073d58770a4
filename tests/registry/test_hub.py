"""Pulling models from a hub, and the Hugging Face Hub itself against a server on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hinode.errors import BadInput, ModelError, OutputError
from hinode.licensing import operator
from hinode.licensing.operator import Operator
from hinode.registry import acquisition, entries, hub, huggingface, paths
from hinode.registry.entry import Entry
from hinode.registry.hub import HubFile, Listing
from hinode.registry.huggingface import HuggingFace
from tests.registry import checkpoints
from tests.registry.checkpoints import tiny_decoder_tensors, write_gguf, write_pipeline, write_weights
from tests.registry.hubs import COMMITS, FolderHub, serve

VAE = "vae/diffusion_pytorch_model.safetensors"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder_hub(tmp_path: Path) -> FolderHub:
    """A hub with a pipeline and what else such repositories contain, and a repository of single files."""
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
    tensors = {name: torch.from_numpy(values) for name, values in tiny_decoder_tensors().items()}
    torch.save(tensors, extras / "taew.pth")
    torch.save({"other": torch.zeros(1)}, extras / "other.pth")
    return FolderHub(tmp_path / "hub")


def add(home: Path, source: str = "org/wan", **options: Any) -> Entry:
    return checkpoints.add(home, source=source, **options)


def test_what_a_pipeline_loads_is_fetched_and_nothing_else(home: Path, folder_hub: FolderHub) -> None:
    entry = add(home)
    assert not entry.pulled
    assert folder_hub.listings == []  # adding asks nobody
    progress: list[tuple[str, int, int]] = []
    entry = acquisition.pull(entry, home, lambda: folder_hub, lambda *words: progress.append(words))
    assert entry == entries.find("wan", home)
    assert entry.revision == COMMITS["main"]
    assert set(entry.files) == {
        *("model_index.json", "LICENSE.txt", "scheduler/scheduler_config.json", "tokenizer/tokenizer.json"),
        *("transformer/config.json", TRANSFORMER, "vae/config.json", VAE),
    }
    assert paths.locate(entry.source, entry, home) == home / "models" / "wan"
    assert {path.name for path in (home / "models" / "wan").iterdir()} == {
        *("model_index.json", "LICENSE.txt", "scheduler", "tokenizer", "transformer", "vae")
    }
    assert progress[-1][1] == progress[-1][2] == acquisition.size(entry, home)
    assert all(0 <= done <= total for _, done, total in progress)
    assert acquisition.verify(entry, home).good
    assert entries.obstacle(entry, home) is None


def test_an_interrupted_pull_continues_at_the_same_commit(home: Path, folder_hub: FolderHub) -> None:
    entry = add(home, revision="v1")
    folder_hub.missing = VAE
    with pytest.raises(ModelError, match="pull again"):
        acquisition.pull(entry, home, lambda: folder_hub)
    entry = entries.find("wan", home)
    assert not entry.pulled
    assert entry.revision == COMMITS["v1"]
    fetched = list(folder_hub.fetched)
    folder_hub.missing = ""
    acquisition.pull(entry, home, lambda: folder_hub)
    assert folder_hub.fetched[len(fetched) :] == [VAE]
    assert entries.find("wan", home).pulled


def test_other_bytes_than_promised_are_discarded(home: Path, folder_hub: FolderHub) -> None:
    for corrupted in ("scheduler/scheduler_config.json", VAE):  # known by Git's digest, and by SHA-256
        folder_hub.corrupted = corrupted
        with pytest.raises(ModelError, match=f"{corrupted} of org/wan arrived with other bytes"):
            acquisition.pull(
                add(home) if not entries.names(home) else entries.find("wan", home), home, lambda: folder_hub
            )
        assert not (home / "models" / "wan" / corrupted).exists()
    assert not entries.find("wan", home).pulled


def test_pulling_again_repairs_a_changed_file(home: Path, folder_hub: FolderHub) -> None:
    entry = acquisition.pull(add(home), home, lambda: folder_hub)
    place = home / "models" / "wan" / VAE
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    assert acquisition.verify(entry, home).changed == (VAE,)
    folder_hub.fetched.clear()
    acquisition.pull(entry, home, lambda: folder_hub)
    assert folder_hub.fetched == [VAE]
    assert acquisition.verify(entry, home).good


def test_a_single_file_brings_its_base_its_decoder_and_its_loras(
    home: Path, folder_hub: FolderHub, tmp_path: Path
) -> None:
    own = write_weights(tmp_path / "own.safetensors")
    entry = add(
        home,
        "org/extras/q4.gguf",
        base="org/wan",
        loras=["org/extras/loras/fast.safetensors:0.5", str(own)],
        licence="MIT",
    )
    entry = acquisition.pull(entry, home, lambda: folder_hub)
    assert "q8.gguf" not in folder_hub.fetched
    assert TRANSFORMER not in folder_hub.fetched  # the single file stands for it
    assert "transformer/config.json" in folder_hub.fetched
    assert entry.base == f"org/wan@{COMMITS['main']}"
    assert entry.loras[0].source == f"org/extras/loras/fast.safetensors@{COMMITS['main']}"
    assert paths.locate(entry.source, entry, home) == home / "models" / "wan" / "q4.gguf"
    assert (paths.locate(entry.base, entry, home) / VAE).is_file()
    assert paths.locate(entry.loras[0].source, entry, home).is_file()
    assert paths.locate(entry.loras[1].source, entry, home) == own
    assert str(own) in entry.files
    assert entries.obstacle(entry, home) is None
    assert acquisition.verify(entry, home).good
    assert entries.remove("wan", home) > 0
    assert own.is_file()
    assert list((home / "models").iterdir()) == []


def test_removing_a_local_model_deletes_only_what_was_pulled_for_it(
    home: Path, folder_hub: FolderHub, tmp_path: Path
) -> None:
    mine = write_pipeline(home / "models" / "wan")
    entry = add(home, str(mine), loras=["org/extras/loras/fast.safetensors"])
    assert not entry.pulled
    entry = acquisition.pull(entry, home, lambda: folder_hub)
    assert acquisition.verify(entry, home).good
    entries.remove("wan", home)
    assert (mine / "model_index.json").is_file()
    assert not (mine / paths.PARTS).exists()


def test_pickles_are_refused_before_a_byte_of_them_is_fetched(home: Path, folder_hub: FolderHub) -> None:
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/taew.pth")
    with pytest.raises(BadInput, match=r"taew\.pth' is a pickle.*--allow-pickle"):
        acquisition.pull(entry, home, lambda: folder_hub)
    assert "taew.pth" not in folder_hub.fetched
    entries.remove("wan", home)
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/taew.pth", pickle=True)
    assert acquisition.pull(entry, home, lambda: folder_hub).pulled
    entries.remove("wan", home)
    entry = add(home, "org/extras/q4.gguf", base="org/wan", decoder="org/extras/other.pth", pickle=True)
    with pytest.raises(BadInput, match="no tiny decoder that can be read"):
        acquisition.pull(entry, home, lambda: folder_hub)
    assert not entries.find("wan", home).pulled


def test_a_repository_with_code_of_its_own_is_not_made_usable(home: Path, folder_hub: FolderHub) -> None:
    index = folder_hub.folder / "org" / "wan" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": ["mine", "Mine"]}))
    with pytest.raises(BadInput, match="never run here"):
        acquisition.pull(add(home), home, lambda: folder_hub)
    assert not entries.find("wan", home).pulled


def test_a_licence_that_excludes_the_operator_keeps_the_weights_away(
    home: Path, folder_hub: FolderHub
) -> None:
    operator.write(Operator(("DE",), 0.0), home)
    entry = add(home, licence="MiniMax-H3-Community")
    with pytest.raises(BadInput, match="grants nothing in DE"):
        acquisition.pull(entry, home, lambda: folder_hub)
    assert folder_hub.listings == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("org/nobody", "there is no org/nobody"),
        (
            "org/extras",
            "has no model_index.json; name one of its files, such as org/extras/loras/fast.safetensors",
        ),
        ("org/extras/q2.gguf", r"org/extras has no file q2\.gguf"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    home: Path, folder_hub: FolderHub, source: str, message: str
) -> None:
    base = {"base": "org/wan"} if source.count("/") > 1 else {}
    with pytest.raises(BadInput, match=message):
        acquisition.pull(add(home, source, **base), home, lambda: folder_hub)


def test_files_of_a_local_model_are_not_pulled(home: Path, tmp_path: Path) -> None:
    entry = add(home, str(write_pipeline(tmp_path / "mine")))
    with pytest.raises(BadInput, match="were not pulled"):
        acquisition.pull(entry, home, lambda: FolderHub(tmp_path))


def test_a_repository_cannot_write_outside_its_folder(
    home: Path, folder_hub: FolderHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("../evil.json", "/evil.json", "vae/../../evil.json", "vae\\..\\evil.json"):
        monkeypatch.setattr(
            folder_hub,
            "listing",
            lambda repository, revision, path=path: Listing("a" * 40, (HubFile(path, 1),)),
        )
        entry = entries.find("wan", home) if entries.names(home) else add(home)
        with pytest.raises(BadInput, match="has a file called"):
            acquisition.pull(entry, home, lambda: folder_hub)


def test_a_small_disk_is_an_error_before_weights_are_fetched(
    home: Path, folder_hub: FolderHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SPARE_BYTES", 2**60)
    with pytest.raises(OutputError, match="the disk has"):
        acquisition.pull(add(home), home, lambda: folder_hub)
    assert folder_hub.fetched == []


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
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

    def test_a_pipeline_arrives(self, home: Path, folder_hub: FolderHub) -> None:
        progress: list[tuple[str, int, int]] = []
        with serve(folder_hub.folder) as (address, requests):
            entry = acquisition.pull(
                add(home, revision="v1"),
                home,
                lambda: HuggingFace(address),
                lambda *words: progress.append(words),
            )
            count = len(requests)
            acquisition.pull(entry, home, lambda: HuggingFace(address))
        assert count == len(entry.files)
        assert len(requests) == count  # what is there and right is not fetched again
        assert entry.revision == COMMITS["v1"]
        assert acquisition.verify(entry, home).good
        assert progress[-1][1] == progress[-1][2] == acquisition.size(entry, home)
        assert not (home / "models" / "wan" / ".cache").exists()

    def test_a_download_resumes_after_a_broken_connection(
        self, home: Path, folder_hub: FolderHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface, "BLOCK", 1000)
        large = write_weights(folder_hub.folder / "org" / "wan" / TRANSFORMER, count=500)
        pauses: list[float] = []
        with serve(folder_hub.folder, cut=large.name) as (address, requests):
            entry = acquisition.pull(add(home), home, lambda: HuggingFace(address, pauses.append))
        assert [line for line in requests if "bytes=" in line] == [f"{large.name} bytes=16000-"]
        assert pauses == [1.0]
        assert acquisition.verify(entry, home).good

    def test_a_download_resumes_after_a_crash(
        self, home: Path, folder_hub: FolderHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface, "BLOCK", 1000)
        large = write_weights(folder_hub.folder / "org" / "wan" / TRANSFORMER, count=500)

        def dies(name: str, done: int, total: int) -> None:
            if name == TRANSFORMER and done > 20_000:
                raise KeyboardInterrupt

        with serve(folder_hub.folder) as (address, requests):
            with pytest.raises(KeyboardInterrupt):
                acquisition.pull(add(home), home, lambda: HuggingFace(address), dies)
            requests.clear()
            entry = acquisition.pull(entries.find("wan", home), home, lambda: HuggingFace(address))
        assert requests[0].startswith(f"{large.name} bytes=20")
        assert acquisition.verify(entry, home).good

    @pytest.mark.parametrize(
        ("source", "revision", "message"),
        [
            ("org/nobody", "", "no repository 'org/nobody' on the hub"),
            ("org/wan", "v9", "no revision 'v9'"),
            ("org/gated", "", "accepted its licence; accept it on its page"),
        ],
    )
    def test_what_the_hub_refuses_is_one_sentence(
        self, home: Path, folder_hub: FolderHub, source: str, revision: str, message: str
    ) -> None:
        with serve(folder_hub.folder) as (address, _), pytest.raises(BadInput, match=message) as caught:
            acquisition.pull(add(home, source, revision=revision), home, lambda: HuggingFace(address))
        assert "\n" not in str(caught.value)

    def test_a_token_is_sent_to_the_hub_and_not_to_a_redirect(
        self, home: Path, folder_hub: FolderHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        with (
            serve(folder_hub.folder) as (store, store_requests),
            serve(folder_hub.folder, redirect=store) as (address, requests),
        ):
            entry = acquisition.pull(add(home), home, lambda: HuggingFace(address))
        assert len(requests) == len(store_requests) == len(entry.files)
        assert all("Bearer hf_secret" in line for line in requests)
        assert not any("hf_secret" in line for line in store_requests)

    def test_a_hub_that_sends_nothing_is_an_error(self, home: Path, folder_hub: FolderHub) -> None:
        pauses: list[float] = []
        with (
            serve(folder_hub.folder, empty="config.json") as (address, requests),
            pytest.raises(ModelError, match="resumes where it stopped"),
        ):
            acquisition.pull(add(home), home, lambda: HuggingFace(address, pauses.append))
        assert requests.count("config.json") == huggingface.MAX_ATTEMPTS
        assert pauses == [2.0, 4.0, 8.0, 16.0]

    def test_a_hub_that_is_not_there_is_one_sentence(self, home: Path) -> None:
        with pytest.raises(ModelError, match="could not be fetched"):
            acquisition.pull(add(home), home, lambda: HuggingFace("http://127.0.0.1:9", lambda seconds: None))
