"""Storyboards read from files and plain values, and checked as a whole before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hinode import yamlfile
from hinode.directing.films.storyboard import VIDEO, Script, Shot, Storyboard, cast
from hinode.errors import BadInput, Fault, join_names, quote
from hinode.parsing import parse


def read(path: Path) -> Storyboard:
    """Read a storyboard from a YAML or JSON file.

    Raises:
        BadInput: it cannot be read, or something in it is not right; the sentence and `field` say which part.
    """
    return parse_storyboard(yamlfile.read(path, f"the storyboard {quote(str(path), 200)}"))


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
