from __future__ import annotations

import json
from pathlib import Path

import pytest

from hinode.engines.testcard.engine import TestcardEngine
from hinode.settings import Settings
from tests.videos import read_video

from .conftest import Run

PROMPT = "a red balloon rising over the wibbly sea at noon"
SMALL = ("--size", "64x36", "--seconds", "0.5")


def test_prints_the_path_of_a_video_and_nothing_else(run: Run) -> None:
    result = run("generate", PROMPT, *SMALL, "--seed", "7")
    assert result.exit_code == 0, result.output
    assert result.stdout == "a-red-balloon-rising-over-the-wibbly-sea-at-noon-7.mp4\n"
    assert read_video(Path(result.stdout.strip())).frames.shape == (4, 36, 64, 3)
    assert "not understood: wibbly\nknown are the subjects balloon, bird," in result.stderr
    assert "read as: red balloon, place sea, time noon, weather clear, camera still;" in result.stderr
    assert "seed 7" in result.stderr


def test_a_new_clip_never_replaces_another_one(run: Run) -> None:
    names = [run("generate", PROMPT, *SMALL, "--seed", "7", "-q").stdout.strip() for _ in range(3)]
    assert names[1:] == [names[0].replace(".mp4", "-2.mp4"), names[0].replace(".mp4", "-3.mp4")]
    assert all(Path(name).is_file() for name in names)


@pytest.mark.parametrize("controls", [(), ("--camera", "pan left")])
def test_the_command_computes_the_capabilities_once(
    run: Run, controls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    compute = TestcardEngine.capabilities
    monkeypatch.setattr(
        TestcardEngine, "capabilities", lambda engine, model=None: calls.append(model) or compute(engine)
    )
    result = run("generate", PROMPT, *SMALL, "--engine", "testcard", *controls)
    assert result.exit_code == 0, result.output
    assert len(calls) == 2  # once more by the engine, which checks every request itself


def test_without_a_seed_every_clip_is_a_new_one(run: Run) -> None:
    first, second = (json.loads(run("generate", PROMPT, *SMALL, "--json").stdout) for _ in range(2))
    assert first["seed"] != second["seed"]


def test_json_is_one_object(run: Run) -> None:
    words = ("--json", "-o", "x.gif", "--seed", "1", "--steps", "2", "--fps", "4")
    result = run("generate", PROMPT, *SMALL, *words)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    facts = json.loads(result.stdout)
    assert facts | {"stage_seconds": None, "bytes": None, "plan": None, "manifest": None} == {
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
        "read_as": "red balloon, place sea, time noon, weather clear, camera still; not understood: wibbly",
        "bytes": None,
        "sound": "left out",
        "manifest": None,
        "watermark": {"state": "not markable", "id": None, "sound": False, "score": 0.0},
        "plan": None,
    }
    assert set(facts["stage_seconds"]) == {"load", "plan", "sample", "sound", "encode", "sign"}
    assert facts["plan"]["subjects"][0]["kind"] == "balloon"


def test_quiet_prints_only_the_path(run: Run) -> None:
    result = run("generate", PROMPT, *SMALL, "--quiet", "--format", "png", "-o", "frames")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "frames\n", "")
    assert len(list(Path("frames").glob("*.png"))) == 4


@pytest.mark.parametrize(
    ("words", "status", "message"),
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
def test_bad_input_is_one_plain_sentence(run: Run, words: list[str], status: int, message: str) -> None:
    result = run("generate", *words)
    assert result.exit_code == status
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert list(Path().iterdir()) == []


def test_a_truncated_weight_file_is_one_plain_sentence(
    run: Run, settings: Settings, tmp_path: Path, monkeypatch
) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    content = (settings.models / "toy.safetensors").read_bytes()
    (home / "models" / "book.safetensors").write_bytes(content[: len(content) // 2])
    monkeypatch.setenv("HINODE_HOME", str(home))
    result = run("generate", PROMPT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cut off or damaged" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_prompt_without_letters_still_gives_a_file_name(run: Run) -> None:
    assert run("generate", "!!! ???", *SMALL, "--seed", "3", "-q").stdout == "clip-3.mp4\n"


def test_sound_is_requested_and_reported(run: Run) -> None:
    card = ("--engine", "testcard", *SMALL)
    requested = run("generate", PROMPT, *card, "--sound", "-o", "a.mp4")
    assert "sound: stereo, 48000 Hz" in requested.stderr
    assert "sound" not in run("generate", PROMPT, *card, "--no-sound", "-o", "b.mp4").stderr
    assert "sound" not in run("generate", PROMPT, *card, "-o", "c.mp4").stderr
    without = run("generate", PROMPT, *card, "--sound", "-o", "d.gif")
    assert "without sound: gif files hold none, mp4 files do" in without.stderr
    assert "sound: stereo, 16000 Hz" in run("generate", PROMPT, *SMALL, "-o", "e.mp4").stderr
