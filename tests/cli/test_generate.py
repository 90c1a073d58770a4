from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hinode
from hinode import cli
from hinode.media.video import read_video
from hinode.settings import Settings

PROMPT = "a red balloon rising over the wibbly sea at noon"
SMALL = ("--size", "64x36", "--seconds", "0.5")


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Run the command in an empty folder, with the toy model and its own home."""
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return lambda *words: CliRunner().invoke(cli.app, words)


def test_prints_the_path_of_a_video_and_nothing_else(run) -> None:
    result = run("generate", PROMPT, *SMALL, "--seed", "7", "--no-expand")
    assert result.exit_code == 0, result.output
    assert result.stdout == "a-red-balloon-rising-over-the-wibbly-sea-at-noon-7.mp4\n"
    assert read_video(Path(result.stdout.strip())).frames.shape == (4, 36, 64, 3)
    assert "not understood: wibbly" in result.stderr
    assert (
        "read as: red balloon rise, time noon, place sea; chosen by the model: weather, camera"
        in result.stderr
    )
    assert "seed 7" in result.stderr


def test_another_clip_never_replaces_one_unasked(run) -> None:
    names = [run("generate", PROMPT, *SMALL, "--seed", "7", "-q").stdout.strip() for _ in range(3)]
    assert names[1:] == [names[0].replace(".mp4", "-2.mp4"), names[0].replace(".mp4", "-3.mp4")]
    assert all(Path(name).is_file() for name in names)


def test_without_a_seed_every_clip_is_a_new_one(run) -> None:
    first, second = (json.loads(run("generate", PROMPT, *SMALL, "--json").stdout) for _ in range(2))
    assert first["seed"] != second["seed"]


def test_json_is_one_object(run) -> None:
    words = ("--json", "-o", "x.gif", "--seed", "1", "--steps", "2", "--fps", "4", "--no-expand")
    result = run("generate", PROMPT, *SMALL, *words)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    told = json.loads(result.stdout)
    assert told | {"stage_seconds": None, "bytes": None} == {
        "path": "x.gif",
        "format": "gif",
        "prompt": PROMPT,
        "seed": 1,
        "size": "64x36",
        "native_size": "64x32",
        "seconds": 0.5,
        "fps": 4.0,
        "frames": 2,
        "stage_seconds": None,
        "engine": "native",
        "model": "toy",
        "steps": 2,
        "understood": ["red", "balloon", "rising", "sea", "at", "noon"],
        "not_understood": ["wibbly"],
        "read_as": "red balloon rise, time noon, place sea; chosen by the model: weather, camera",
        "bytes": None,
        "sound": None,
    }
    assert set(told["stage_seconds"]) == {"load", "text", "sample", "decode", "encode"}


def test_quiet_says_only_the_path(run) -> None:
    result = run("generate", PROMPT, *SMALL, "--quiet", "--format", "png", "-o", "frames")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "frames\n", "")
    assert len(list(Path("frames").iterdir())) == 4


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["", *SMALL], 2, "the prompt is empty"),
        (["x" * 40_000], 2, "40,000 characters"),
        ([PROMPT, "--size", "0x0"], 2, "size 0x0 is out of range"),
        ([PROMPT, "--size", "100000x100000"], 2, "size 100000x100000"),
        ([PROMPT, "--size", "big"], 2, "640x360"),
        ([PROMPT, "--size", "63x35"], 2, "64x36"),
        ([PROMPT, "--seconds", "-1"], 2, "-1 seconds"),
        ([PROMPT, "--seconds", "nan"], 2, "nan seconds"),
        ([PROMPT, "--fps", "1e9"], 2, "1 to 60"),
        ([PROMPT, "--steps", "0"], 2, "1 to 200"),
        ([PROMPT, "--seed", "-1"], 2, "seed -1"),
        ([PROMPT, "--engine", "sora"], 2, "choose native"),
        ([PROMPT, "--model", "sora"], 2, "choose toy"),
        ([PROMPT, "--format", "avi"], 2, "mp4, gif, webp or png"),
        ([PROMPT, "-o", "missing/clip.mp4"], 2, "its folder does not exist"),
        ([PROMPT, "-o", "."], 2, "is a folder"),
    ],
)
def test_bad_input_is_one_plain_sentence(run, words: list[str], status: int, says: str) -> None:
    result = run("generate", *words)
    assert result.exit_code == status
    assert result.stdout == ""
    assert says in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert list(Path().iterdir()) == []


def test_a_truncated_weight_file_is_one_plain_sentence(
    run, settings: Settings, tmp_path: Path, monkeypatch
) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    whole = (settings.models / "toy.safetensors").read_bytes()
    (home / "models" / "nano.safetensors").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setenv("HINODE_HOME", str(home))
    result = run("generate", PROMPT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cut off or damaged" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_is_one_sentence_and_a_log(run, tmp_path: Path, monkeypatch) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("in the engine room")

    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hinode.pipeline.generate", broken)
    result = run("generate", PROMPT, "--engine", "testcard")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    (log,) = (tmp_path / "home" / "logs").iterdir()
    assert str(log) in result.stderr
    assert "in the engine room" in log.read_text()


@pytest.mark.parametrize(
    ("failure", "status", "says"),
    [(KeyboardInterrupt(), 130, "stopped"), (MemoryError(), 1, "not enough memory")],
)
def test_other_endings(run, monkeypatch, failure: BaseException, status: int, says: str) -> None:
    def end(*args: object) -> None:
        raise failure

    monkeypatch.setattr("hinode.pipeline.generate", end)
    result = run("generate", PROMPT)
    assert result.exit_code == status
    assert says in result.stderr


def test_a_mistaken_option_is_a_usage_error(run) -> None:
    assert run("generate", PROMPT, "--seconds", "long").exit_code == 2
    assert run("generate").exit_code == 2
    assert run("dance").exit_code == 2


def test_a_prompt_of_only_signs_still_has_a_name(run) -> None:
    assert run("generate", "!!! ???", *SMALL, "--seed", "3", "-q").stdout == "clip-3.mp4\n"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    source = Path(hinode.__file__).parents[1]
    return subprocess.run(
        [sys.executable, *code.split()],
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_and_version_are_answered_without_loading_torch() -> None:
    result = python("-X importtime -m hinode --version")
    assert (result.returncode, result.stdout) == (0, f"hinode {hinode.__version__}\n")
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "numpy", "av", "PIL", "rich", "sqlalchemy", "alembic", "fastapi", "uvicorn"}
    assert "generate" in python("-m hinode --help").stdout


def test_the_whole_process(toy_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.webp"
    result = python(
        f"-W error -m hinode generate kite --size 32x32 --seconds 0.5 --model toy -o {path}",
        HINODE_HOME=str(toy_home),
    )
    assert (result.returncode, result.stdout) == (0, f"{path}\n"), result.stderr
    assert path.is_file()
    assert "\x1b" not in result.stderr  # no bar where there is no terminal


def test_sound_is_asked_for_and_told_of(run) -> None:
    card = ("--engine", "testcard", *SMALL)
    asked = run("generate", PROMPT, *card, "--sound", "-o", "a.mp4")
    assert "sound: stereo, 48000 Hz" in asked.stderr
    assert "sound" not in run("generate", PROMPT, *card, "--no-sound", "-o", "b.mp4").stderr
    assert "sound" not in run("generate", PROMPT, *card, "-o", "c.mp4").stderr
    left = run("generate", PROMPT, *card, "--sound", "-o", "d.gif")
    assert "without sound: gif files hold none, mp4 files do" in left.stderr
    refused = run("generate", PROMPT, *SMALL, "--sound", "-o", "e.mp4")
    assert (refused.exit_code, Path("e.mp4").exists()) == (2, False)
    assert "the model toy makes no sound; ask for the clip without" in refused.stderr


def test_training_begins_only_with_a_model_of_its_recipe(run) -> None:  # type: ignore[no-untyped-def]
    judge = run("train", "judge", "--start", "toy", "--out", "out")
    assert judge.exit_code == 2
    assert "the judge begins with no model; leave --start out" in judge.stderr
    other = run("train", "smoke", "--start", "toy", "--out", "out", "--threads", "1")
    assert "is a different network than the recipe smoke trains" in other.stderr
    assert not list(Path("out").glob("*.pt"))


def test_only_what_a_recipe_trained_is_distilled(run) -> None:  # type: ignore[no-untyped-def]
    unknown = run("distil", "sora", "--out", "student")
    assert unknown.exit_code == 2
    assert "there is no model 'sora'; choose toy" in unknown.stderr
    toy = run("distil", "toy", "--out", "student")
    assert toy.exit_code == 1
    assert "trained by no known recipe; distil nano, mini or smoke" in toy.stderr
    assert not Path("student").exists()


def test_a_suite_is_named_and_has_cases(run) -> None:  # type: ignore[no-untyped-def]
    nothing = run("evaluate")
    assert nothing.exit_code == 2
    assert "there is nothing to draw" in nothing.stderr
    other = run("evaluate", "--suite", "painting")
    assert other.exit_code == 2
    assert "there is no suite 'painting'; name directing" in other.stderr
    elsewhere = run("evaluate", "--suite", "directing", "--only", "loop", "--model", "toy")
    assert elsewhere.exit_code == 2
    assert "loop.jsonl cannot be read" in elsewhere.stderr
