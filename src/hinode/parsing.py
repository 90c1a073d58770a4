"""Values from outside (request bodies, files, tables of settings), read by pydantic models.

A model derives from `Input`; `parse` reads a value with it. What is wrong becomes one sentence that names the
field and the remedy. Numbers and truth values may be written as text, because forms and environments know
only text.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_type_hints

import pydantic
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from hinode.errors import BadInput, join_names, quote

M = TypeVar("M", bound="Input")
D = TypeVar("D")

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
        if not isinstance(value, Mapping):
            return value
        fields = {name: item for name, item in value.items() if item is not None and item != ""}
        unknown = [name for name in fields if name not in _names(cls)]
        for name in unknown[1:]:  # the first is enough: each makes an error, which costs memory
            del fields[name]
        return fields


def read_number(value: Any) -> Any:
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


class _FromText:
    """Annotates a type whose values may be written as text."""

    def __init__(self, read: Callable[[Any], Any], pattern: str) -> None:
        """`read` returns the value, or raises ValueError with a remedy; `pattern` is for the schema."""
        self.read = read
        self.pattern = pattern

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": self.pattern}]}


NUMBER = _FromText(read_number, r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$")
INTEGER = _FromText(_integer, "^-?[0-9]{1,18}$")
BOOLEAN = _FromText(_boolean, "^(true|false)$")
"""Annotations for types with bounds, after the bounds: `Annotated[float, Field(gt=0), NUMBER]`."""

Number = Annotated[float, NUMBER]
"""A finite number: 4, 4.5, "4"."""
Integer = Annotated[int, INTEGER]
"""A whole number: 3, 3.0, "3"."""
Boolean = Annotated[bool, BOOLEAN]
"""true, false, "true" or "false"."""


def parse(model: type[M], value: Any, *, what: str = "the body", field: str = "body") -> M:
    """Read plain values, as JSON, TOML or YAML has them, with a model.

    Args:
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


def parse_dataclass(kind: Callable[..., D], value: Any, *, what: str) -> D:
    """Read a value with the annotations of a dataclass, by the rules and with the errors of `parse`."""
    return kind(**dict(parse(_input_of(kind), value, what=what)))


@lru_cache(maxsize=16)
def _input_of(kind: Any) -> type[Input]:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        factory = field.default_factory
        default = field.default if factory is dataclasses.MISSING else pydantic.Field(default_factory=factory)
        fields[field.name] = (hints[field.name], ... if default is dataclasses.MISSING else default)
    return pydantic.create_model(kind.__name__, __base__=Input, **fields)


def describe(value: Any) -> str:
    """A value in words for an error: its text if it is short, else its kind."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _written(value) if abs(value) < 1e40 else "a number too large to write out"
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else "a file"


def _written(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.15g}"


def _sentence(
    error: pydantic.ValidationError, model: type[BaseModel], value: Any, what: str, field: str
) -> BadInput:
    """The first error as a sentence."""
    # An unknown field comes first: it is often a misspelling of the one that is then missing.
    first = min(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
    kind, loc, context = first["type"], first["loc"], first.get("ctx", {})
    name = path_of(loc, value, kind in ("missing", "extra_forbidden")) or field
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), field_names(model, loc[:-1]), n=1)
        remedy = f"the nearest known field is {near[0]}" if near else "leave it out"
        return UnknownField(f"{what} has no field {quote(name, 80)}", remedy, field=name[:80])
    if kind == "missing":
        return BadInput(f"{name} is missing", "add it", field=name)
    if kind == "value_error":
        return BadInput(f"{name} is {describe(first['input'])}", str(context["error"]), field=name)
    if kind in _LENGTHS:
        unit = "characters" if isinstance(first["input"], str) else "entries"
        limit = context.get("min_length", context.get("max_length"))
        message = f"{name} has {len(first['input']):,} {unit}"
        return BadInput(message, f"give {limit:,} {_LENGTHS[kind]}", field=name)
    return BadInput(f"{name} is {describe(first['input'])}", _remedy(kind, context, first["msg"]), field=name)


_LENGTHS = {
    "string_too_long": "at most",
    "string_too_short": "at least",
    "too_long": "at most",
    "too_short": "at least",
}


@lru_cache(maxsize=256)
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Everything that a field of the model may be called."""
    return frozenset(field_names(model)) | model.model_fields.keys()


def field_names(model: type[BaseModel], loc: tuple[int | str, ...] = ()) -> tuple[str, ...]:
    """Names of the fields, as they are written, of the model that `loc` leads to from `model`."""
    annotations = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    for depth, part in enumerate(loc):
        inner = next(_models_in(annotations.get(str(part))), None)
        if inner is not None:
            return field_names(inner, loc[depth + 1 :])
    return tuple(annotations)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def path_of(loc: tuple[int | str, ...], value: Any, absent: bool = False) -> str:
    """Where an error is: names joined by dots; the entries of a list by their own "id", else numbered from 1.

    Args:
        loc: as pydantic gives it; what it adds for each kind of a union is left out.
        value: the value that was read.
        absent: whether the last part is not in the value, or has no place there.
    """
    parts: list[str] = []
    for depth, part in enumerate(loc, start=1):
        if isinstance(value, Mapping) and (part in value or (absent and depth == len(loc))):
            parts.append(_printable(str(part)))
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
            own = value.get("id") if isinstance(value, Mapping) else None
            parts.append(_printable(own) if isinstance(own, str) and own else str(part + 1))
    return ".".join(parts)


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def _remedy(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What would be right, from the type of a pydantic error."""
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", context["expected"])  # it lists them as: 'a', 'b' or 'c'
        return f"choose {join_names(tuple(choices), 'or')}"
    limit = _written(next((context[name] for name in ("gt", "ge", "lt", "le") if name in context), 0))
    sentences = {
        "greater_than": f"give more than {limit}",
        "greater_than_equal": f"give {limit} or more",
        "less_than": f"give less than {limit}",
        "less_than_equal": f"give {limit} at most",
        "string_type": "give text",
        "string_unicode": "give readable text",
        "string_pattern_mismatch": f"give text that matches {context.get('pattern')}",
        "list_type": "give a list",
        "tuple_type": "give a list",
        "dict_type": "give an object with named fields",
        "model_type": "give an object with named fields",
        "model_attributes_type": "give an object with named fields",
    }
    return sentences.get(kind, message[:1].lower() + message[1:])
