"""Values from outside (request bodies, files, tables of settings), read by pydantic models.

A model derives from `Input`; `parse` reads a value with it. What is wrong becomes one sentence that names the
field and the remedy. Numbers and truth values may be written as text, because forms and environments know
only text.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from hinode.errors import BadInput, join_names, quote

M = TypeVar("M", bound="Input")

_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


class UnknownField(BadInput):
    """A field that nothing reads; to ignore it would silently change the result."""

    code = "unknown_parameter"


class Input(BaseModel):
    """Base of models that read values from outside.

    An unknown field is an error; null and "" count as absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: item for name, item in value.items() if item is not None and item != ""}
        return value


def _number(value: Any) -> Any:
    if isinstance(value, str):
        number = float(value) if _NUMBER.fullmatch(value) else math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        number = float(value)
    else:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("give a number")
    return number


def _integer(value: Any) -> Any:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 70:
        return value
    if isinstance(value, float) and abs(value) < 1 << 53 and value.is_integer():
        return int(value)
    raise ValueError("give a whole number")


def _boolean(value: Any) -> Any:
    text = value.strip().lower() if isinstance(value, str) else value
    if isinstance(text, bool):
        return text
    if isinstance(text, str) and text in _BOOLEANS:
        return _BOOLEANS[text]
    raise ValueError("give true or false")


Number = Annotated[float, BeforeValidator(_number)]
"""A finite number: 4, 4.5, "4"."""
Integer = Annotated[int, BeforeValidator(_integer)]
"""A whole number: 3, 3.0, "3"."""
Boolean = Annotated[bool, BeforeValidator(_boolean)]
"""true, false, "true" or "false"."""


def parse(model: type[M], value: Any, *, what: str = "the body", field: str = "body") -> M:
    """Read a value with a model.

    Args:
        model: the model.
        value: plain values, as JSON, TOML or YAML has them.
        what: the value in words, for errors of the whole.
        field: name of the value, for errors of the whole; fields in it are named by their path alone.

    Raises:
        UnknownField: it has a field that the model does not know.
        BadInput: a field is missing or wrong; the first of them is named.
    """
    if not isinstance(value, Mapping):
        raise BadInput(f"{what} is {describe(value)}", "give an object with named fields", field=field)
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise _sentence(error, model, value, what, field) from None


def describe(value: Any) -> str:
    """A value in words for an error: its text if it is short, else its kind."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return quote(str(value) if abs(value) < 1e40 else "a number too large to write out")
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "a file"


def _sentence(
    error: pydantic.ValidationError, model: type[BaseModel], value: Any, what: str, field: str
) -> BadInput:
    """The first of what is wrong, as a sentence."""
    # An unknown field comes first: it is often a misspelling of the one that is then missing.
    errors = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = errors[0]
    kind, context = first["type"], first.get("ctx", {})
    name = path_of(first["loc"], value, kind in ("missing", "extra_forbidden")) or field
    if kind == "missing":
        return BadInput(f"{name} is missing", "add it", field=name)
    if kind == "extra_forbidden":
        return _unknown(name, str(first["loc"][-1]), model, first["loc"], what)
    given = describe(first["input"])
    if kind == "value_error":
        cause = context.get("error")
        return BadInput(f"{name} is {given}", str(cause), field=name)
    return BadInput(f"{name} is {given}", _remedy(kind, context, first["msg"]), field=name)


def _unknown(
    name: str, last: str, model: type[BaseModel], loc: tuple[int | str, ...], what: str
) -> UnknownField:
    fields = known_fields(model, loc[:-1])
    near = difflib.get_close_matches(last, fields, n=1, cutoff=0.6)
    remedy = f"the nearest known field is {near[0]}" if near else "leave it out"
    return UnknownField(f"{what} has no field {quote(name, 80)}", remedy, field=name[:80])


def known_fields(model: type[BaseModel], loc: tuple[int | str, ...] = ()) -> tuple[str, ...]:
    """Names of the fields, as they are written, of the model that `loc` leads to from `model`."""
    names = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for depth, part in enumerate(loc):
        if part in names:
            for inner in _models_in(names[str(part)]):
                return known_fields(inner, loc[depth + 1 :])
    return tuple(names)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def path_of(loc: tuple[int | str, ...], value: Any, absent: bool = False) -> str:
    """Where an error is: names joined by dots; the entries of a list by their own "id", else numbered from 1.

    Args:
        loc: as pydantic gives it; what it adds for each kind of a union is left out.
        value: the value that was read.
        absent: whether the last part is not in the value, or has no place there.
    """
    parts: list[str] = []
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(value, Mapping) and (part in value or (absent and last)):
            parts.append(str(part))
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
            own = value.get("id") if isinstance(value, Mapping) else None
            parts.append(own if isinstance(own, str) and own else str(part + 1))
    return ".".join(parts)


def _remedy(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What would be right, from the type of a pydantic error."""
    limit = next((context[name] for name in ("gt", "ge", "lt", "le") if name in context), None)
    sentences = {
        "greater_than": f"give more than {limit}",
        "greater_than_equal": f"give {limit} or more",
        "less_than": f"give less than {limit}",
        "less_than_equal": f"give {limit} at most",
        "string_type": "give text",
        "string_too_long": f"give {context.get('max_length')} characters at most",
        "string_too_short": f"give {context.get('min_length')} characters at least",
        "too_long": f"give {context.get('max_length')} at most",
        "too_short": f"give {context.get('min_length')} at least",
        "string_pattern_mismatch": f"give text that matches {context.get('pattern')}",
        "list_type": "give a list",
        "tuple_type": "give a list",
        "dict_type": "give an object with named fields",
        "model_type": "give an object with named fields",
        "model_attributes_type": "give an object with named fields",
    }
    if kind == "literal_error":
        return f"choose {join_names(literals(context['expected']), 'or')}"
    if kind in sentences:
        return sentences[kind]
    return message[:1].lower() + message[1:]


def literals(expected: str) -> tuple[str, ...]:
    """The values in pydantic's list of what a literal may be: "'a', 'b' or 'c'"."""
    return tuple(re.findall(r"'([^']*)'", expected)) or (expected,)
