"""Storyboards read from files and plain values, and checked as a whole before anything is drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hinode.directing.films.storyboard import VIDEO, Script, Shot, Storyboard, cast
from hinode.errors import BadInput, Fault, join_names, quote
from hinode.parsing import parse

MAX_FILE_BYTES = 2**20


def read(path: Path) -> Storyboard:
    """Read a storyboard from a YAML or JSON file.

    Raises:
        BadInput: it cannot be read, or something in it is not right; the sentence and `field` say which part.
    """
    name = f"the storyboard {quote(str(path), 200)}"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise BadInput(message, "name a YAML or JSON file", field="file") from error
    return parse_storyboard(read_text(text, name, "file", json_text=path.suffix.lower() == ".json"))


def read_text(text: bytes, name: str, field: str, *, json_text: bool = False) -> object:
    """The plain values in YAML, or in JSON; `name` and `field` are for the errors of `read`."""
    if len(text) > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES:,} bytes", "shorten it", field=field)
    try:
        return json.loads(text) if json_text else yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        message = f"{name} is not YAML{where}: {error.problem}"
        raise BadInput(message, "correct it there", field=field) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"{name} is neither YAML nor JSON"
        raise BadInput(message, "see docs/reference/storyboard.md", field=field) from error


def parse_storyboard(value: object) -> Storyboard:
    """A storyboard from plain values, such as those of JSON; raises BadInput as `read` does."""
    board = parse(Storyboard, value, what="the storyboard", field="shots")
    check(board)
    return board


def check(board: Script) -> None:
    """Find what no field can be wrong about alone; raises BadInput."""
    ids = [shot.id for shot in board.shots]
    duplicate = next((name for name in ids if ids.count(name) > 1), None)
    if duplicate is not None:
        raise BadInput(f"two shots have the id {quote(duplicate)}", "give each its own", field="shots")
    for index, shot in enumerate(board.shots):
        for name, message, remedy in (*_content(shot), *_neighbours(board, index), *_files(board, index)):
            field = f"shots.{shot.id}.{name}"
            raise BadInput(f"{field}: {message}", remedy, field=field)
        cast(shot.prompt, dict.fromkeys(board.characters, ""), f"shots.{shot.id}.prompt")
    board.order()


def _content(shot: Shot) -> Iterator[Fault]:
    """A shot is drawn from a prompt, or shows a part of a video."""
    if shot.transition is not None and shot.cut is not None:
        yield "cut", "there is a transition too", "leave one of them out"
    if shot.video is None:
        if not shot.prompt.strip():
            yield "prompt", "a shot that is drawn needs one", "add it"
        if isinstance(shot.origin, float):
            yield "from", f"there are {shot.origin:g} seconds and no video", "name a shot or a video"
        return
    for name in ("prompt", "camera", "path", "keyframes", "references"):
        if getattr(shot, name):
            yield name, "nothing is drawn in a shot that shows a video", "leave it or the video out"
    if isinstance(shot.origin, str) or (shot.origin or 0.0) < 0:
        yield "from", f"{quote(str(shot.origin))} is no moment of the video", "give seconds into it"


def _neighbours(board: Script, index: int) -> Iterator[Fault]:
    """A shot fits between those around it, and goes on from something that exists."""
    shot, transition, source = board.shots[index], board.transition(index), board.source(index)
    ids = tuple(other.id for other in board.shots)
    if index == 0 and (transition.overlap or (transition.kind == "continue" and source is None)):
        message = f"nothing comes before the first shot, so it cannot {transition.kind}"
        yield "transition", message, "leave it out, or say from which video it goes on"
    if source is not None and not source.lower().endswith(VIDEO) and source not in ids:
        yield "from", f"there is no shot {quote(source)}", f"choose {join_names(ids, 'or')}, or name a video"
    overlaps = transition.overlap
    if index + 1 < len(board.shots):
        overlaps += board.transition(index + 1).overlap
    if overlaps > shot.seconds:
        length = f"the shot has {shot.seconds:g} s"
        message = f"the transitions before and after it take {overlaps:g} s and {length}"
        yield "seconds", message, "make it longer or the transitions shorter"


def _files(board: Script, index: int) -> Iterator[Fault]:
    """No two files of a shot are in each other's way."""
    shot, source = board.shots[index], board.source(index)
    for number, file in enumerate(shot.files):
        if file.at >= shot.seconds:
            message = f"{file.at:g} s is outside the shot, which has {shot.seconds:g} s"
            yield "keyframes", message, "give an earlier moment"
        if any((other.role, other.at) == (file.role, file.at) for other in shot.files[:number]):
            if file.role == "keyframe":
                yield "keyframes", f"two are at {file.at:g} s", "give each a moment of its own"
            yield "references", f"there are two as {file.role}", "give one"
        if file.role == "first_frame" and source is not None:
            message = f"it goes on from {source}, so it has a first frame already"
            yield "references", message, "leave one of them out"


class _Loader(yaml.SafeLoader):
    """YAML 1.2 without code, without the same key twice, and without references, of which a few lines can
    stand for gigabytes. `no`, `12:30` and `2026-11-29` are the texts that they look like."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references are not accepted", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                message = f"{key.value} is there twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


class _Dumper(yaml.SafeDumper):
    """YAML that `_Loader` reads as the same values: no text looks like a number, nothing is a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [
        *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
        *_Loader.yaml_implicit_resolvers.get(first, []),
    ]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def write_text(value: object) -> str:
    """The YAML of plain values, which `read_text` reads back."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
