from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.world import lexicon
from hinode.world.caption import DENSITIES, VOCABULARY, caption, words
from hinode.world.prompts import grammar
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts, parse
from hinode.world.scene import (
    CAMERAS,
    COLORS,
    MOTIONS,
    PLACES,
    SUBJECTS,
    TIMES,
    WEATHERS,
    Scene,
    Subject,
    sample_scene,
)

AROUND = ("time", "place", "weather", "camera")


def samples(count: int, seed: str) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_scene(rng, held_out=None, casts=(0.5, 0.3, 0.2)) for _ in range(count)]


def truth(scene: Scene) -> tuple[SubjectFacts, ...]:
    return tuple(SubjectFacts(s.kind, s.color, s.motion) for s in scene.subjects)


def around(parsed: ParsedPrompt) -> dict[str, str]:
    return {name: value for name in AROUND if (value := getattr(parsed, name)) is not None}


@pytest.mark.parametrize("density", DENSITIES)
def test_a_caption_is_true_and_parse_finds_all_its_facts(density: str) -> None:
    rng = random.Random(f"captions {density}")
    for scene in samples(2500, density):
        text = caption(scene, rng, density)
        parsed = parse(text)
        assert parsed.not_understood == (), text
        for name, value in around(parsed).items():
            assert value == getattr(scene, name), text
        assert len(parsed.subjects) == len(scene.subjects), text
        for parsed_subject, subject in zip(parsed.subjects, truth(scene), strict=True):
            assert (parsed_subject.kind, parsed_subject.color) == (subject.kind, subject.color), text
            assert parsed_subject.motion in (subject.motion, None), text
        assert parsed.relation in (scene.relation, None), text
        if density in ("full", "dense"):
            assert parsed.relation == scene.relation, text
            assert parsed.subjects == truth(scene), text
            named = {"time": scene.time, "place": scene.place}
            if density == "dense" or scene.weather != "clear":
                named["weather"] = scene.weather
            if density == "dense" or scene.camera != "still":
                named["camera"] = scene.camera
            assert named.items() <= around(parsed).items(), text


@pytest.mark.parametrize("density", [*DENSITIES, None])
def test_captions_have_words_of_the_vocabulary_and_fit_the_text_encoder(density: str | None) -> None:
    rng = random.Random(f"words {density}")
    vocabulary = frozenset(VOCABULARY)
    lengths = []
    for scene in samples(1500, f"words {density}"):
        text = words(caption(scene, rng, density))
        assert vocabulary.issuperset(text)
        lengths.append(len(text))
    assert min(lengths) >= 2
    assert max(lengths) <= 48  # `DiTConfig.words`


def test_denser_captions_state_more_facts() -> None:
    counts = {}
    for density in DENSITIES:
        rng = random.Random("how much")
        parses = [parse(caption(scene, rng, density)) for scene in samples(600, "how much")]
        counts[density] = sum(len(p.facts()) for p in parses) / len(parses)
    assert counts["short"] < counts["full"] < counts["dense"] == 7
    assert counts["tag"] < counts["full"]


def test_clear_weather_and_a_still_camera_are_mostly_omitted() -> None:
    """So a prompt without a word on them mostly means a clear sky and a still camera."""
    rng = random.Random("usual")
    omitted: dict[str, Counter[str]] = {"weather": Counter(), "camera": Counter()}
    for scene in samples(3000, "usual"):
        parsed = parse(caption(scene, rng))
        for name, counts in omitted.items():
            counts[getattr(scene, name)] += getattr(parsed, name) is None
    for name, default in (("weather", "clear"), ("camera", "still")):
        assert omitted[name][default] > 0.5 * omitted[name].total() > 200


def test_a_scene_has_many_captions_and_a_seed_has_one() -> None:
    scene = samples(1, "one")[0]
    texts = {caption(scene, random.Random(seed)) for seed in range(200)}
    assert len(texts) > 150
    assert caption(scene, random.Random(3)) == caption(scene, random.Random(3))


def test_an_unknown_density_is_refused() -> None:
    with pytest.raises(ValueError, match="'loud': use one of tag, short, full, dense"):
        caption(samples(1, "x")[0], random.Random(0), "loud")


def test_every_phrase_of_the_lexicon_means_one_thing_and_parse_knows_it() -> None:
    tables = {
        "kind": (lexicon.KINDS, SUBJECTS),
        "color": (lexicon.COLOR_WORDS, COLORS),
        "motion": (lexicon.MOTION_WORDS, MOTIONS),
        "time": (lexicon.TIME_WORDS, TIMES),
        "place": (lexicon.PLACE_WORDS, PLACES),
        "weather": (lexicon.WEATHER_WORDS, WEATHERS),
        "camera": (lexicon.CAMERA_WORDS, CAMERAS),
    }
    meanings: dict[tuple[str, ...], tuple[str, str]] = {}
    for attribute, (table, values) in tables.items():
        assert tuple(table) == values
        for value, phrases in table.items():
            for phrase in phrases:
                assert meanings.setdefault(tuple(words(phrase)), (attribute, value)) == (attribute, value)
                parsed = parse(phrase)
                facts = parsed.subjects[0] if parsed.subjects else parsed
                assert getattr(facts, attribute) == value, phrase
                assert parsed.not_understood == ()
    assert set(VOCABULARY) >= {word for phrase in meanings for word in phrase}
    assert list(VOCABULARY) == sorted(set(VOCABULARY))


