"""Every way out of `hinode.trust.provenance.exits` carries a manifest and says nothing private."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import hinode
from hinode import cli
from hinode.jobs.tenants.tenant import ALL_SCOPES
from hinode.jobs.worker import attempt
from hinode.trust.provenance.exits import EXITS, INTERNAL, WRITERS, Holder
from hinode.trust.provenance.marking import FRAMES
from hinode.trust.screening import banks, pdq
from hinode.trust.screening.equipment import Equipment
from tests.api.conftest import Server
from tests.api.guards import Rejecting
from tests.manifests import read_manifest
from tests.trust.screening.test_pdq import waves

SECRET = "zyxwvutsecretprompt"
SMALL = ("--size", "64x36", "--seconds", "1", "--engine", "testcard", "-q")
PICTURES = re.compile(
    r"\b(image|picture|first|small|fromarray\(\w+\)|portrait\(\w+\)|size\))\.save\("
    r"|formats\.write\(|write_mp4\(|write_lossless\(|write_pngs\(|\bwrite_(gif|webp)"
)


@pytest.fixture
def folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run commands in, in a folder whose name is private."""
    monkeypatch.setenv("HINODE_HOME", str(server.context.settings.home))
    folder = tmp_path / SECRET
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(*words: object) -> None:
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def from_the_command(folder: Path) -> dict[str, list[Path]]:
    for kind in ("mp4", "gif", "webp", "png"):
        name = "frames" if kind == "png" else f"clip.{kind}"
        run("generate", SECRET, *SMALL, "--format", kind, "-o", name)
        run(
            "plan", f"a balloon {SECRET}", "--size", "64x36", "--seconds", "0.5", "--preview", f"plan.{kind}"
        ) if kind != "png" else None
    run("remix", "clip.mp4", SECRET, "--engine", "testcard", "-q", "-o", "remix.mp4")
    shots = [
        {"id": "one", "prompt": SECRET, "seconds": 0.5},
        {"id": "two", "prompt": "a kite", "seconds": 0.5},
    ]
    board = {"title": SECRET, "engine": "testcard", "size": "64x36", "fps": 8, "shots": shots}
    Path("film.yaml").write_text(yaml.safe_dump(board))
    for kind in ("mp4", "gif", "webp", "png"):
        run(
            "storyboard", "film.yaml", "-q", "-o", "film" if kind == "png" else f"film.{kind}"
        ) if kind != "png" else run("storyboard", "film.yaml", "-q", "--format", "png", "-o", "film-frames")
    return {
        "clip of the command": [folder / f"clip.{kind}" for kind in ("mp4", "gif", "webp")],
        "frames of the command": [folder / "frames" / FRAMES],
        "clip from a video": [folder / "remix.mp4"],
        "film": [folder / f"film.{kind}" for kind in ("mp4", "gif", "webp")],
        "frames of a film": [folder / "film-frames" / FRAMES],
        "shots of a film for editing programs": sorted(folder.glob("film*.clips/*.mp4")),
        "preview of a plan": [folder / f"plan.{kind}" for kind in ("mp4", "gif", "webp")],
    }


