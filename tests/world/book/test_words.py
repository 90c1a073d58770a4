from __future__ import annotations

import random

import pytest

from hinode.world.book.priors import COLORS, KINDS, PLACES
from hinode.world.book.scene import CAMERAS, DRY, MOTIONS, TIMES, WEATHERS, Scene, sample_scene
from hinode.world.book.words import lexicon
from hinode.world.book.words.caption import DENSITIES, VOCABULARY, caption
from hinode.world.book.words.completion import complete
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.language import split_words
from hinode.world.prompts.prompt import parse

VALUES = {
    "kind": KINDS, "color": COLORS, "motion": MOTIONS, "time": TIMES, "place": PLACES, "weather": WEATHERS,
    "camera": CAMERAS,
}  # fmt: skip


def facts(scene: Scene) -> tuple[object, ...]:
    cast = sorted((subject.kind, subject.color, subject.motion) for subject in scene.subjects)
    return cast, scene.time, scene.place, scene.weather, scene.camera, scene.relation


@pytest.mark.parametrize("attribute", VALUES)
def test_every_value_has_phrases_that_name_no_other(attribute: str) -> None:
    table = lexicon.ATTRIBUTES[attribute]
    assert tuple(table) == VALUES[attribute]
    phrases = [phrase for texts in table.values() for phrase in texts]
    assert len(phrases) == len(set(phrases))
    for value, texts in table.items():
        for phrase in texts:
            parsed = parse(phrase, BOOK)
            owner = parsed.subjects[0] if parsed.subjects else parsed
            assert getattr(owner, attribute) == value, phrase
            assert set(split_words(phrase)) <= set(VOCABULARY)


def test_a_scene_completed_from_its_dense_caption_has_the_same_facts() -> None:
    rng = random.Random("book captions")
    for _ in range(1500):
        scene = sample_scene(rng, held_out=None)
        text = caption(scene, rng, "dense")
        assert facts(complete(parse(text, BOOK), rng)) == facts(scene), text


@pytest.mark.parametrize("density", DENSITIES)
def test_captions_are_true_and_have_only_words_of_the_vocabulary(density: str) -> None:
    rng = random.Random(f"book {density}")
    for _ in range(400):
        scene = sample_scene(rng)
        text = caption(scene, rng, density)
        parsed = parse(text, BOOK)
        assert parsed.not_understood == (), text
        assert set(split_words(text)) <= set(VOCABULARY), text
        for name in ("time", "place", "weather", "camera"):
            assert getattr(parsed, name) in (getattr(scene, name), None), text
        assert len(parsed.subjects) == len(scene.subjects), text


@pytest.mark.parametrize(
    ("prompt", "subjects"),
    [
        ("two red balloons", ["red balloon -"] * 2),
        ("three gulls circling, one black and two white", ["black gull circle", *["white gull circle"] * 2]),
        ("two cats, one black, the other white, jumping", ["black cat bounce", "white cat bounce"]),
        ("two boats: one sails left, the other is moored", ["- boat left", "- boat still"]),
        ("a kite that is red and a train which is green", ["red kite -", "green train -"]),
        ("a grey seagull and a silver sled", ["grey gull -", "grey sledge -"]),
        ("a goldfish, a crimson goldfish", ["orange fish -", "red fish -"]),
    ],
)  # fmt: skip
def test_colours_and_motions_go_to_the_right_subjects(prompt: str, subjects: list[str]) -> None:
    parsed = parse(prompt, BOOK)
    assert [f"{s.color or '-'} {s.kind} {s.motion or '-'}" for s in parsed.subjects] == subjects


@pytest.mark.parametrize(
    ("prompt", "camera"),
    [("the camera slowly moves closer", "dolly in"), ("push in on the cat", "dolly in"),
     ("the camera circles around it", "orbit"), ("tracking shot of a boat", "follow"),
     ("camera looking at a star, then tilts up", "tilt up"), ("a boat, the camera pulls back", "dolly out")],
)  # fmt: skip
def test_moves_of_the_camera_are_told_apart(prompt: str, camera: str) -> None:
    assert parse(prompt, BOOK).camera == camera


def test_what_the_words_leave_open_is_usual() -> None:
    for seed in range(30):
        scene = complete(parse("a goldfish", BOOK), random.Random(seed))
        assert (scene.subjects[0].color, scene.place in ("sea", "underwater")) == ("orange", True)
        scene = complete(parse("a lighthouse, not at night", BOOK), random.Random(seed))
        assert (scene.subjects[0].motion, scene.place, scene.time == "night") == ("still", "sea", False)
        assert (scene.weather, scene.camera) == ("clear", "still")


@pytest.mark.parametrize("prompt", ["an empty beach at dusk", "rain over the city", "a dragon in the snow"])
def test_a_place_or_weather_alone_gives_a_scene_with_nobody(prompt: str) -> None:
    assert complete(parse(prompt, BOOK), random.Random(1)).subjects == ()


def test_several_are_drawn_up_to_three_and_stand_as_the_words_say() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        scene = complete(parse("two kites above a boat", BOOK), rng)
        kite, boat, other = scene.subjects
        assert [kite.kind, boat.kind, other.kind] == ["kite", "boat", "kite"]
        assert max(kite.y, other.y) < boat.y
        kite, boat, other = complete(parse("two kites to the left of a boat", BOOK), rng).subjects
        assert max(kite.x, other.x) < boat.x
        assert len({(s.kind, s.color) for s in complete(parse("seven gulls", BOOK), rng).subjects}) == 1
        assert len(complete(parse("seven gulls", BOOK), rng).subjects) == 3


def test_a_cat_passes_a_cottage_that_does_not_move() -> None:
    cat, cottage = complete(
        parse("a cat walking left in front of a cottage", BOOK), random.Random(2)
    ).subjects
    assert (cat.motion, cottage.motion) == ("left", "still")
    assert cottage.x < cat.x


def test_dry_places_have_no_rain_of_their_own() -> None:
    scene = complete(parse("a whale underwater", BOOK), random.Random(0))
    assert scene.place in DRY
    assert scene.weather == "clear"


@pytest.mark.parametrize(
    ("prompt", "subjects"),
    [
        ("a red boat - no, wait, a train - crossing the hills", ["- train -"]),
        ("a kite, sorry, a ball bouncing", ["- ball bounce"]),
        ("a blue kite, no, a red one", ["red kite -"]),
        ("a cat and a gull, both black", ["black cat -", "black gull -"]),
        (
            "A boat on the left, a lighthouse on the right. Nothing moves.",
            ["- boat still", "- lighthouse still"],
        ),
        ("snow is falling on a cottage", ["- cottage -"]),
        ("a cat sits under a clock tower and waits", ["- cat still", "- clock tower -"]),
        ("a cat under a pink and orange sky", ["- cat -"]),
        ("a boat with turquoise paint", ["turquoise boat -"]),
        ("clok tower and a snowmann", ["- clock tower -", "- snowman -"]),
    ],
)
def test_a_correction_an_afterthought_and_the_weather_go_where_they_belong(
    prompt: str, subjects: list[str]
) -> None:
    parsed = parse(prompt, BOOK)
    assert [f"{s.color or '-'} {s.kind} {s.motion or '-'}" for s in parsed.subjects] == subjects