# What a person would take each prompt to mean: (colour, kind, motion) of every subject, then the rest.
PROMPTS = [
    ("A red balloon rising over the mountains at noon.", ["red balloon rise"], "noon mountains"),
    ("a purple kite circling over the sea at dusk", ["purple kite circle"], "sunset sea"),
    ("RED BALLOON", ["red balloon -"], ""),
    ("GOLDEN BIRD, SOARING UPWARD! CITY SKYLINE; MIDNIGHT", ["yellow bird rise"], "night city"),
    (
        "a blue boat drifting left and a white sailboat moving right on the ocean at dawn",
        ["blue boat left", "white boat right"],
        "dawn sea",
    ),
    ("a bird flying left, then a ball falling", ["- bird left", "- ball fall"], ""),
    ("a rocket flying up and a ball rolling down", ["- rocket rise", "- ball fall"], ""),
    ("A fish.\nA boat.", ["- fish -", "- boat -"], ""),
    (
        "a green train and a pink fish in the desert at night, snow falling",
        ["green train -", "pink fish -"],
        "night desert snow",
    ),
    ("an orange ball bouncing up and down on the sand", ["orange ball bounce"], "desert"),
    ("a kite on the left, flying right", ["- kite right"], ""),
    ("a boat on the right side of the frame, motionless", ["- boat still"], ""),
    ("a rocket under an orange sky at sunset", ["- rocket -"], "sunset"),
    ("red sky at night over the city", [], "night city"),
    ("a train under a blue sky", ["- train -"], "clear"),
    (
        "an emerald fish swimming to the right under the open sea",
        ["green fish right"],
        "sea",
    ),
    (
        "sunny afternoon in the countryside, a violet hot-air balloon drifting to the left",
        ["purple balloon left"],
        "noon hills clear",
    ),
    ("snowy mountains at golden hour, static shot, a gold star", ["yellow star -"], "sunset mountains still"),
    (
        "the camera zooms in on a motionless star under a starry sky",
        ["- star still"],
        "night zoom in",
    ),
    ("dunes; a pink rocket taking off; camera pan to the right", ["pink rocket rise"], "desert pan right"),
    ("the balloon stays still while the camera moves right", ["- balloon still"], "pan right"),
    ("slow zoom out, a locomotive heading left", ["- train left"], "zoom out"),
    ("a boat in the falling rain", ["- boat -"], "rain"),
    ("a crimson ball falling in falling snow", ["red ball fall"], "snow"),
    ("on a snowy night, a red train", ["red train -"], "night snow"),
    ("a paper kite hovering above the rooftops in thick fog", ["- kite still"], "city fog"),
    ("a spaceship descends over the dunes in broad daylight", ["- rocket fall"], "noon desert"),
    ("a rising red balloon", ["red balloon rise"], ""),
    ("from right to left, a yellow bird", ["yellow bird left"], ""),
    ("a balloon rises, then falls", ["- balloon rise"], ""),
    ("a golden fish at golden hour", ["yellow fish -"], "sunset"),
    ("in the morning mist, an ivory yacht", ["white boat -"], "dawn fog"),
    ("a falling star", ["- star fall"], ""),
    ("green hills, no people", [], "hills"),
]


@pytest.mark.parametrize(("prompt", "subjects", "rest"), PROMPTS, ids=[prompt for prompt, _, _ in PROMPTS])
def test_a_prompt_is_read_as_a_person_would(prompt: str, subjects: list[str], rest: str) -> None:
    parsed = parse(prompt)
    result = [" ".join(x or "-" for x in (s.color, s.kind, s.motion)) for s in parsed.subjects]
    assert result == subjects
    assert " ".join(around(parsed).values()) == rest


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a dragon over the hills at noon", ("dragon",)),
        ("¿Un globo rojo? ¡Un globo!", ("un", "globo", "rojo")),
        ("赤い気球", ("赤い気球",)),
        ("a pinkball", ("pinkball",)),
        ("a stationary red balloon, 42 m high", ("42", "m")),
        ("a red balloon, slowly and gently, in the middle of the frame", ()),
        ("", ()),
        ("... !!! ---", ()),
    ],
)
def test_meaningless_words_are_listed(prompt: str, unknown: tuple[str, ...]) -> None:
    assert parse(prompt).not_understood == unknown