def block(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the frames of a clip that a guard has blocked."""
    with monkeypatch.context() as patch:
        patch.setattr(attempt, "equip", lambda *parts: Equipment((Rejecting(),)))
        server.create(prompt=f"{SECRET} blocked")
        server.run_jobs()
    decision = server.client.get("/v1/review/own").json()["data"][0]["id"]
    return f"/v1/review/{decision}/frames"


def refuse(server: Server) -> str:
    """The address of the frames of a picture that a bank has stopped."""
    frame = waves(3, 36, 64)
    home = server.context.settings.home
    banks.add(home, "list", pdq.to_hex(pdq.hash_frame(frame)[0]), "gore")
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    server.client.post(
        "/v1/videos",
        data={"prompt": f"{SECRET} refused", "size": "64x36", "seconds": "1"},
        files={"input_reference": ("a.png", file.getvalue(), "image/png")},
    )
    banks.remove(home, "list")
    decision = server.client.get("/v1/review/own").json()["data"][0]["id"]
    return f"/v1/review/{decision}/frames"


def from_the_server(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Path]]:
    monkeypatch.setattr(attempt, "PREVIEW_SECONDS", 0.0)
    previews: list[bytes] = []
    monkeypatch.setattr(server.context.objects, "put_preview", lambda job_id, data: previews.append(data))
    video = server.render(prompt=f"{SECRET} flies")["id"]

    def save(name: str, address: str, headers: dict[str, str] | None = None) -> Path:
        response = server.client.get(address, headers=headers)
        assert response.status_code == 200, response.text
        path = folder / name
        path.write_bytes(response.content)
        return path

    def unpack(path: Path) -> Path:
        target = path.with_suffix(".unpacked")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
        return target

    key = server.context.tenants.create_key("operator", scopes=ALL_SCOPES).key
    as_operator = {"authorization": f"Bearer {key}"}
    address = f"/v1/videos/{video}"
    (folder / "preview.webp").write_bytes(previews[-1])
    converted = [save(f"converted.{kind}", f"{address}/content?format={kind}") for kind in ("gif", "webp")]
    pictures = unpack(save("frames.zip", f"{address}/content?format=png"))
    clip = server.client.get(f"{address}/content").content
    files = {"video": ("m.mp4", clip, "video/mp4")}
    character = server.client.post("/v1/videos/characters", data={"name": "Pip"}, files=files)
    assert character.status_code == 200, character.text
    archive = server.client.post("/v1/library/archives", json={"ids": [video]}).json()
    return {
        "video of a job": [save("video.mp4", f"{address}/content")],
        "thumbnail of a job": [save("thumbnail.webp", f"{address}/content?variant=thumbnail")],
        "spritesheet of a job": [save("sheet.jpg", f"{address}/content?variant=spritesheet")],
        "preview of a running job": [folder / "preview.webp"],
        "frames of a blocked clip for reviewers": [
            save("frames.jpg", block(server, monkeypatch), as_operator)
        ],
        "frames of a blocked reference for reviewers": [save("reference.jpg", refuse(server), as_operator)],
        "converted download": converted,
        "converted download of frames": [pictures / FRAMES],
        "single frame": [save("frame.png", f"{address}/frames/3")],
        "picture of a character": [save("portrait.png", f"/v1/characters/{character.json()['id']}/picture")],
        "archive of the library": sorted(unpack(save("archive.zip", archive["url"])).iterdir()),
    }


@pytest.mark.slow
def test_every_way_out_is_marked_and_says_nothing_private(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = from_the_command(folder) | from_the_server(server, folder, monkeypatch)
    # The files of these are those of jobs, as their tests in tests/jobs and tests/api show.
    same = {"result of a batch", "post of the feed"}
    assert found.keys() == {way.name for way in EXITS} - same
    authority = server.context.marking.authority
    for way in EXITS:
        for path in found.get(way.name, []):
            assert path.exists(), way
            read = read_manifest(path, authority)
            assert read.state == "Trusted", (way, path)
            assert read.actions[0] in ("c2pa.created", "c2pa.opened")
            generated = "algorithmicMedia" if way.name == "preview of a plan" else "trainedAlgorithmicMedia"
            recorded = way.name == "frames of a blocked reference for reviewers"
            assert read.source_types == (set() if recorded else {generated}), (way, path)
            assert "cawg.training-mining" in read.labels
            if way.holder is Holder.SIDECAR:
                listed = dict(line.split()[::-1] for line in path.read_text().splitlines())
                assert listed.keys() == {frame.name for frame in path.parent.glob("*.png")}
        assert way.name in same or found[way.name], way
    private = [SECRET.encode(), str(folder).encode(), str(server.context.settings.home).encode()]
    files = [path for paths in found.values() for path in paths]
    files += [path for listing in files if listing.name == FRAMES for path in listing.parent.iterdir()]
    for path in files:
        content = path.read_bytes()
        assert not any(word in content for word in private), path
    # The sign that the search finds what is there: the same clip of people who want their prompt in it.
    run("generate", SECRET, *SMALL, "--embed-prompt", "-o", "open.mp4")
    assert SECRET.encode() in Path("open.mp4").read_bytes()
    with server.context.store.database.read() as connection:
        labels = connection.exec_driver_sql("SELECT label FROM marks").scalars().all()
    assert {read_manifest(folder / name, authority).label for name in ("video.mp4", "thumbnail.webp")} <= set(
        labels
    )


def test_every_module_that_writes_pictures_is_listed() -> None:
    root = Path(hinode.__file__).parent
    writers = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if PICTURES.search(path.read_text(encoding="utf-8"))
    }
    outside = {name for name in writers if not name.startswith(("training.", "world.", "model."))}
    assert outside - WRITERS - INTERNAL == set()
    assert {way.module for way in EXITS if way.holder is not Holder.SAME} <= WRITERS
