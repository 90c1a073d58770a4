"""The commands that make clips out of others, as a person types them: real files in, real files out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hinode import cli
from hinode.clip import Frames
from hinode.directing import camera
from hinode.media.formats import write
from hinode.media.label import Label
from hinode.media.timeline import Timeline
from hinode.media.video import read_video
from hinode.world import motion
from hinode.world.render import render
from hinode.world.scene import Scene, Subject
from tests.directing.conftest import home, settings  # noqa: F401

Run = Callable[..., click.testing.Result]
PROMPT = "a red balloon rising over the sea at noon"
TOY = ("--model", "toy", "--seed", "5", "--fps", "8")


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: F811
    monkeypatch.setenv("HINODE_HOME", str(home))
    monkeypatch.setenv("HINODE_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])


def smooth(count: int, shift: int = 0, size: int = 32) -> Frames:
    rows, columns = np.mgrid[:size, :size]
    one = np.stack((rows * 3 + shift, columns * 3, 120 + 0 * rows), -1)
    return np.stack([np.clip(one + 4 * k, 0, 255) for k in range(count)]).astype(np.uint8)


def film(path: str, frames: Frames, prompt: str = PROMPT) -> Frames:
    """Write an MP4 at 8 frames per second; what comes back is what a reader of it sees."""
    height, width = frames.shape[1:3]
    timeline = Timeline.of(8, len(frames) / 8)
    facts = {"prompt": prompt} if prompt else {}
    write("mp4", Path(path), frames, (width, height), timeline, Label(facts=facts))
    return read_video(Path(path)).frames


def made(result: click.testing.Result) -> Frames:
    assert result.exit_code == 0, result.output
    return read_video(Path(result.stdout.strip().splitlines()[-1])).frames


def apart(one: Frames, other: Frames) -> float:
    """Mean difference, in levels; what the encoder loses of a clip beside noise is below 5."""
    return float(np.abs(one.astype(int) - other).mean())


def test_extend_keeps_the_video_and_its_prompt(run: Run) -> None:
    source = film("in.mp4", smooth(16))
    result = run("extend", "in.mp4", "--seconds", "1", *TOY, "--json", "-o", "out.mp4")
    assert result.exit_code == 0, result.output
    about = json.loads(result.stdout)
    assert (about["seconds"], about["size"], about["frames"]) == (3.0, "32x32", 24)
    assert about["prompt"].startswith(PROMPT)
    assert apart(read_video(Path("out.mp4")).frames[:16], source) < 5
    backward = made(
        run("extend", "in.mp4", "a kite", "--seconds", "1", "--backward", *TOY, "-q", "-o", "b.mp4")
    )
    assert backward.shape[0] == 24
    assert apart(backward[8:], source) < 5


def test_extend_takes_the_rate_and_size_of_its_source(run: Run) -> None:
    film("in.mp4", smooth(8, size=48))
    words = ("--seconds", "1", "--model", "toy", "--seed", "5", "--json", "-o", "out.mp4")
    about = json.loads(run("extend", "in.mp4", *words).stdout)
    assert (about["fps"], about["size"]) == (8.0, "48x48")


def test_a_video_without_a_prompt_is_read(run: Run) -> None:
    film("in.mp4", smooth(8), prompt="")
    about = json.loads(run("extend", "in.mp4", "--seconds", "1", *TOY, "--json", "-o", "a.mp4").stdout)
    assert len(about["prompt"].split()) > 6
    refused = run("extend", "in.mp4", "--seconds", "1", *TOY, "--no-expand")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "there is no prompt; say in words what to show" in refused.stderr


def test_loops_of_words_and_of_videos(run: Run) -> None:
    assert len(made(run("loop", PROMPT, "--seconds", "2", "--size", "32x32", *TOY, "-q"))) == 16
    source = film("in.mp4", smooth(16))
    whole = made(run("loop", "--video", "in.mp4", *TOY, "-q", "-o", "loop.mp4"))
    assert len(whole) == 24
    assert apart(whole[:16], source) < 5
    part = made(run("loop", "--video", "in.mp4", "--seconds", "2", *TOY, "-q", "-o", "part.mp4"))
    assert len(part) == 16
    assert apart(part[:8], source[:8]) < 5


def test_blend_keeps_what_is_not_in_the_transition(run: Run) -> None:
    one, other = film("a.mp4", smooth(16)), film("b.mp4", smooth(16, shift=90))
    clip = made(run("blend", "a.mp4", "b.mp4", "--seconds", "1", *TOY, "-q", "-o", "c.mp4"))
    assert len(clip) == 24
    assert apart(clip[:8], one[:8]) < 5
    assert apart(clip[16:], other[8:]) < 5
    words = (
        "--from",
        "2",
        "--to",
        "0",
        "--seconds",
        "0.5",
        "--curve",
        "0,0; 0.5,0.9; 1,1",
        "--strength",
        "0",
    )
    clip = made(run("blend", "a.mp4", "b.mp4", *words, *TOY, "-q", "-o", "d.mp4"))
    assert len(clip) == 36
    assert apart(clip[:16], one) < 5
    assert apart(clip[20:], other) < 5
    # Strength 0 is the two clips faded into each other: the last frame of one, the first of the other.
    shares = np.interp((np.arange(4) + 1) / 5, (0, 0.5, 1), (0, 0.9, 1))
    for frame, share in zip(clip[16:20], shares, strict=True):
        assert apart(frame, one[-1] * (1 - share) + other[0] * share) < 5


def test_remix_goes_as_far_as_it_is_told(run: Run) -> None:
    source = film("in.mp4", smooth(16))
    clips = {
        strength: made(
            run("remix", "in.mp4", "a blue kite", "--strength", strength, *TOY, "-q", "-o", f"{strength}.mp4")
        )
        for strength in ("0", "strong", "1")
    }
    nothing, some, much = (apart(clips[strength], source) for strength in ("0", "strong", "1"))
    assert nothing < 5
    # An untrained network makes little of a difference in words.
    assert nothing < some < much


def test_edit_changes_nothing_outside_its_mask(run: Run) -> None:
    film("in.mp4", smooth(8, size=64))
    mask = np.zeros((64, 64), np.uint8)
    mask[16:40, 16:40] = 255
    Image.fromarray(mask).save("mask.png")
    words = (
        "edit",
        "in.mp4",
        "a blue kite",
        "--mask",
        "mask.png",
        *TOY,
        "-q",
        "--format",
        "png",
        "-o",
        "out",
    )
    result = run(*words)
    assert result.exit_code == 0, result.output
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("out").iterdir())])
    source = read_video(Path("in.mp4")).frames
    assert np.array_equal(frames[:, mask == 0], source[:, mask == 0])
    assert not np.array_equal(frames[:, mask > 0], source[:, mask > 0])
    moving = np.zeros((8, 64, 64, 3), np.uint8)
    moving[4:, 16:40, 16:40] = 255
    film("mask.mp4", moving)
    result = run(*words[:3], "--mask", "mask.mp4", *words[5:-1], "moving")
    assert result.exit_code == 0, result.output
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("moving").iterdir())])
    assert np.array_equal(frames[:4], source[:4])
    assert not np.array_equal(frames[4:], source[4:])


def test_retake_draws_a_span_anew_and_recut_keeps_one(run: Run) -> None:
    source = film("in.mp4", smooth(16))
    clip = made(run("retake", "in.mp4", "--from", "0.5", "--to", "1", *TOY, "-q", "-o", "a.mp4"))
    assert len(clip) == 16
    assert max(apart(clip[:4], source[:4]), apart(clip[8:], source[8:])) < 5 < apart(clip[4:8], source[4:8])
    words = ("--keep", "0.5-1.5", "--before", "0.5", "--after", "1")
    clip = made(run("recut", "in.mp4", "a kite", *words, *TOY, "-q", "-o", "b.mp4"))
    assert len(clip) == 20
    assert apart(clip[4:12], source[4:12]) < 5


def test_animate_shows_its_pictures(run: Run) -> None:
    pictures = {name: smooth(1, shift)[0] for name, shift in (("a", 0), ("b", 60), ("c", 120))}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(f"{name}.png")
    words = ("--last", "c.png", "--keyframe", "b.png@1", "--seconds", "2", "--camera", "zoom in")
    clip = made(run("animate", "a.png", PROMPT, *words, *TOY, "-q", "-o", "a.mp4"))
    assert clip.shape == (16, 32, 32, 3)
    for index, name in ((0, "a"), (8, "b"), (15, "c")):
        assert apart(clip[index], pictures[name]) < 5
    Image.fromarray(smooth(1, size=40)[0]).save("big.png")
    assert run("animate", "a.png", PROMPT, "--last", "big.png", *TOY).exit_code == 2
    clip = made(
        run("animate", "a.png", PROMPT, "--last", "big.png", "--fit", "stretch", *TOY, "-q", "-o", "b.mp4")
    )
    stretched = Image.open("big.png").resize((32, 32), Image.Resampling.LANCZOS)
    assert apart(clip[-1], np.asarray(stretched)) < 5


def test_generate_knows_characters_by_a_picture_or_a_video(run: Run) -> None:
    scene = Scene((Subject("balloon", "orange", "still", size=0.4),))
    shown = render([scene], frames=16, fps=8, width=64, height=64)[0].permute(0, 2, 3, 1)
    frames = (shown.numpy() * 255).round().astype(np.uint8)
    Image.fromarray(frames[8]).save("pip.png")
    film("pip.mp4", frames, prompt="")
    words = ("generate", "@pip rising over the sea at noon", "--size", "32x32", *TOY, "--json")
    for name in ("pip.png", "pip.mp4"):
        about = json.loads(run(*words, "--character", f"pip={name}", "-o", "out.mp4").stdout)
        assert about["read_as"].startswith("orange balloon rise")
    for wrong, says in (
        ("pip.png", "has no name or no file"),
        ("max=pip.png", "the prompt does not name the character 'max'"),
        ("pip=no.png", "No such file"),
    ):
        result = run(*words, "--character", wrong)
        assert result.exit_code == 2
        assert says in result.output


def test_generate_takes_keyframes_a_path_and_more_seconds_than_the_model_draws_at_once(run: Run) -> None:
    Image.fromarray(smooth(1)[0]).save("a.png")
    Path("way.json").write_text(json.dumps([{"at": 0, "x": 0.2, "y": 0.5}, {"at": 6, "x": 0.8, "y": 0.5}]))
    words = ("--seconds", "6", "--size", "32x32", "--keyframe", "a.png@5", "--path", "way.json")
    clip = made(run("generate", PROMPT, *words, "--camera", "0,0,1; 6,0.5,1", *TOY, "-q", "-o", "a.mp4"))
    assert len(clip) == 48
    assert apart(clip[40], smooth(1)[0]) < 5


def test_no_expand_leaves_the_prompt_alone(run: Run) -> None:
    words = ("generate", "a kite", "--size", "32x32", "--seconds", "1", *TOY, "--json", "-o")
    assert "expanded to" in json.loads(run(*words, "a.mp4").stdout)["read_as"]
    assert "expanded to" not in json.loads(run(*words, "b.mp4", "--no-expand").stdout)["read_as"]


def test_storyboard_makes_a_film_and_takes_a_shot_again(run: Run) -> None:
    Path("film.yaml").write_text(
        "size: 32x32\nmodel: toy\nshots:\n"
        "  - {id: one, prompt: a red balloon rising, seconds: 1}\n"
        "  - {id: two, prompt: a red balloon falling, seconds: 1, transition: continue}\n"
    )
    result = run("storyboard", "film.yaml")
    assert (result.exit_code, result.stdout) == (0, "film.mp4\n")
    assert "one: rendered in" in result.stderr
    again = json.loads(run("storyboard", "film.yaml", "--only", "two", "--json").stdout)
    assert again["anew"] == ["two"]
    assert [shot["id"] for shot in again["shots"]] == ["one", "two"]
    assert Path("film.otio").is_file()
    assert json.loads(run("storyboard", "--schema").stdout)["title"] == "Storyboard"


def test_a_file_that_hinode_did_not_make_is_never_replaced_unasked(run: Run) -> None:
    Path("film.yaml").write_text("size: 32x32\nmodel: toy\nshots: [{id: one, prompt: a kite, seconds: 1}]\n")
    film("film.mp4", smooth(8))
    before = Path("film.mp4").read_bytes()
    result = run("storyboard", "film.yaml")
    assert result.exit_code == 2
    assert "was not made by Hinode; name another output" in result.stderr
    assert Path("film.mp4").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("extend", "no.mp4", "--seconds", "1"), "video 'no.mp4' cannot be read: No such file"),
        (("extend", "words.mp4", "--seconds", "1"), "video 'words.mp4': the video is not an MP4"),
        (("extend", "a.png", "--seconds", "1"), "video 'a.png': the video is not an MP4"),
        (("extend", "in.mp4", "--seconds", "0"), "no 0 seconds can be added"),
        (("extend", "in.mp4", "--seconds", "nan"), "no nan seconds can be added"),
        (("extend", "in.mp4", "--seconds", "200"), "202 seconds cannot be made"),
        (("extend", "in.mp4", "", "--seconds", "1"), "the prompt is empty"),
        (("loop",), "give a prompt or --video"),
        (("loop", "a kite", "--seconds", "0"), "0 seconds cannot be made"),
        (("blend", "in.mp4", "no.mp4"), "second video 'no.mp4' cannot be read"),
        (("blend", "in.mp4", "in.mp4", "--curve", "0,0; 1,1.5"), "the curve has the point 1,1.5"),
        (("blend", "in.mp4", "in.mp4", "--curve", "1,0; 0,1"), "points of the curve do not follow"),
        (("blend", "in.mp4", "in.mp4", "--curve", "bent"), "name linear, smooth, early or late"),
        (("blend", "in.mp4", "in.mp4", "--from", "9"), "from: 9 s is outside the video, which has 2 s"),
        (("blend", "in.mp4", "in.mp4", "--to", "-1"), "to: -1 s is outside the video"),
        (("remix", "in.mp4", "a kite", "--strength", "2"), "strength 2 is out of range; give 0 to 1"),
        (("remix", "in.mp4", "a kite", "--strength", "huge"), "subtle, mild or strong"),
        (("remix", "in.mp4", " "), "the prompt is empty"),
        (("edit", "in.mp4", "a kite", "--mask", "a.png"), "mask 'a.png': it is 40x40 and the video 32x32"),
        (("edit", "in.mp4", "a kite", "--mask", "words.mp4"), "mask 'words.mp4': the image is no JPEG"),
        (("edit", "in.mp4", "a kite", "--mask", "big.mp4"), "mask 'big.mp4': it is 48x48"),
        (("retake", "in.mp4", "--from", "1", "--to", "3"), "to: 3 s is outside the video"),
        (("retake", "in.mp4", "--from", "1", "--to", "1"), "the span from 1 s to 1 s is empty"),
        (("retake", "in.mp4", "--from", "0", "--to", "2"), "all of the video would be drawn anew"),
        (("recut", "in.mp4", "--keep", "1-9", "--after", "1"), "keep: 9 s is outside the video"),
        (("recut", "in.mp4", "--keep", "abc", "--after", "1"), "keep 'abc' is no span of time"),
        (("recut", "in.mp4", "--keep", "0-1"), "nothing is to be drawn before or after"),
        (("recut", "in.mp4", "--keep", "0-1", "--after", "-1"), "after: -1 seconds cannot be drawn"),
        (("animate", "words.mp4", "a kite"), "image 'words.mp4': the image is no JPEG, PNG or WebP"),
        (("animate", "a.png", "a kite", "--size", "32x32"), "image 'a.png': it is 40x40 and the clip 32x32"),
        (("animate", "a.png", "a kite", "--fit", "squash"), "there is no fit 'squash'"),
        (("animate", "a.png", "a kite", "--keyframe", "a.png"), "keyframe 'a.png' has no moment"),
        (("animate", "a.png", "a kite", "--keyframe", "a.png@9"), "at 9 s is outside the clip"),
        (
            ("animate", "a.png", "a kite", "--keyframe", "a.png@1", "--keyframe", "a.png@1"),
            "two keyframes are at 1 s",
        ),
        (("animate", "a.png", "a kite", "--keyframe", "a.png@0.01"), "fall into one frame"),
        (("animate", "a.png", "a kite", "--path", "0,1"), "the path has"),
        (("animate", "a.png", "a kite", "--path", "1,0,0; 0,1,1"), "do not follow each other"),
        (("animate", "a.png", "a kite", "--path", "no.json"), "the path 'no.json' cannot be read"),
        (("animate", "a.png", "a kite", "--path", ";"), "the path has nothing where a moment should be"),
        (("animate", "a.png", "a kite", "--camera", "spin"), "the camera cannot 'spin'"),
        (("animate", "a.png", "a kite", "--camera", "pan left 99"), "the camera has the speed '99'"),
        (("animate", "a.png", "a kite", "--camera", "0,0,0"), "a zoom of 0 or less"),
        (("storyboard",), "there is no storyboard; name its file"),
        (("storyboard", "no.yaml"), "the storyboard 'no.yaml' cannot be read"),
        (("storyboard", "words.mp4"), "give an object with named fields"),
    ],
)
def test_bad_input_is_one_plain_sentence(run: Run, words: tuple[str, ...], says: str) -> None:
    film("in.mp4", smooth(16))
    film("big.mp4", smooth(2, size=48))
    Path("words.mp4").write_text("these are only words")
    Image.fromarray(smooth(1, size=40)[0]).save("a.png")
    before = sorted(Path().iterdir())
    result = run(*words, *(TOY if words[0] != "storyboard" else ()))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert says in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_named_moves_are_those_of_the_drawn_world() -> None:
    assert (camera.PAN_SPEED, camera.ZOOM_RATE) == (motion.PAN_SPEED, motion.ZOOM_RATE)
    assert camera.named("Pan left slowly and zoom in 2") == {"pan left": 0.5, "zoom in": 2.0}
    ((_, _, _), (at, pan, zoom)) = camera.followed({"pan right": 2.0}, 3.0)
    assert (at, pan, zoom) == (3.0, pytest.approx(2 * 3 * motion.PAN_SPEED), 1.0)
    track = camera.followed({"zoom out": 1.0}, 2.0)
    assert track[0] == (0.0, 0.0, 1.0)
    assert track[-1][2] == pytest.approx(np.exp(-motion.ZOOM_RATE * 3 * np.tanh(2 / 3)))