def test_understood_words_are_listed() -> None:
    parsed = parse("A scarlet airship drifting left over a quiet ocean, drifting left")
    assert parsed.understood == ("scarlet", "airship", "drifting", "left", "ocean")
    assert parsed.facts() == {"subject": "balloon", "color": "red", "motion": "left", "place": "sea"}
    assert parse("hello").facts() == {}


def test_of_two_contradicting_facts_the_first_counts() -> None:
    parsed = parse("a ball at noon over the sea, at night over the hills, rising, falling")
    assert (parsed.time, parsed.place) == ("noon", "sea")
    assert parsed.subjects == (SubjectFacts("ball", None, "rise"),)


def test_a_phrase_never_reaches_over_punctuation() -> None:
    assert parse("moving closer").camera == "zoom in"
    assert parse("moving. closer").camera is None
    assert parse("not moving").subjects == (SubjectFacts(None, None, "still"),)
    assert parse("why not, moving left").subjects == (SubjectFacts(None, None, "left"),)


ALPHABET = st.text(st.characters(codec="utf-8"), max_size=60)
PIECES = st.sampled_from([*VOCABULARY, "dragon", ",", ".", "\n", "İ", "ß"])
MIXTURE = st.lists(PIECES, max_size=30).map(" ".join)


@given(st.one_of(ALPHABET, MIXTURE))
def test_any_text_can_be_parsed(text: str) -> None:
    parsed = parse(text)
    for subject in parsed.subjects:
        assert subject.kind in (*SUBJECTS, None)
        assert subject.color in (*COLORS, None)
        assert subject.motion in (*MOTIONS, None)
        assert (subject.kind, subject.color, subject.motion) != (None, None, None)
    assert parsed.time in (*TIMES, None)
    assert parsed.place in (*PLACES, None)
    assert parsed.weather in (*WEATHERS, None)
    assert parsed.camera in (*CAMERAS, None)
    assert set(VOCABULARY).issuperset(parsed.understood)
    assert len(set(parsed.not_understood)) == len(parsed.not_understood)
    assert not set(parsed.not_understood) & set(lexicon.FILLER)


@given(MIXTURE)
def test_every_word_is_understood_or_filler_or_named_as_unknown(text: str) -> None:
    parsed = parse(text)
    accounted = {*parsed.understood, *parsed.not_understood, *lexicon.FILLER}
    accounted |= grammar.FUNCTION_WORDS
    related = [phrase for phrases in lexicon.RELATION_WORDS.values() for phrase in phrases]
    neutral = {word for phrase in (*lexicon.NEUTRAL, *related) for word in words(phrase)}
    neutral |= set(lexicon.COLOR_WORDS)
    synonyms = {word for phrases in lexicon.COLOR_WORDS.values() for word in phrases}
    assert set(words(text)) <= accounted | neutral | synonyms


def test_words_are_lower_case_runs_of_letters_and_digits() -> None:
    assert words("Hot-air BALLOON's 2nd_flight, at 8:30!") == [
        "hot", "air", "balloon", "s", "2nd", "flight", "at", "8", "30",
    ]  # fmt: skip


def test_two_subjects_keep_their_own_colours_and_motions() -> None:
    rng = random.Random("two")
    for scene_of_two in (sample_scene(rng, subjects=2) for _ in range(400)):
        assert parse(caption(scene_of_two, rng, "full")).subjects == truth(scene_of_two)


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("a red ball behind a blue boat", "behind"),
        ("a red ball, rising to the left of a large blue boat at sea", "left of"),
        ("a red ball on the right side of the blue boat", "right of"),
        ("a red ball underneath a kite and a star", "below"),
        ("a red ball over the hills and a blue boat", None),
        ("over a blue boat", None),
        ("a red ball in front of the sea, a blue boat rising", None),
        ("a ball and a kite above a boat", None),
        ("a red ball moving to the left, a boat", None),
    ],
)
def test_a_relation_stands_between_the_first_two_subjects(text: str, relation: str | None) -> None:
    assert parse(text).relation == relation


def test_the_facts_of_a_cast_are_numbered() -> None:
    parsed = parse("a red ball rising above a blue boat and a white kite at noon")
    assert parsed.cast_facts() == {
        "subject": "ball",
        "color": "red",
        "motion": "rise",
        "time": "noon",
        "subject 2": "boat",
        "color 2": "blue",
        "subject 3": "kite",
        "color 3": "white",
        "relation": "above",
        "count": "3",
    }


def test_a_dense_caption_tells_size_and_pace() -> None:
    def adjectives(size: float, speed: float) -> Counter[str]:
        rng = random.Random("dense")
        subject = Subject("kite", "red", "left", size=size, speed=speed)
        texts = [words(caption(Scene((subject,)), rng, "dense")) for _ in range(100)]
        return Counter(word for text in texts for word in {"large", "small", "quickly", "slowly"} & set(text))

    assert set(adjectives(0.36, 1.1)) == {"large", "quickly"}
    assert set(adjectives(0.28, 0.9)) == {"small", "slowly"}
