from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.errors import BadInput
from hinode.request import Capabilities, Reference, Request, parse_size

BASIC = Capabilities(
    engine="native",
    model="book",
    models=("book",),
    operations=("generate",),
    prompt_characters=32_000,
    side=(16, 4096),
    pixels=4096 * 2160,
    seconds=(0.0, 2.125),
    fps=(1.0, 60.0),
    steps=(1, 200),
    native_sizes=((64, 64),),
    native_fps=(8.0,),
    licence="Apache-2.0",
)


FULL = dataclasses.replace(
    BASIC,
    model="omni",
    operations=("generate", "remix", "edit", "extend"),
    references=("first_frame", "source", "character"),
    negative_prompt=True,
    profiles=("draft", "best"),
)

PICTURE = Reference("first_frame", "ab" * 32, "image/png")
VIDEO = Reference("source", "cd" * 32, "video/mp4")
MOSSY = Reference("character", "ef" * 32, "video/mp4", "Mossy")


def test_the_defaults_fit() -> None:
    Request("a red balloon").check(BASIC)
    Request("a red balloon").check(FULL)


@pytest.mark.parametrize(
    ("capabilities", "field", "change", "says"),
    [
        (BASIC, "negative_prompt", {"negative_prompt": "rain"}, "book takes no negative prompt"),
        (BASIC, "profile", {"profile": "draft"}, "book has no profile 'draft'; leave it out"),
        (FULL, "profile", {"profile": "worst"}, "choose draft or best"),
        (FULL, "negative_prompt", {"negative_prompt": "x" * 32_001}, "32,001 characters"),
        (FULL, "negative_prompt", {"negative_prompt": "a \udcff"}, "readable"),
        (BASIC, "sound", {"sound": True}, "book makes no sound; ask for the clip without"),
        (BASIC, "first_frame", {"references": (PICTURE,)}, "book cannot take an image as first frame"),
        (BASIC, "character", {"references": (MOSSY,)}, "book cannot take a character; leave it out"),
        (
            FULL,
            "references",
            {"references": (Reference("mood", "00", "text/plain"),)},
            "a reference as 'mood'",
        ),
        (FULL, "first_frame", {"references": (PICTURE, PICTURE)}, "more than an image as first frame"),
        (FULL, "character", {"references": (MOSSY,) * 3}, "give 2 at most"),
        (FULL, "source", {"references": (VIDEO,)}, "edit, extend or remix the video instead"),
        (FULL, "source", {"operation": "edit"}, "no video to edit"),
        (FULL, "source", {"operation": "extend", "references": (PICTURE,)}, "no video to extend"),
    ],
)
def test_references_that_do_not_fit_are_named_in_one_sentence(
    capabilities: Capabilities, field: str, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput) as caught:
        dataclasses.replace(Request("a red balloon"), **change).check(capabilities)
    assert caught.value.field == field
    assert says in str(caught.value)
    assert len(str(caught.value)) < 200


REQUIRING = dataclasses.replace(
    FULL,
    references=("first_frame", "last_frame", "source"),
    required_references=("first_frame", "last_frame"),
    extension_seconds=4.0,
)
END = Reference("last_frame", "12" * 32, "image/png")


@pytest.mark.parametrize(
    ("field", "references", "says"),
    [
        ("first_frame", (), "omni draws from an image as first frame and there is none"),
        ("first_frame", (END,), "omni draws from an image as first frame and there is none"),
        ("last_frame", (PICTURE,), "omni draws from an image as last frame and there is none"),
    ],
)
def test_required_references_have_to_be_there(
    field: str, references: tuple[Reference, ...], says: str
) -> None:
    with pytest.raises(BadInput) as caught:
        Request("a red balloon", references=references).check(REQUIRING)
    assert caught.value.field == field
    assert says in str(caught.value)
    Request("a red balloon", references=(PICTURE, END)).check(REQUIRING)
    # A video is all that is needed to work on it.
    Request("at night", operation="edit", references=(VIDEO,)).check(REQUIRING)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (8.0, None),
        (4.001, None),
        (8.01, "4.01 seconds"),
        (4.0, "0 seconds"),
        (float("nan"), "nan"),
        (-1, "-5"),
    ],
)
def test_the_length_of_an_extension_is_that_of_the_added_part(seconds: float, says: str | None) -> None:
    request = Request("it sinks", seconds=seconds, operation="extend", references=(VIDEO,))
    if says is None:
        request.check(REQUIRING, source_seconds=4.0)
        request.check(REQUIRING)
        return
    with pytest.raises(BadInput, match=says) as caught:
        request.check(REQUIRING, source_seconds=4.0)
    assert caught.value.field == "seconds"


