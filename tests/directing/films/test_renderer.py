"""Films drawn for real by a network of toy size: real files, kept and joined."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
import torch
from PIL import Image

from hinode.clip import Frames, Sound
from hinode.directing.engine import DirectedEngine
from hinode.directing.films import parser, renderer
from hinode.directing.films.renderer import Film
from hinode.engines.native import catalog, upscaling
from hinode.engines.protocol import Progress
from hinode.errors import BadInput, OutputError
from hinode.media.timeline import Timeline
from hinode.media.writing.label import Label
from hinode.media.writing.video import write_mp4
from hinode.settings import Settings
from hinode.training.decoder import save_decoder
from tests.marking import MARKING
from tests.sounds import clicks, read_sound, tone
from tests.videos import read_video, show_the_same

SHOTS: list[dict[str, Any]] = [
    {"id": "one", "prompt": "a red balloon rising over the sea", "seconds": 1},
    {"id": "two", "prompt": "a red balloon hovering", "seconds": 1.5, "transition": "continue"},
    {"id": "three", "prompt": "a red balloon", "seconds": 1, "transition": {"kind": "fade", "seconds": 0.5}},
    {"id": "four", "prompt": "a kite", "seconds": 1.5, "transition": {"kind": "blend", "seconds": 0.5}},
]


class FilmSet:
    """A folder with a storyboard, and the engine that draws it."""

    def __init__(self, folder: Path, engine: DirectedEngine, settings: Settings) -> None:
        self.folder, self.engine, self.settings = folder, engine, settings

    def make(self, shots: list[dict[str, Any]], *, only: tuple[str, ...] = (), **more: Any) -> Film:
        watch = more.pop("watch", lambda progress: None)
        kind = more.pop("kind", "mp4")
        marking = more.pop("marking", MARKING)
        board = parser.parse_storyboard({"model": "toy", "size": "32x32", "seed": 3, **more, "shots": shots})
        return renderer.render_film(
            board,
            self.folder,
            self.folder / "film.yaml.shots",
            self.folder / ("film" if kind == "png" else "film.mp4"),
            kind,
            self.engine,
            self.settings,
            only=only,
            watch=watch,
            marking=marking,
        )

    def frames(self, film: Film, name: str) -> Frames:
        shot = next(shot for shot in film.shots if shot.id == name)
        return read_video(self.folder / "film.yaml.shots" / shot.file).frames


@pytest.fixture
def stage(tmp_path: Path, engine: DirectedEngine, settings: Settings) -> FilmSet:
    return FilmSet(tmp_path, engine, settings)


def test_a_film_is_joined_out_of_its_shots(stage: FilmSet) -> None:
    film = stage.make(SHOTS, title="Four")
    assert [shot.id for shot in film.shots] == ["one", "two", "three", "three+four", "four"]
    assert film.anew == ("one", "two", "three", "four", "three+four")
    assert (film.seconds, film.frames, film.fps) == (4.0, 32, 8.0)
    video = read_video(film.path)
    assert video.frames.shape == (32, 32, 32, 3)
    label = json.loads(video.metadata["description"])
    assert [shot["id"] for shot in label["shots"]] == ["one", "two", "three", "three+four", "four"]
    first_shot, two, three, four = (stage.frames(film, name) for name in ("one", "two", "three", "four"))
    between = stage.frames(film, "three+four")
    assert (len(first_shot), len(two), len(three), len(between), len(four)) == (8, 12, 8, 4, 12)
    # 8 of one, 8 of two, 4 of both, none of three alone, 4 in between, 8 of four.
    expected = np.concatenate((first_shot, two[:8], np.zeros_like(two[:4]), between, four[4:]))
    for k in range(4):
        share = (k + 1) / 5
        expected[16 + k] = np.rint(two[8 + k] * (1 - share) + three[k] * share)
    stage.make(SHOTS, kind="png")
    pictures = [np.asarray(Image.open(path)) for path in sorted((stage.folder / "film").glob("*.png"))]
    assert np.array_equal(np.stack(pictures), expected)


def test_only_what_has_changed_is_drawn_again(stage: FilmSet) -> None:
    first = stage.make(SHOTS)
    before = first.path.rename(stage.folder / "before.mp4")
    again = stage.make(SHOTS)
    assert again.anew == ()
    assert show_the_same(again.path, before)
    changed = [*SHOTS[:2], {**SHOTS[2], "prompt": "a red balloon falling"}, SHOTS[3]]
    assert stage.make(changed).anew == ("three", "three+four")
    # What goes on from a shot that has changed changes too; what does not, does not.
    changed[0] = {**SHOTS[0], "prompt": "a red balloon falling over the sea"}
    assert stage.make(changed).anew == ("one", "two")
    back = stage.make(SHOTS)
    assert back.anew == ()
    assert show_the_same(back.path, before)


def test_one_shot_is_taken_again_and_the_others_stay(stage: FilmSet) -> None:
    first = stage.make(SHOTS)
    second = stage.make(SHOTS, only=("one",))
    assert second.anew == ("one",)
    assert second.outdated == ("two",)
    assert not np.array_equal(stage.frames(first, "one"), stage.frames(second, "one"))
    for name in ("two", "three", "four"):
        assert np.array_equal(stage.frames(first, name), stage.frames(second, name))
    whole = stage.make(SHOTS)
    assert whole.anew == ("two",)
    assert np.array_equal(stage.frames(whole, "one"), stage.frames(second, "one"))


def test_only_needs_a_film_and_a_shot_that_is_there(stage: FilmSet) -> None:
    with pytest.raises(BadInput, match="'one' is not drawn yet"):
        stage.make(SHOTS, only=("two",))
    with pytest.raises(BadInput, match=r"no shot 'five'; choose one, two, three or four") as caught:
        stage.make(SHOTS, only=("five",))
    assert caught.value.field == "only"


def test_a_film_goes_on_where_it_was_stopped(stage: FilmSet) -> None:
    def stop(progress: Progress) -> None:
        # Within the second shot.
        if progress.stage == "sample" and progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.make(SHOTS, watch=stop)
    assert not (stage.folder / "film.mp4").exists()
    film = stage.make(SHOTS)
    assert "one" not in film.anew
    assert "two" in film.anew


def test_a_shot_goes_on_from_its_saved_step(stage: FilmSet, settings: Settings) -> None:
    whole = stage.make(SHOTS[:1])
    expected = stage.frames(whole, "one")
    (stage.folder / "film.yaml.shots" / "index.json").unlink()
    steps: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.stage == "sample" and progress.done == 2:
            raise KeyboardInterrupt

    stage.settings = Settings(home=settings.home, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        stage.make(SHOTS[:1], watch=stop)
    assert len(list(stage.folder.glob("film.yaml.shots/*.state"))) == 1
    film = stage.make(SHOTS[:1], watch=lambda progress: steps.append(progress.done))
    assert 0 not in steps[: steps.index(3)]
    assert np.array_equal(stage.frames(film, "one"), expected)
    assert list(stage.folder.glob("film.yaml.shots/*.state")) == []


def test_a_film_is_drawn_under_its_profile(stage: FilmSet) -> None:
    standard = stage.frames(stage.make(SHOTS[:1]), "one")
    film = stage.make(SHOTS[:1], profile="best")
    assert film.anew == ("one",)
    assert not np.array_equal(stage.frames(film, "one"), standard)
    with pytest.raises(BadInput, match="toy has no profile 'wild'; choose draft, standard or best") as caught:
        stage.make(SHOTS[:1], profile="wild")
    assert caught.value.field == "profile"


def test_damaged_and_missing_shots_are_drawn_again(stage: FilmSet) -> None:
    first = stage.make(SHOTS[:2])
    folder = stage.folder / "film.yaml.shots"
    first_shot, two = (folder / shot.file for shot in first.shots)
    two.write_bytes(two.read_bytes()[:500])
    assert stage.make(SHOTS[:2]).anew == ("two",)
    first_shot.unlink()
    assert stage.make(SHOTS[:2]).anew == ("one",)
    (folder / "index.json").write_text("{")
    with pytest.raises(OutputError, match="remove it, and the shots are drawn again"):
        stage.make(SHOTS[:2])


def test_progress_counts_all_shots(stage: FilmSet) -> None:
    reports: list[Progress] = []
    stage.make(SHOTS, watch=reports.append)
    shot = [progress.done for progress in reports if progress.stage == "sample"]
    assert shot == sorted(shot)
    last = [progress for progress in reports if progress.stage == "sample"][-1]
    assert last.done == last.total
    assert (reports[-1].stage, reports[-1].done) == ("encode", 32)


def test_a_continued_shot_knows_where_it_begins(stage: FilmSet) -> None:
    alone = stage.make([SHOTS[0], {**SHOTS[1], "transition": "cut"}])
    both = stage.make(SHOTS[:2])
    assert np.array_equal(stage.frames(alone, "one"), stage.frames(both, "one"))
    assert not np.array_equal(stage.frames(alone, "two"), stage.frames(both, "two"))


def test_a_shot_goes_on_from_a_video_and_from_a_later_shot(stage: FilmSet) -> None:
    stage.make(SHOTS[:1])
    (stage.folder / "film.mp4").rename(stage.folder / "start.mp4")
    shots = [{**SHOTS[0], "from": "end"}, {**SHOTS[1], "id": "end", "transition": "cut", "from": "start.mp4"}]
    film = stage.make(shots)
    assert [shot.id for shot in film.shots] == ["one", "end"]
    assert film.anew == ("end", "one")
    with pytest.raises(BadInput, match=r"from '.*missing.mp4' cannot be read"):
        stage.make([{**SHOTS[0], "from": "missing.mp4"}])


def test_keyframes_guides_path_and_camera_reach_the_shot(stage: FilmSet) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(stage.folder / "red.png")
    stage.make(SHOTS[:1])
    (stage.folder / "film.mp4").rename(stage.folder / "guide.mp4")
    shots = [
        SHOTS[0] | {"keyframes": [{"file": "red.png", "at": 0.5}]},
        SHOTS[0] | {"id": "two", "path": "0,0.2,0.5; 1,0.8,0.5", "camera": "pan left"},
        SHOTS[0] | {"id": "three", "references": [{"file": "guide.mp4", "as": "guide", "strength": 0.0}]},
    ]
    film = stage.make(shots)
    assert np.abs(stage.frames(film, "one")[4].astype(int) - red).max() <= 1
    guide = read_video(stage.folder / "guide.mp4").frames
    assert np.abs(stage.frames(film, "three").astype(int) - guide).max() <= 1
    assert stage.make([shots[0], {**shots[1], "path": [[0, 0.3, 0.5]]}, shots[2]]).anew == ("two",)
    assert stage.make([shots[0], {**shots[1], "camera": "pan right"}, shots[2]]).anew == ("two",)


@pytest.mark.parametrize(
    ("shot", "field", "says"),
    [
        ({"keyframes": [{"file": "no.png"}]}, "shots.one.keyframes", "No such file"),
        ({"keyframes": [{"file": "words.png"}]}, "shots.one.keyframes", "no JPEG, PNG or WebP"),
        ({"keyframes": [{"file": "big.png"}]}, "shots.one.keyframes", r"it is 40x40 and the clip 32x32"),
        (
            {"references": [{"file": "words.png", "as": "guide"}]},
            "shots.one.references",
            "no video that is read",
        ),
        ({"path": "0,0"}, "path", "seconds|at, x and y"),
        ({"camera": "wobble"}, "camera", "the camera cannot 'wobble'"),
        ({"path": "1,0,0; 0.5,1,1"}, "shots.one.path", "do not follow each other"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    stage: FilmSet, shot: dict[str, Any], field: str, says: str
) -> None:
    (stage.folder / "words.png").write_text("not a picture")
    Image.new("RGB", (40, 40)).save(stage.folder / "big.png")
    with pytest.raises(BadInput, match=says) as caught:
        stage.make([SHOTS[0] | shot])
    assert caught.value.field == field
    assert list(stage.folder.glob("film.yaml.shots/*")) == []


def test_a_character_is_read_from_its_picture(stage: FilmSet) -> None:
    from hinode.world.book.picture.render import render
    from hinode.world.book.scene import Scene, Subject

    scene = Scene((Subject("kite", "green", "still", 0.5, 0.4, 0.4),), place="sea")
    picture = render([scene], frames=1, fps=8.0, width=64, height=64)[0, 0]
    levels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(levels).save(stage.folder / "pal.png")
    film = stage.make([SHOTS[0] | {"prompt": "@pal rising"}], characters={"pal": {"image": "pal.png"}})
    assert film.shots[0].prompt.startswith("green kite rising")
    Image.new("RGB", (64, 64), "gray").save(stage.folder / "pal.png")
    with pytest.raises(BadInput, match="describe the character in words") as caught:
        stage.make([SHOTS[0] | {"prompt": "@pal rising"}], characters={"pal": {"image": "pal.png"}})
    assert caught.value.field == "characters.pal"


def test_the_timeline_opens_in_opentimelineio(stage: FilmSet) -> None:
    film = stage.make(SHOTS, title="Four", fps=24)
    timeline = otio.adapters.read_from_file(str(film.timeline))
    assert timeline.name == "Four"
    assert timeline.duration() == otio.opentime.RationalTime(96, 24)
    track = timeline.video_tracks()[0]
    clips = list(track.find_clips())
    assert [clip.name for clip in clips] == ["one", "two", "three", "three+four", "four"]
    for clip, shot in zip(clips, film.shots, strict=True):
        media = stage.folder / otio.url_utils.filepath_from_url(clip.media_reference.target_url)
        video, available = read_video(media), clip.media_reference.available_range.duration
        assert (len(video.frames), video.fps) == (available.value, available.rate)
        assert (video.frames.shape[1:3], video.fps) == ((32, 32), 24)  # those of the film
        with av.open(str(media)) as file:
            assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert clip.metadata["hinode"]["seed"] == shot.seed
        assert clip.markers[0].comment.startswith(shot.prompt)
    (fade,) = (first_shot for first_shot in track if isinstance(first_shot, otio.schema.Transition))
    assert fade.transition_type == otio.schema.TransitionTypes.SMPTE_Dissolve
    assert fade.in_offset.value + fade.out_offset.value == 12
    # Every clip shows what is in its media, the halves of the fade included.
    for clip in clips:
        seconds = clip.media_reference.available_range.duration.to_seconds()
        assert clip.source_range.end_time_exclusive().to_seconds() <= seconds


def test_shots_are_enlarged_as_other_clips_are(
    stage: FilmSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "shipped", lambda: tmp_path)
    torch.manual_seed(1)
    net = upscaling.UpscalerNet()
    torch.nn.init.normal_(net.leave.weight, std=0.02)
    save_decoder(net, upscaling.path(), {})
    upscaling.load.cache_clear()
    passes: list[int] = []
    network = upscaling.load(upscaling.path())
    network.register_forward_hook(lambda net, frames, output: passes.append(len(output)))
    settings = dataclasses.replace(MARKING.settings, watermark=False)
    film = stage.make(
        SHOTS[:1], size="96x96", kind="png", marking=dataclasses.replace(MARKING, settings=settings)
    )
    # Each frame once, for the film and for the clip of the shot beside it.
    assert sum(passes) == film.shots[0].frames
    expected = upscaling.upscale(stage.frames(film, "one"), (96, 96))
    with Image.open(film.path / "0004.png") as image:
        assert np.array_equal(np.asarray(image), expected[3])
    upscaling.load.cache_clear()
    assert film.shots[0].upscaler == upscaling.NAME


def test_a_part_of_a_video_is_a_clip_of_the_timeline(stage: FilmSet) -> None:
    stage.make(SHOTS[:2])
    heard = Sound(tone(2.5, clicks=(1.5,)), 48_000)
    frames = read_video(stage.folder / "film.mp4").frames
    write_mp4(stage.folder / "start.mp4", frames, (32, 32), Timeline.of(8, 2.5), Label(), heard)
    shots = [{"id": "end", "video": "start.mp4", "from": 1, "seconds": 1}, {**SHOTS[1], "id": "next"}]
    film = stage.make(shots)
    assert film.sound == "stereo, 48000 Hz"
    samples, rate = read_sound(film.path)
    assert clicks(samples, rate) == pytest.approx([0.5], abs=0.005)
    assert np.abs(samples[:, 11 * rate // 10 :]).max() < 0.001  # what is drawn is silent
    assert [shot.id for shot in film.shots] == ["next"]
    assert film.frames == 20
    clips = list(otio.adapters.read_from_file(str(film.timeline)).video_tracks()[0].find_clips())
    assert [clip.name for clip in clips] == ["end", "next"]
    assert clips[0].media_reference.target_url == "start.mp4"
    assert (clips[0].source_range.start_time.value, clips[0].source_range.duration.value) == (8, 8)
    start, end = (read_video(stage.folder / name).frames for name in ("start.mp4", "film.mp4"))
    assert np.abs(end[:8].astype(int) - start[8:16]).mean() < 8  # but for the loss of a second MP4


def test_a_state_that_cannot_be_used_is_discarded(stage: FilmSet, settings: Settings) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    stage.settings = Settings(home=settings.home, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        stage.make(SHOTS[:1], watch=stop)
    (state,) = stage.folder.glob("film.yaml.shots/*.state")
    head = state.read_bytes().partition(b"\n")[0]
    for content in (head + b"\nPK\x03\x04", b'{"engine": "native", "step": 1}\nof an older version'):
        state.write_bytes(content)
        assert stage.make(SHOTS[:1]).anew == ("one",)
        assert not state.exists()
        (stage.folder / "film.yaml.shots" / "index.json").unlink()
