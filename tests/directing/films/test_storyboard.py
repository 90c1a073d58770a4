"""Storyboards as files: what is read, and what is refused in which words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hinode import engines, yamlfile
from hinode.directing.capabilities import extend_capabilities
from hinode.directing.films import continuity, parser, storyboard
from hinode.errors import BadInput
from hinode.settings import Settings
from hinode.world.book.words.language import BOOK

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "film.yaml"


def board(*shots: dict[str, Any], **more: Any) -> storyboard.Storyboard:
    whole = [
        {"id": f"shot{n}", "prompt": "a red balloon", "seconds": 2} | shot for n, shot in enumerate(shots)
    ]
    return parser.parse_storyboard({"shots": whole, **more})


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    values = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    (tmp_path / "film.json").write_text(json.dumps(values), "utf-8")
    assert parser.read(tmp_path / "film.json") == parser.read(EXAMPLE)


def test_yaml_stays_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    shot = "shots: [{id: 010, prompt: a kite, seconds: 1, from: clip.mov}]\n"
    path.write_text("place: no\ntime: 6:00\ntitle: 2026-11-29\ncharacters: {on: a dog}\n" + shot)
    board = parser.read(path)
    assert (board.place, board.time, board.title, board.shots[0].id) == ("no", "6:00", "2026-11-29", "010")
    assert (dict(board.characters), board.source(0)) == ({"on": "a dog"}, "clip.mov")
    path.write_text("fps: 23:59\n" + shot)
    with pytest.raises(BadInput, match="fps is '23:59'"):
        parser.read(path)


def test_the_page_names_every_field() -> None:
    page = (ROOT / "docs" / "reference" / "storyboard.md").read_text("utf-8")
    schema = storyboard.Storyboard.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    missing = [name for part in parts for name in part["properties"] if f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        ({}, "shots", "shots is missing"),
        ({"shots": []}, "shots", "shots has 0 entries; give 1 at least"),
        ([1], "shots", "the storyboard is a list; give an object"),
        (
            {"shots": [{"id": "a", "seconds": 1}]},
            "shots.a.prompt",
            "shots.a.prompt: a shot that is drawn needs one",
        ),
        ({"shots": [{"prompt": "x"}]}, "shots.1.seconds", "shots.1.seconds is missing"),
        (
            {"shots": [{"id": "a/b", "prompt": "x", "seconds": 1}]},
            "shots.a/b.id",
            "shots.a/b.id is 'a/b'; give text that matches",
        ),
        (
            {"shots": [{"id": "a", "prompt": "x", "seconds": -1}]},
            "shots.a.seconds",
            "shots.a.seconds is -1; give more than 0",
        ),
        (
            {"shots": [{"id": "a", "prompt": "x", "seconds": 1, "promt": "y"}]},
            "shots.a.promt",
            "has no field 'shots.a.promt'; the nearest known field is prompt",
        ),
        (
            {"seed": -1, "shots": [{"id": "a", "prompt": "x", "seconds": 1}]},
            "seed",
            "seed is -1; give 0 or more",
        ),
    ],
)
def test_what_has_the_wrong_form_is_one_sentence(value: object, field: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        parser.parse_storyboard(value)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shots", "field", "says"),
    [
        ([{"prompt": "@bo rises"}], "shots.shot0.prompt", "speaks of @bo"),
        ([{"transition": "continue"}], "shots.shot0.transition", "nothing comes before the first shot"),
        ([{"transition": "fade"}], "shots.shot0.transition", "nothing comes before"),
        (
            [{"transition": "wipe"}],
            "shots.shot0.transition",
            "is 'wipe'; choose cut, continue, fade or blend",
        ),
        ([{"from": "elsewhere"}], "shots.shot0.from", "no shot 'elsewhere'"),
        ([{"from": "shot1"}, {"from": "shot0"}], "shots.shot0.from", "shot0 and shot1 go on from each other"),
        ([{"from": "shot0"}], "shots.shot0.from", "circle"),
        ([{}, {"transition": {"kind": "fade", "seconds": 2.5}}], "shots.shot0.seconds", r"take 2.5 s"),
        ([{}, {"id": "shot0"}], "shots", "two shots have the id 'shot0'"),
        (
            [{"keyframes": [{"file": "a.png", "at": 1}, {"file": "b.png", "at": 1}]}],
            "shots.shot0.keyframes",
            "two are at 1 s",
        ),
        ([{"keyframes": [{"file": "a.png", "at": 2}]}], "shots.shot0.keyframes", "outside the shot"),
        (
            [{}, {"transition": "continue", "references": [{"file": "a.png", "as": "first_frame"}]}],
            "shots.shot1.references",
            "has a first frame already",
        ),
    ],
)
def test_what_does_not_add_up_is_one_sentence(shots: list[dict[str, Any]], field: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        board(*shots)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shots: [", "not YAML in line 1"),
        ("fps: 24\nshots: [\n\n", "not YAML in line 3"),
        ("seed: 1\nseed: 2\nshots: []", "seed is there twice"),
        ("a: &x [1, 2]\nb: *x", "references are not accepted"),
        ("[" * 5000, "neither YAML nor JSON"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("\x00", "neither YAML nor JSON"),
        ("x" * (yamlfile.MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "film.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        parser.read(path)
    assert caught.value.field == "file"
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        parser.read(tmp_path / "film.yaml")


def test_shots_are_drawn_after_those_they_go_on_from() -> None:
    film = board({"from": "shot2"}, {}, {"transition": "continue"}, {"from": "shot0"})
    assert film.order() == [1, 2, 0, 3]


def test_names_stand_for_descriptions() -> None:
    descriptions = {"maya": "a red balloon", "pal": "blue kite"}
    assert (
        storyboard.cast("@maya follows the @pal", descriptions, "x") == "a red balloon follows the blue kite"
    )
    assert storyboard.cast("The @maya rises", descriptions, "x") == "The red balloon rises"


def test_subject_place_and_time_stay_unless_a_shot_says_otherwise(settings: Settings) -> None:
    capabilities = extend_capabilities(engines.capabilities("native", settings, "toy"))
    film = board(
        {"prompt": "@maya rising"},
        {"prompt": "hovering"},
        {"prompt": "@maya falling over the city", "time": "at night"},
        {"prompt": "drifting on", "transition": "continue"},
        {"prompt": "the balloon moving left"},
        {"prompt": "a boat moving left over the sea"},
        {"prompt": "a boat moving right"},
        place="over the hills",
        seed=3,
        characters={"maya": "a red balloon"},
    )
    prompts = continuity.complete_prompts(film, {"maya": "a red balloon"}, capabilities)
    facts = [continuity.parse(text, BOOK) for text in prompts]
    assert [(parsed.subjects[0].color, parsed.subjects[0].kind) for parsed in facts[:5]] == [
        ("red", "balloon")
    ] * 5
    assert [parsed.place for parsed in facts] == ["hills", "hills", "city", "city", "hills", "sea", "hills"]
    assert facts[2].time == facts[3].time == "night"
    assert len({parsed.time for parsed in facts[:2] + facts[4:]}) == 1
    assert facts[5].subjects[0].color == facts[6].subjects[0].color
    assert continuity.complete_prompts(film, {"maya": "a red balloon"}, capabilities) == prompts


def test_words_are_left_alone_where_nothing_may_be_added(settings: Settings) -> None:
    capabilities = extend_capabilities(engines.capabilities("native", settings, "toy"))
    film = board(
        {"prompt": "@x rising", "time": "at noon"},
        expand=False,
        style="paper",
        place="over the sea",
        characters={"x": "a kite"},
    )
    assert continuity.complete_prompts(film, {"x": "a kite"}, capabilities) == [
        "paper, a kite rising, over the sea, at noon"
    ]


def test_the_schema_takes_the_example() -> None:
    schema = storyboard.Storyboard.model_json_schema()
    assert schema["additionalProperties"] is False
    assert re.fullmatch(r"[\w ]+", parser.read(EXAMPLE).title)


def test_what_the_api_calls_a_storyboard_is_short_for_one() -> None:
    body = {
        "size": "64x36",
        "shots": [
            {"prompt": "a kite rises", "seconds": 1, "cut": False},
            {"prompt": "it goes on", "seconds": "1.5", "cut": "false"},
            {"video": {"id": "video_1"}, "from": 0.5, "seconds": 1},
            {"prompt": "another", "seconds": 1, "cut": True},
        ],
    }
    film = parser.parse_storyboard(body)
    assert [shot.id for shot in film.shots] == ["1", "2", "3", "4"]
    assert [film.transition(index).kind for index in range(4)] == ["cut", "continue", "cut", "cut"]
    assert [film.source(index) for index in range(4)] == [None, "1", None, None]
    assert (film.shots[2].video, film.shots[2].start) == ("video_1", 0.5)
    assert film.shots[1].seconds == 1.5


@pytest.mark.parametrize(
    ("shot", "field", "says"),
    [
        ({"seconds": 1}, "shots.1.prompt", "needs one; add it"),
        ({"prompt": "x", "seconds": 1, "from": 0.5}, "shots.1.from", "0.5 seconds and no video"),
        ({"prompt": "x", "video": "v", "seconds": 1}, "shots.1.prompt", "nothing is drawn in a shot that"),
        ({"video": "v", "from": "end", "seconds": 1}, "shots.1.from", "'end' is no moment"),
        ({"video": "v", "from": -1, "seconds": 1}, "shots.1.from", "'-1.0' is no moment"),
        ({"prompt": "x", "seconds": 1, "cut": True, "transition": "fade"}, "shots.1.cut", "transition too"),
        ({"prompt": "x", "seconds": 1, "cut": "maybe"}, "shots.1.cut", "give true or false"),
    ],
)
def test_what_is_wrong_in_the_short_form_is_one_sentence(shot: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        parser.parse_storyboard({"shots": [shot]})
    assert caught.value.field == field
