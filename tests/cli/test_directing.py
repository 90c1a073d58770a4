"""The commands that make clips from other clips, as a user types them: real files in, real files out."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from hinode.clip import Frames
from hinode.directing import material
from hinode.media.timeline import Timeline
from hinode.media.writing.formats import write
from hinode.media.writing.label import Label
from hinode.settings import Settings
from hinode.world.book.picture.render import render
from hinode.world.book.scene import Scene, Subject
from tests.directing.conftest import home  # noqa: F401
from tests.videos import read_video

from .conftest import Run

pytestmark = pytest.mark.usefixtures("probe_in_this_process")

PROMPT = "a red balloon rising over the sea at noon"
TOY = ("--model", "toy", "--seed", "5", "--fps", "8")


@pytest.fixture
def settings(home: Path) -> Settings:  # noqa: F811
    """Settings with a toy model that keeps the frames it is given."""
    return Settings(home=home)


def gradient(count: int, shift: int = 0, size: int = 32) -> Frames:
    """Smooth square frames that become brighter; `shift` makes them different."""
    rows, columns = np.mgrid[:size, :size]
    first = np.stack((rows * 3 + shift, columns * 3, 120 + 0 * rows), -1)
    return np.stack([np.clip(first + 4 * k, 0, 255) for k in range(count)]).astype(np.uint8)


def write_video(path: str | Path, frames: Frames, prompt: str = PROMPT) -> Frames:
    """Write an MP4 at 8 frames per second, and return its frames as a reader decodes them."""
    height, width = frames.shape[1:3]
    timeline = Timeline.of(8, len(frames) / 8)
    facts = {"prompt": prompt} if prompt else {}
    write("mp4", Path(path), frames, (width, height), timeline, Label(facts=facts))
    return read_video(Path(path)).frames


def frames_of(result: Result) -> Frames:
    """The frames of the video that a command wrote."""
    assert result.exit_code == 0, result.output
    return read_video(Path(result.stdout.strip().splitlines()[-1])).frames


def difference(frames: Frames, others: Frames) -> float:
    """Mean difference, in levels; what the encoder loses of a clip beside noise is below 5."""
    return float(np.abs(frames.astype(int) - others).mean())


def test_extend_keeps_the_video_and_its_prompt(run: Run) -> None:
    source = write_video("in.mp4", gradient(16))
    result = run("extend", "in.mp4", "--seconds", "1", *TOY, "--json", "-o", "out.mp4")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["seconds"], facts["size"], facts["frames"]) == (3.0, "32x32", 24)
    assert facts["prompt"].startswith(PROMPT)
    assert difference(read_video(Path("out.mp4")).frames[:16], source) < 5
    backward = frames_of(
        run("extend", "in.mp4", "a kite", "--seconds", "1", "--backward", *TOY, "-q", "-o", "b.mp4")
    )
    assert backward.shape[0] == 24
    assert difference(backward[8:], source) < 5


def test_extend_takes_the_rate_and_size_of_its_source(run: Run) -> None:
    write_video("in.mp4", gradient(8, size=48))
    words = ("--seconds", "1", "--model", "toy", "--seed", "5", "--json", "-o", "out.mp4")
    facts = json.loads(run("extend", "in.mp4", *words).stdout)
    assert (facts["fps"], facts["size"]) == (8.0, "48x48")


def test_the_prompt_of_a_video_without_one_says_what_it_shows(run: Run) -> None:
    scene = Scene((), "noon", "hills", "clear", "still", None, 8)
    frames = render([scene], frames=8, fps=8, width=64, height=64)[0].permute(0, 2, 3, 1)
    write_video("in.mp4", frames.mul(255).round().byte().numpy(), prompt="")
    facts = json.loads(run("extend", "in.mp4", "--seconds", "1", *TOY, "--json", "-o", "a.mp4").stdout)
    assert len(facts["prompt"].split()) > 6
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3)).astype(np.uint8)
    write_video("noise.mp4", noise, prompt="")
    for name, model in (("noise.mp4", TOY), ("in.mp4", ("--engine", "testcard"))):
        result = run("extend", name, "--seconds", "1", *model)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "there is no prompt; say in words what to show" in result.stderr


def test_pictures_are_a_video_too(run: Run) -> None:
    pictures = [Image.fromarray(frame) for frame in gradient(8)]
    for name, more in (("a.gif", {"duration": 120}), ("a.webp", {"duration": 125, "lossless": True})):
        pictures[0].save(name, save_all=True, append_images=pictures[1:], **more)
    Path("numbers").mkdir()
    for number, picture in enumerate(pictures, start=8):
        picture.save(f"numbers/shot-{number}.png")
    words = ("--keep", "0-0.5", "--after", "0.25", "--model", "toy", "--seed", "5", "--json", "-o", "o.mp4")
    for name, more, fps in (("a.gif", (), 25 / 3), ("a.webp", (), 8), ("numbers", ("--fps", "8"), 8)):
        result = run("recut", name, PROMPT, *words, *more)
        assert json.loads(result.stdout)["fps"] == pytest.approx(fps), result.output
        assert difference(read_video(Path("o.mp4")).frames[:4], gradient(4)) < 6
    assert (
        "a folder of pictures has no rate; say it with --fps" in run("recut", "numbers", "x", *words).stderr
    )


def test_loops_of_prompts_and_of_videos(run: Run) -> None:
    assert len(frames_of(run("loop", PROMPT, "--seconds", "2", "--size", "32x32", *TOY, "-q"))) == 16
    source = write_video("in.mp4", gradient(16))
    clip = frames_of(run("loop", "--video", "in.mp4", *TOY, "-q", "-o", "loop.mp4"))
    assert len(clip) == 24
    assert difference(clip[:16], source) < 5
    clip = frames_of(run("loop", "--video", "in.mp4", "--seconds", "2", *TOY, "-q", "-o", "part.mp4"))
    assert len(clip) == 16
    assert difference(clip[:8], source[:8]) < 5


def test_blend_keeps_everything_outside_the_transition(run: Run) -> None:
    first, second = write_video("a.mp4", gradient(16)), write_video("b.mp4", gradient(16, shift=90))
    clip = frames_of(run("blend", "a.mp4", "b.mp4", "--seconds", "1", *TOY, "-q", "-o", "c.mp4"))
    assert len(clip) == 24
    assert difference(clip[:8], first[:8]) < 5
    assert difference(clip[16:], second[8:]) < 5
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
    clip = frames_of(run("blend", "a.mp4", "b.mp4", *words, *TOY, "-q", "-o", "d.mp4"))
    assert len(clip) == 36
    assert difference(clip[:16], first) < 5
    assert difference(clip[20:], second) < 5
    # With strength 0 the last frame of the first video fades into the first frame of the second.
    shares = np.interp((np.arange(4) + 1) / 5, (0, 0.5, 1), (0, 0.9, 1))
    for frame, share in zip(clip[16:20], shares, strict=True):
        assert difference(frame, first[-1] * (1 - share) + second[0] * share) < 5


def test_remix_goes_as_far_as_its_strength(run: Run) -> None:
    source = write_video("in.mp4", gradient(16))
    clips = {
        strength: frames_of(
            run("remix", "in.mp4", "a blue kite", "--strength", strength, *TOY, "-q", "-o", f"{strength}.mp4")
        )
        for strength in ("0", "strong", "1")
    }
    small, medium, large = (difference(clips[strength], source) for strength in ("0", "strong", "1"))
    assert small < 5
    # An untrained network makes little of a difference in words.
    assert small < medium < large


def test_edit_changes_nothing_outside_its_mask(run: Run) -> None:
    write_video("in.mp4", gradient(8, size=64))
    mask = np.zeros((64, 64), np.uint8)
    mask[16:40, 16:40] = 255
    white = Image.new("L", (64, 64), 255)
    Image.merge("LA", (white, Image.fromarray(mask))).save("mask.png")  # white where it is not transparent
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
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("out").glob("*.png"))])
    source = read_video(Path("in.mp4")).frames
    assert np.array_equal(frames[:, mask == 0], source[:, mask == 0])
    assert not np.array_equal(frames[:, mask > 0], source[:, mask > 0])
    moving = np.zeros((8, 64, 64, 3), np.uint8)
    moving[4:, 16:40, 16:40] = 255
    write_video("mask.mp4", moving)
    result = run(*words[:3], "--mask", "mask.mp4", *words[5:-1], "moving")
    assert result.exit_code == 0, result.output
    frames = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("moving").glob("*.png"))])
    assert np.array_equal(frames[:4], source[:4])
    assert not np.array_equal(frames[4:], source[4:])


def test_old_and_new_mix_where_a_mask_is_grey(run: Run) -> None:
    write_video("in.mp4", gradient(1, size=64))
    source = read_video(Path("in.mp4")).frames
    grey = np.zeros((64, 64), np.uint8)
    grey[:, 24:40], grey[:, 40:] = 128, 255
    Image.fromarray(grey).save("grey.png")
    words = ("--mask", "grey.png", "--feather", "4", *TOY, "--format", "png", "-q", "-o", "out")
    assert run("edit", "in.mp4", "a blue kite", *words).exit_code == 0
    with Image.open("out/0001.png") as image:
        change = np.abs(np.asarray(image).astype(int) - source[0]).sum(-1).mean(0)
    assert change[:16].max() == 0 < change[20:24].mean() < change[26:36].mean()
    assert change[26:36].mean() < 0.8 * change[46:].mean()


def test_retake_renders_a_span_again_and_recut_keeps_one(run: Run) -> None:
    source = write_video("in.mp4", gradient(16))
    clip = frames_of(run("retake", "in.mp4", "--from", "0.5", "--to", "1", *TOY, "-q", "-o", "a.mp4"))
    assert len(clip) == 16
    assert (
        max(difference(clip[:4], source[:4]), difference(clip[8:], source[8:]))
        < 5
        < difference(clip[4:8], source[4:8])
    )
    words = ("--keep", "0.5-1.5", "--before", "0.5", "--after", "1")
    clip = frames_of(run("recut", "in.mp4", "a kite", *words, *TOY, "-q", "-o", "b.mp4"))
    assert len(clip) == 20
    assert difference(clip[4:12], source[4:12]) < 5


def test_animate_shows_its_pictures(run: Run) -> None:
    pictures = {name: gradient(1, shift)[0] for name, shift in (("a", 0), ("b", 60), ("c", 120))}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(f"{name}.png")
    words = ("--last", "c.png", "--keyframe", "b.png@1", "--seconds", "2", "--camera", "zoom in")
    clip = frames_of(run("animate", "a.png", PROMPT, *words, *TOY, "-q", "-o", "a.mp4"))
    assert clip.shape == (16, 32, 32, 3)
    for index, name in ((0, "a"), (8, "b"), (15, "c")):
        assert difference(clip[index], pictures[name]) < 5
    Image.fromarray(gradient(1, size=40)[0]).save("big.png")
    assert run("animate", "a.png", PROMPT, "--last", "big.png", *TOY).exit_code == 2
    clip = frames_of(
        run("animate", "a.png", PROMPT, "--last", "big.png", "--fit", "stretch", *TOY, "-q", "-o", "b.mp4")
    )
    stretched = Image.open("big.png").resize((32, 32), Image.Resampling.LANCZOS)
    assert difference(clip[-1], np.asarray(stretched)) < 5


def test_generate_begins_with_an_image(run: Run) -> None:
    picture = gradient(1)[0]
    Image.fromarray(picture).save("a.png")
    words = ("--size", "32x32", "--seconds", "1", *TOY, "-q")
    clip = frames_of(run("generate", PROMPT, *words, "--image", "a.png"))
    assert difference(clip[0], picture) < 5 < difference(clip[4], picture)
    result = run("generate", PROMPT, *words, "--image", "no.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "image 'no.png' cannot be read: No such file" in result.stderr
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(picture)))
    turned.save("turned.jpg", exif=exif, quality=98, subsampling=0)
    clip = frames_of(run("generate", PROMPT, *words, "--image", "turned.jpg", "-o", "turned.mp4"))
    assert difference(clip[0], picture) < 5


def test_photographs_and_odd_sides_just_work(run: Run) -> None:
    assert material.default_size((6000, 4000), even=True) == (1764, 1176)
    assert material.default_size((853, 481), even=False) == (853, 481)
    Image.fromarray(gradient(1, size=33)[0]).save("odd.png")
    result = run("animate", "odd.png", PROMPT, "--seconds", "0.125", *TOY, "--json", "-o", "a.mp4")
    assert json.loads(result.stdout)["size"] == "32x32"
    with av.open("odd.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 33, 35, "yuv444p"
        for frame in gradient(8, size=35)[:, :, :33]:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        file.mux(stream.encode(None))
    clip = frames_of(run("extend", "odd.mp4", PROMPT, "--seconds", "1", *TOY, "-q", "-o", "b.mp4"))
    assert clip.shape == (16, 34, 32, 3)
    assert difference(clip[:8], gradient(8, size=35)[:, :34, :32]) < 5


def test_generate_knows_characters_by_a_picture_or_a_video(run: Run) -> None:
    scene = Scene((Subject("balloon", "orange", "still", 0.5, 0.5, 0.4),))
    video = render([scene], frames=16, fps=8, width=64, height=64)[0].permute(0, 2, 3, 1)
    frames = (video.numpy() * 255).round().astype(np.uint8)
    Image.fromarray(frames[8]).save("pip.png")
    write_video("pip.mp4", frames, prompt="")
    words = ("generate", "@pip rising over the sea at noon", "--size", "32x32", *TOY, "--json")
    for name in ("pip.png", "pip.mp4"):
        facts = json.loads(run(*words, "--character", f"pip={name}", "-o", "out.mp4").stdout)
        assert facts["read_as"].startswith("orange balloon, ")
    for character, message in (
        ("pip.png", "has no name or no file"),
        ("max=pip.png", "the prompt does not name the character 'max'"),
        ("pip=no.png", "No such file"),
    ):
        result = run(*words, "--character", character)
        assert result.exit_code == 2
        assert message in result.output


def test_generate_takes_keyframes_a_path_and_more_seconds_than_one_window(run: Run) -> None:
    Image.fromarray(gradient(1)[0]).save("a.png")
    Path("path.json").write_text(json.dumps([{"at": 0, "x": 0.2, "y": 0.5}, {"at": 6, "x": 0.8, "y": 0.5}]))
    words = ("--seconds", "6", "--size", "32x32", "--keyframe", "a.png@5", "--path", "path.json")
    clip = frames_of(run("generate", PROMPT, *words, "--camera", "0,0,1; 6,0.5,1", *TOY, "-q", "-o", "a.mp4"))
    assert len(clip) == 48
    assert difference(clip[40], gradient(1)[0]) < 5


def test_the_result_says_what_the_prompt_left_open(run: Run) -> None:
    words = ("generate", "a kite", "--size", "32x32", "--seconds", "1", *TOY, "--json", "-o", "a.mp4")
    assert "chosen by the seed: color, motion, place, time" in json.loads(run(*words).stdout)["read_as"]


def test_storyboard_renders_a_film_and_one_shot_again(run: Run) -> None:
    text = (
        "size: 32x32\nmodel: toy\nshots:\n"
        "  - {id: one, prompt: a wibbly red balloon rising, seconds: 1}\n"
        "  - {id: two, prompt: a red balloon falling, seconds: 1, transition: continue}\n"
    )
    Path("film.yaml").write_text(text)
    result = run("storyboard", "film.yaml")
    assert (result.exit_code, result.stdout) == (0, "film.mp4\n")
    assert "one: rendered in" in result.stderr
    assert "  not understood: wibbly\n" in result.stderr
    film = json.loads(run("storyboard", "film.yaml", "--only", "two", "--json").stdout)
    assert film["anew"] == ["two"]
    assert [shot["id"] for shot in film["shots"]] == ["one", "two"]
    assert Path("film.otio").is_file()
    Path("film.yaml").write_text(text.replace("balloon rising", "kite rising"))
    summary = run("storyboard", "film.yaml", "--only", "two").stderr
    assert "one: unchanged" in summary
    assert "not rendered again, although the storyboard changed: one; run without --only" in summary
    assert json.loads(run("storyboard", "--schema").stdout)["title"] == "Storyboard"


def test_a_file_that_hinode_did_not_make_is_replaced_only_if_named(run: Run) -> None:
    Path("film.yaml").write_text("size: 32x32\nmodel: toy\nshots: [{id: one, prompt: a kite, seconds: 1}]\n")
    write_video("film.mp4", gradient(8))
    before = Path("film.mp4").read_bytes()
    result = run("storyboard", "film.yaml")
    assert result.exit_code == 2
    assert "was not made by Hinode; name another output" in result.stderr
    assert Path("film.mp4").read_bytes() == before


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files to name in commands that are refused."""
    folder = tmp_path_factory.mktemp("sources")
    write_video(folder / "in.mp4", gradient(16))
    write_video(folder / "big.mp4", gradient(2, size=48))
    (folder / "words.mp4").write_text("these are only words")
    for name, color in (("black", 0), ("white", 255), ("rainbow", (250, 80, 10))):
        Image.new("RGB" if name == "rainbow" else "L", (32, 32), color).save(folder / f"{name}.png")
    Image.fromarray(gradient(1, size=40)[0]).save(folder / "a.png")
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("extend", "no.mp4", "--seconds", "1"), "video 'no.mp4' cannot be read: No such file"),
        (("extend", "words.mp4", "--seconds", "1"), "video 'words.mp4': the file is no video"),
        (("extend", "a.png", "--seconds", "1"), "video 'a.png': the file is no video"),
        (("extend", "in.mp4", "--seconds", "0"), "no 0 seconds can be added"),
        (("extend", "in.mp4", "--seconds", "nan"), "no nan seconds can be added"),
        (("extend", "in.mp4", "--seconds", "200"), "202 seconds cannot be made"),
        (("extend", "in.mp4", "", "--seconds", "1"), "the prompt is empty"),
        (("loop",), "give a prompt or --video"),
        (("loop", "a kite", "--seconds", "0"), "0 seconds cannot be made"),
        (("blend", "in.mp4", "no.mp4"), "second video 'no.mp4' cannot be read"),
        (("blend", "in.mp4", "in.mp4", "--curve", "0,0; 1,1.5"), "the curve has the point 1,1.5"),
        (("blend", "in.mp4", "in.mp4", "--curve", "1,0; 0,1"), "points of the curve do not follow"),
        (("blend", "in.mp4", "in.mp4", "--curve", "round"), "name linear, smooth, early or late"),
        (("blend", "in.mp4", "in.mp4", "--from", "9"), "from: 9 s is outside the video, which has 2 s"),
        (("blend", "in.mp4", "in.mp4", "--to", "-1"), "to: -1 s is outside the video"),
        (("remix", "in.mp4", "a kite", "--strength", "2"), "strength 2 is out of range; give 0 to 1"),
        (("remix", "in.mp4", "a kite", "--strength", "huge"), "subtle, mild or strong"),
        (("remix", "in.mp4", " "), "the prompt is empty"),
        (("edit", "in.mp4", "a kite", "--mask", "a.png"), "mask 'a.png': it is 40x40 and the video 32x32"),
        (("edit", "in.mp4", "a kite", "--mask", "words.mp4"), "mask 'words.mp4': the image is no JPEG"),
        (("edit", "in.mp4", "a kite", "--mask", "big.mp4"), "mask 'big.mp4': it is 48x48"),
        (("edit", "in.mp4", "a kite", "--mask", "black.png"), "has no white, so nothing would change"),
        (("edit", "in.mp4", "a kite", "--mask", "white.png"), "has no black, so nothing would stay"),
        (("edit", "in.mp4", "a kite", "--mask", "rainbow.png"), "the mask has colours; give white where"),
        (("edit", "in.mp4", "a kite", "--mask", "in.mp4", "--feather", "3"), "cannot be feathered here"),
        (("edit", "in.mp4", "a kite", "--mask", "a.png", "--feather", "-3"), "feather -3 is out of range"),
        (("edit", "in.mp4", "a kite", "--feather", "3"), "there is no mask to feather"),
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
        (("animate", "a.png", "a kite", "--path", "8,0,0; 9,1,1"), "the path begins at 8 s and the clip has"),
        (("animate", "a.png", "a kite", "--path", "no.json"), "the path 'no.json' cannot be read"),
        (("animate", "a.png", "a kite", "--path", ";"), "the path has nothing where a moment should be"),
        (("animate", "a.png", "a kite", "--camera", "spin"), "the camera cannot 'spin'"),
        (("animate", "a.png", "a kite", "--camera", "pan left 99"), "the camera has the speed '99'"),
        (("animate", "a.png", "a kite", "--camera", "0,0,0"), "a zoom of 0 or less"),
        (("retake", "in.mp4", "--from", "0:01:00:90", "--to", "2"), "has the frame 90 of a second of 8"),
        (
            ("retake", "in.mp4", "--from", "soon", "--to", "2"),
            "from 'soon' is no moment; write seconds, such",
        ),
        (("storyboard",), "there is no storyboard; name its file"),
        (("storyboard", "no.yaml"), "the storyboard 'no.yaml' cannot be read"),
        (("storyboard", "words.mp4"), "give an object with named fields"),
    ],
)
def test_bad_input_is_one_plain_sentence(
    run: Run, sources: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(sources)
    before = sorted(sources.iterdir())
    result = run(*words, *(TOY if words[0] != "storyboard" else ()))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(sources.iterdir()) == before
