"""The normal form: whatever way a body comes in, the same values come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.api.requests import fields
from hinode.api.requests.fields import Fields, Part
from hinode.errors import BadInput

NAMES = st.text("abcdefghij_", min_size=1, max_size=8)
TEXTS = st.text(max_size=20)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, min_size=1, max_size=3), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


def flat(value: Any, name: str) -> list[tuple[str, str]]:
    """What a client's library makes of a value for a form, entries numbered."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in flat(inner, f"{name}[{key}]")]
    if isinstance(value, list):
        return [pair for index, inner in enumerate(value) for pair in flat(inner, f"{name}[{index}]")]
    return [(name, value)]


def deep(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(deep, inner), default=-1) if inner else 0


@given(st.dictionaries(NAMES, TREES.filter(lambda tree: deep(tree) < fields.MAX_DEPTH), max_size=4))
def test_forms_say_what_json_says(values: dict[str, Any]) -> None:
    pairs = [pair for name, value in values.items() for pair in flat(value, name)]
    assert fields.nested(pairs) == fields.from_json(json.dumps(values).encode())


@pytest.mark.parametrize(
    ("pairs", "values"),
    [
        ([("characters[][id]", "a"), ("characters[][id]", "b")], {"characters": [{"id": "a"}, {"id": "b"}]}),
        (
            [("characters[0][id]", "a"), ("characters[1][id]", "b")],
            {"characters": [{"id": "a"}, {"id": "b"}]},
        ),
        ([("c[][id]", "a"), ("c[][x]", "1"), ("c[][id]", "b")], {"c": [{"id": "a", "x": "1"}, {"id": "b"}]}),
        ([("video[id]", "v")], {"video": {"id": "v"}}),
        ([("t[]", "a"), ("t[]", "b")], {"t": ["a", "b"]}),
        ([("prompt", "a"), ("prompt", "b")], {"prompt": "b"}),
    ],
)
def test_bracketed_names(pairs: list[tuple[str, Any]], values: dict[str, Any]) -> None:
    assert fields.nested(pairs) == values


@pytest.mark.parametrize(
    "pairs",
    [
        [("a[b][c][d][e]", "x")],
        [("a[b", "x")],
        [("[a]", "x")],
        [("", "x")],
        [("a]", "x")],
        [("a", "x"), ("a[b]", "y")],
        [("a[b]", "x"), ("a[]", "y")],
        [("a[]", "x"), ("a[b]", "y")],
        [("a[5]", "x")],
        [("a[999]", "x")],
        [(f"a[{index}]", "x") for index in range(101)],
    ],
)
def test_names_that_make_no_sense(pairs: list[tuple[str, Any]]) -> None:
    with pytest.raises(BadInput):
        fields.nested(pairs)


@given(st.lists(st.tuples(st.text("ab[]01", max_size=12), TEXTS), max_size=6))
def test_any_names_at_all(pairs: list[tuple[str, str]]) -> None:
    try:
        values = fields.nested(pairs)
    except BadInput:
        return
    assert json.loads(json.dumps(values)) == values


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b'{"a": NaN}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b"[" + b"{}," * 300_000 + b"{}]",
    ],
)
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(BadInput):
        fields.from_json(body)


@pytest.mark.parametrize("value", [4, "4", 4.0, " 4 ", "4.0", "+4"])
def test_numbers(value: Any) -> None:
    assert Fields({"x": value}).number("x") == 4.0


@pytest.mark.parametrize("value", ["", None])
def test_nothing_is_nothing(value: Any) -> None:
    given_ = Fields({"x": value})
    assert given_.number("x") is given_.whole("x") is given_.text("x") is None


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", 1e301, 10**400, True, [], {}, "4s", "1_0", "٤"])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(BadInput):
        Fields({"x": value}).number("x")


@pytest.mark.parametrize("value", [1.5, "1.5", True, [], "x", 10**400, "9" * 30, 1e300])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(BadInput):
        Fields({"x": value}).whole("x")


@given(st.integers(-(2**64), 2**64))
def test_whole_numbers(value: int) -> None:
    assert Fields({"x": value}).whole("x") == Fields({"x": str(value)}).whole("x") == value


def test_files_are_no_texts(tmp_path: Path) -> None:
    part = Part(tmp_path, "a", "text/plain", 3)
    with pytest.raises(BadInput, match="as a file"):
        Fields({"prompt": part}).text("prompt")
    assert Fields({"video": Part(tmp_path, "", "text/plain", 0)}).get("video") is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"id": "a"}', {"id": "a"}),
        ('[{"id": 1}]', [{"id": 1}]),
        ("{id}", "{id}"),
        ("x", "x"),
        ("[\ud800", "[\ud800"),
    ],
)
def test_json_in_a_text_field(value: str, said: Any) -> None:
    assert fields.unpacked(value) == said