def test_references_that_fit_are_accepted() -> None:
    request = Request("Mossy on a hill", references=(PICTURE, MOSSY, MOSSY), negative_prompt="rain")
    request.check(FULL)
    assert request.source is None
    for operation in ("remix", "edit", "extend"):
        edited = Request("at night", operation=operation, references=(VIDEO, MOSSY))
        edited.check(FULL)
        assert edited.source == VIDEO


def test_the_path_of_a_file_is_no_part_of_the_identity() -> None:
    request = Request("x", references=(PICTURE,), negative_prompt="y")
    moved = dataclasses.replace(request, references=(dataclasses.replace(PICTURE, path="/mnt/p.png"),))
    assert moved == request
    assert moved.identity() == request.identity() == json.loads(json.dumps(request.identity()))
    other = dataclasses.replace(request, references=(dataclasses.replace(PICTURE, digest="0" * 64),))
    assert other.identity() != request.identity()


@pytest.mark.parametrize(
    ("field", "change", "says"),
    [
        ("prompt", {"prompt": ""}, "empty"),
        ("prompt", {"prompt": " \n\t"}, "empty"),
        ("prompt", {"prompt": "x" * 40_000}, "40,000 characters; shorten it to 32,000"),
        ("prompt", {"prompt": "a \udcff balloon"}, "readable"),
        ("size", {"width": 0, "height": 0}, "0x0"),
        ("size", {"width": 640, "height": -360}, "640x-360"),
        ("size", {"width": 100_000, "height": 100_000}, "100000x100000"),
        ("size", {"width": 4096, "height": 4096}, "too many pixels"),
        ("seconds", {"seconds": -1.0}, "-1 seconds"),
        ("seconds", {"seconds": 0.0}, "more than 0 and at most 2.125"),
        ("seconds", {"seconds": float("nan")}, "nan"),
        ("seconds", {"seconds": float("inf")}, "inf"),
        ("seconds", {"seconds": 3600.0}, "3600"),
        ("fps", {"fps": 0.0}, "1 to 60"),
        ("fps", {"fps": float("nan")}, "1 to 60"),
        ("seed", {"seed": -1}, "seed -1"),
        ("seed", {"seed": 2**63}, "out of range"),
        ("steps", {"steps": 0}, "1 to 200"),
        ("steps", {"steps": 201}, "1 to 200"),
        ("operation", {"operation": "extend"}, "it can generate"),
    ],
)
def test_what_does_not_fit_is_named_in_one_sentence(field: str, change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as caught:
        dataclasses.replace(Request("a red balloon"), **change).check(BASIC)
    assert caught.value.field == field
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_ends_of_every_range_fit() -> None:
    Request("x" * 32_000, 4096, 2160, 2.125, fps=60.0, seed=2**63 - 1, steps=200).check(BASIC)
    Request("x", 16, 16, 0.001, fps=1.0, seed=0, steps=1).check(BASIC)


@pytest.mark.parametrize("text", ["640x360", "640X360", "640×360", " 640 x 360 "])
def test_sizes_are_read_as_people_write_them(text: str) -> None:
    assert parse_size(text) == (640, 360)


@pytest.mark.parametrize(
    "text", ["", "640", "640x", "x360", "640x360x3", "640.5x360", "-1x5", "٣x٤", "9" * 99 + "x1"]
)
def test_other_sizes_are_not(text: str) -> None:
    with pytest.raises(BadInput, match="640x360") as caught:
        parse_size(text)
    assert caught.value.field == "size"


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_every_size_reads_back(width: int, height: int) -> None:
    assert parse_size(f"{width}x{height}") == (width, height)


def test_only_a_request_for_sound_needs_a_model_with_sound() -> None:
    quiet = Request("a red balloon")
    dataclasses.replace(quiet, sound=False).check(BASIC)
    for sound in (None, False, True):
        dataclasses.replace(quiet, sound=sound).check(dataclasses.replace(BASIC, sound=True))
    # The identity of a request without the field is that of before the field was there.
    assert "sound" not in quiet.identity()
    assert dataclasses.replace(quiet, sound=False).identity()["sound"] is False
