"""The normal form: whatever way a body comes in, the same values come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.api.requests import forms
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


@given(st.dictionaries(NAMES, TREES.filter(lambda tree: deep(tree) < forms.MAX_DEPTH), max_size=4))
def test_forms_and_json_give_the_same_fields(values: dict[str, Any]) -> None:
    pairs = [pair for name, value in values.items() for pair in flat(value, name)]
    assert forms.nested(pairs) == forms.from_json(json.dumps(values).encode())


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
        ([("prompt", "a"), ("prompt", "a")], {"prompt": "a"}),
    ],
)
def test_bracketed_names(pairs: list[tuple[str, Any]], values: dict[str, Any]) -> None:
    assert forms.nested(pairs) == values


@pytest.mark.parametrize(
    "pairs",
    [
        [("a[b][c][d][e]", "x")],
        [("a[b", "x")],
        [("[a]", "x")],
        [("", "x")],
        [("a]", "x")],
        [("a", "x"), ("a[b]", "y")],
        [("a", "x"), ("a", "y")],
        [("a[b]", "x"), ("a[b]", "y")],
        [("a[0]", "x"), ("a[0]", "y")],
        [("a[b]", "x"), ("a[]", "y")],
        [("a[]", "x"), ("a[b]", "y")],
        [("a[5]", "x")],
        [("a[999]", "x")],
        [(f"a[{index}]", "x") for index in range(101)],
    ],
)
def test_malformed_names(pairs: list[tuple[str, Any]]) -> None:
    with pytest.raises(BadInput):
        forms.nested(pairs)


@given(st.lists(st.tuples(st.text("ab[]01", max_size=12), TEXTS), max_size=6))
def test_random_names(pairs: list[tuple[str, str]]) -> None:
    try:
        values = forms.nested(pairs)
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
        b'{"prompt": "a kite", "prompt": "a dog"}',
        b'{"video": {"id": "a", "id": "b"}}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b"[" + b"{}," * 300_000 + b"{}]",
    ],
)
def test_bodies_that_are_not_json_objects(body: bytes) -> None:
    with pytest.raises(BadInput):
        forms.from_json(body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"id": "a"}', {"id": "a"}),
        ('[{"id": 1}]', [{"id": 1}]),
        ("{id}", "{id}"),
        ("x", "x"),
        ("[\ud800", "[\ud800"),
        (["a"], ["a"]),
    ],
)
def test_json_in_a_text_field(text: Any, value: Any) -> None:
    assert forms.unpack(text) == value
