"""Storyboards read from files and plain values, and checked as a whole before anything is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from hinode.directing.films.storyboard import VIDEO, Shot, Storyboard, cast
from hinode.errors import BadInput, join_names, quote
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
        raise BadInput(
            f"{name} cannot be read: {error.strerror}", "name a YAML or JSON file", field="file"
        ) from error
    if len(text) > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES:,} bytes", "shorten it", field="file")
    try:
        value = json.loads(text) if path.suffix.lower() == ".json" else yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(
            f"{name} is not YAML{where}: {error.problem}", "correct it there", field="file"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{name} is neither YAML nor JSON", "see docs/directing.md", field="file") from error
    return parse_storyboard(value)


def parse_storyboard(value: object) -> Storyboard:
    """A storyboard from plain values, such as those of JSON.

    Raises:
        BadInput: see `read`.
    """
    board = parse(Storyboard, value, what="the storyboard", field="shots")
    _check(board)
    return board


def _check(board: Storyboard) -> None:
    """What cannot be wrong about a field alone."""
    ids = [shot.id for shot in board.shots]
    duplicate = next((name for name in ids if ids.count(name) > 1), None)
    if duplicate is not None:
        raise BadInput(f"two shots have the id {quote(duplicate)}", "give each its own", field="shots")
    for index, shot in enumerate(board.shots):
        _check_content(shot)
        _check_place(board, index)
        _check_files(shot, board.source(index))
        cast(shot.prompt, dict.fromkeys(board.characters, ""), f"shots.{shot.id}.prompt")
    board.order()


def _check_content(shot: Shot) -> None:
    """A shot is drawn from a prompt, or is a part of a video."""
    where = f"shots.{shot.id}"
    if shot.transition is not None and shot.cut is not None:
        raise BadInput(
            f"{where} has both a transition and cut", "leave one of them out", field=f"{where}.cut"
        )
    if shot.video is None:
        if not shot.prompt.strip():
            raise BadInput(f"{where}.prompt is missing", "add it", field=f"{where}.prompt")
        if isinstance(shot.origin, float):
            raise BadInput(
                f"{where}.from is {shot.origin:g}",
                "give the id of a shot or the name of an MP4; seconds need a video",
                field=f"{where}.from",
            )
        return
    drawn = ("prompt", "camera", "path", "keyframes", "references")
    extra = next((name for name in drawn if getattr(shot, name)), None)
    if extra is not None:
        raise BadInput(
            f"{where}.{extra}: nothing is drawn in a shot that shows a video",
            "leave it or the video out",
            field=f"{where}.{extra}",
        )
    if isinstance(shot.origin, str) or (shot.origin or 0.0) < 0:
        raise BadInput(
            f"{where}.from is {quote(str(shot.origin))}", "give seconds into the video", field=f"{where}.from"
        )


def _check_place(board: Storyboard, index: int) -> None:
    """A shot fits between its neighbours, and goes on from something that exists."""
    shot, transition, source = board.shots[index], board.transition(index), board.source(index)
    where, ids = f"shots.{shot.id}", tuple(shot.id for shot in board.shots)
    if index == 0 and (transition.overlap or (transition.kind == "continue" and source is None)):
        raise BadInput(
            f"{where}.transition: nothing comes before the first shot, so it cannot {transition.kind}",
            "leave it out, or say from which video it goes on",
            field=f"{where}.transition",
        )
    if source is not None and not source.lower().endswith(VIDEO) and source not in ids:
        raise BadInput(
            f"{where}.from: there is no shot {quote(source)}",
            f"choose {join_names(ids, 'or')}, or name an MP4",
            field=f"{where}.from",
        )
    overlaps = transition.overlap
    if index + 1 < len(board.shots):
        overlaps += board.transition(index + 1).overlap
    if overlaps > shot.seconds:
        raise BadInput(
            f"{where}.seconds: the transitions before and after it take {overlaps:g} s and the shot has "
            f"{shot.seconds:g} s",
            "make it longer or the transitions shorter",
            field=f"{where}.seconds",
        )


def _check_files(shot: Shot, source: str | None) -> None:
    """No two files of a shot are in each other's way."""
    where = f"shots.{shot.id}"
    for number, file in enumerate(shot.files):
        if file.at >= shot.seconds:
            raise BadInput(
                f"{where}.keyframes: {file.at:g} s is outside the shot, which has {shot.seconds:g} s",
                "give an earlier moment",
                field=f"{where}.keyframes",
            )
        if any((other.role, other.at) == (file.role, file.at) for other in shot.files[:number]):
            keyframe = file.role == "keyframe"
            field = f"{where}.{'keyframes' if keyframe else 'references'}"
            raise BadInput(
                f"{field}: two are at {file.at:g} s"
                if keyframe
                else f"{field}: there are two as {file.role}",
                "give each a moment of its own" if keyframe else "give one",
                field=field,
            )
        if file.role == "first_frame" and source is not None:
            raise BadInput(
                f"{where}.references: it goes on from {source}, so it has a first frame already",
                "leave one of them out",
                field=f"{where}.references",
            )


class _Loader(yaml.SafeLoader):
    """YAML without code, without the same key twice, and without references, of which a few lines can stand
    for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references are not accepted", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is there twice", key.start_mark
                )
        return super().construct_mapping(node, deep=deep)
