"""Values from outside: what a model accepts, and the sentence about what it does not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from hinode.errors import BadInput
from hinode.parsing import NUMBER, Boolean, Input, Integer, Number, UnknownField, field_names, parse


class Point(Input):
    x: Number
    y: Number = 0.0


class Body(Input):
    name: Annotated[str, Field(min_length=2, max_length=4)] | None = None
    number: Number | None = None
    integer: Integer | None = None
    boolean: Boolean | None = None
    share: Annotated[float, Field(gt=0, le=1), NUMBER] | None = None
    kind: Literal["good", "better"] | None = None
    start: Number | None = Field(None, alias="from")
    point: Point | None = None
    points: Annotated[tuple[Point, ...], Field(max_length=2)] = ()


@pytest.mark.parametrize("value", [4, "4", 4.0, " 4 ", "4.0", "+4"])
def test_numbers(value: Any) -> None:
    assert parse(Body, {"number": value}).number == 4.0


@pytest.mark.parametrize("value", ["", None])
def test_null_and_empty_text_count_as_absent(value: Any) -> None:
    body = parse(Body, dict.fromkeys(("name", "number", "integer", "boolean", "kind"), value))
    assert body == Body()


@pytest.mark.parametrize(
    "value", ["nan", "inf", "1e400", 1e301, 10**400, True, [], {}, "4s", "1_0", "\u0664"]
)
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(BadInput, match="give a number"):
        parse(Body, {"number": value})


@pytest.mark.parametrize("value", [1.5, "1.5", True, [], "x", 10**400, "9" * 30, 1e300])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(BadInput, match="give a whole number"):
        parse(Body, {"integer": value})


@given(st.integers(-(2**64), 2**64))
def test_whole_numbers(value: int) -> None:
    assert parse(Body, {"integer": value}).integer == parse(Body, {"integer": str(value)}).integer == value


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), (" False ", False)])
def test_truth_values(value: Any, expected: bool) -> None:
    assert parse(Body, {"boolean": value}).boolean is expected


@pytest.mark.parametrize("value", ["yes", 1, "1", []])
def test_what_is_no_truth_value(value: Any) -> None:
    with pytest.raises(BadInput, match="give true or false"):
        parse(Body, {"boolean": value})


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ([], "body", "the body is a list; give an object with named fields"),
        ({"name": "x"}, "name", "name has 1 characters; give 2 at least"),
        ({"name": "xxxxx"}, "name", "name has 5 characters; give 4 at most"),
        ({"name": 5}, "name", "name is 5; give text"),
        ({"name": object()}, "name", "name is a file; give text"),
        ({"share": 0}, "share", "share is 0; give more than 0"),
        ({"share": "1.5"}, "share", "share is 1.5; give 1 at most"),
        ({"kind": "bad"}, "kind", "kind is 'bad'; choose good or better"),
        ({"point": {}}, "point.x", "point.x is missing; add it"),
        ({"point": 4}, "point", "point is 4; give an object with named fields"),
        ({"points": {}}, "points", "points is an object; give a list"),
        ({"points": [{"x": 1}] * 3}, "points", "points has 3 entries; give 2 at most"),
        ({"points": [{"x": 1}, {"x": "y"}]}, "points.2.x", "points.2.x is 'y'; give a number"),
        ({"from": "soon"}, "from", "from is 'soon'; give a number"),
    ],
)
def test_errors_are_one_sentence_with_the_path_of_the_field(values: Any, field: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(Body, values)
    assert (caught.value.field, str(caught.value)) == (field, sentence)


@pytest.mark.parametrize(
    ("values", "field", "remedy"),
    [
        ({"nmae": "x"}, "nmae", "the nearest known field is name"),
        ({"form": 1}, "form", "the nearest known field is from"),
        ({"point": {"x": 1, "yy": 1}}, "point.yy", "the nearest known field is y"),
        ({"points": [{"z": 1}]}, "points.1.z", "leave it out"),
        ({"a\nb": 1}, "a\\nb", "leave it out"),
    ],
)
def test_unknown_fields(values: Any, field: str, remedy: str) -> None:
    with pytest.raises(UnknownField) as caught:
        parse(Body, values)
    assert (caught.value.field, caught.value.remedy) == (field, remedy)


def test_names_of_fields() -> None:
    assert field_names(Body, ("points", 0)) == ("x", "y")
    assert "from" in field_names(Body)


def test_the_schema_shows_bounds_and_text() -> None:
    share = Body.model_json_schema()["properties"]["share"]
    assert share["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    assert share["anyOf"][1]["type"] == "string"
