"""Storyboards as files of other programs: the YAML of the command `hinode storyboard`, and OpenTimelineIO."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from hinode import yamlfile
from hinode.directing.films import storyboard as language
from hinode.errors import BadInput
from hinode.jobs.storyboards.document import Document
from hinode.media.timeline import frame_rate
from hinode.media.writing.editorial import Cut, format_otio, read_otio
from hinode.parsing import parse

YAML, OTIO = "yaml", "otio"
DEFAULT_FPS = "24"
SCENE = ("style", "place", "time", "weather")
VIDEO_ID = re.compile(r"video_[0-9a-z]+")
_ID = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Imported:
    """A title and a document, and in sentences what of the file could not be taken over."""

    title: str
    document: Document
    notes: list[str] = field(default_factory=list)


def to_script(document: Document, title: str, characters: Mapping[str, str]) -> dict[str, Any]:
    """The storyboard in plain values of the language of storyboard files.

    Args:
        characters: descriptions of the project's characters that shots name, by name; those that are no words
            of the language are left out.
    """
    engine, _, model = (document.model or "").partition("/")
    own = {name: words for name, words in characters.items() if re.fullmatch(r"\w{1,40}", name)}
    film = {
        "title": title,
        "fps": _rate(document.fps),
        "size": document.size,
        **({"engine": engine, "model": model} if model else {}),
        **{
            name: getattr(document, name) for name in ("profile", "seed", "style", "place", "time", "weather")
        },
        "characters": {**own, **document.characters},
        "shots": [_script_shot(document, index) for index in range(len(document.shots))],
    }
    return _present(film)


def _script_shot(document: Document, index: int) -> dict[str, Any]:
    shot, overlap = document.shots[index], document.overlaps[index]
    transition: Any = shot.transition.kind if index else None
    if overlap:
        transition = {"kind": shot.transition.kind, "frames": overlap}
    # A drawn shot is drawn again from its words; footage without words is shown.
    video_id = shot.video_id if shot.video_id and not shot.prompt.strip() else None
    keyframes = [
        _present({"file": part.file, "as": part.role, "fit": part.fit})
        | ({"at": document.seconds(part.frame)} if part.role == "keyframe" else {})
        | ({"strength": part.strength} if part.role == "guide" else {})
        for part in shot.references
        if part.role != "last_frame"
    ]
    return _present(
        {
            "id": shot.id,
            "title": shot.title,
            "prompt": shot.prompt.strip(),
            "video": video_id,
            "frames": shot.frames,
            "transition": None if transition == "cut" else transition,
            "from": document.seconds(shot.start) if video_id and shot.start else None,
            **{name: getattr(shot, name) for name in ("place", "time", "weather", "seed")},
            "camera": _to_lists(shot.camera),
            "path": _to_lists(shot.path),
            "references": keyframes,
        }
    )


def to_yaml(document: Document, title: str, characters: Mapping[str, str]) -> str:
    """The storyboard as the text of a storyboard file; for `characters` see `to_script`."""
    return yamlfile.write_text(to_script(document, title, characters))


def from_yaml(text: bytes, field: str) -> Imported:
    """A storyboard file as a document. Files beside it are not there: what names them is said in the notes.

    Raises:
        BadInput: it is no storyboard; names `field`, or the field of the file.
    """
    value = yamlfile.read_text(text, "the storyboard", field)
    board = parse(language.Storyboard, value, what="the storyboard", field=field)
    fps = DEFAULT_FPS if board.fps is None else str(frame_rate(board.fps))
    notes: list[str] = []
    characters = {}
    for name, character in board.characters.items():
        if isinstance(character, str):
            characters[name] = character
        else:
            notes.append(f"The character {name} is in the file {character.file}, which is not here.")
            characters[name] = name
    model = board.model or ""
    if {"engine", "model"} & board.model_fields_set:
        model = "/".join(filter(None, (board.engine if "engine" in board.model_fields_set else "", model)))
    film = {
        "fps": fps,
        "size": board.size,
        "model": model,
        "profile": board.profile,
        "seed": board.seed if "seed" in board.model_fields_set else None,
        **{name: getattr(board, name) for name in ("style", "place", "time", "weather")},
        "characters": characters,
        "shots": [_document_shot(board, index, Fraction(fps), notes) for index in range(len(board.shots))],
    }
    return Imported(board.title, parse(Document, film, what="the storyboard", field=field), notes)


def _document_shot(
    board: language.Storyboard, index: int, rate: Fraction, notes: list[str]
) -> dict[str, Any]:
    shot, transition = board.shots[index], board.transition(index)

    def frames(seconds: float) -> int:
        return round(Fraction(str(seconds)) * rate)

    source, video_id = board.source(index), None
    if shot.video is not None:
        video_id = shot.video if VIDEO_ID.fullmatch(shot.video) else None
        if video_id is None:
            notes.append(f"The shot {shot.id} shows the video {shot.video}, which is not here.")
    kind = transition.kind
    if source is not None and (index == 0 or source != board.shots[index - 1].id):
        notes.append(f"The shot {shot.id} goes on from {source}; here a shot goes on from the one before it.")
        kind = "cut"
    references = []
    for part in shot.files:
        if not part.file.startswith(("file-", "video_")):
            notes.append(f"The shot {shot.id} is made from {part.file}, which is not here.")
            continue
        at = frames(part.at) if part.role == "keyframe" else 0
        reference = {
            "file": part.file,
            "role": part.role,
            "frame": at,
            "fit": part.fit,
            "strength": part.strength,
        }
        references.append(reference)
    return {
        "id": shot.id,
        "title": shot.title or (shot.video if shot.video and video_id is None else ""),
        "prompt": shot.prompt,
        "frames": max(1, frames(shot.seconds)),
        "transition": {"kind": kind, "frames": frames(transition.overlap) or None},
        "video_id": video_id,
        "start": frames(shot.start),
        **{name: getattr(shot, name) for name in ("place", "time", "weather", "seed")},
        "camera": shot.camera,
        "path": shot.path,
        "references": references,
    }


def to_otio(document: Document, title: str) -> str:
    """The storyboard as an OpenTimelineIO timeline; what it has beyond times is in the metadata.

    Raises:
        BadInput: the transitions around a shot take more frames than it has.
    """
    overlaps, cuts = document.checked_overlaps(), []
    for index, shot in enumerate(document.shots):
        before, after = overlaps[index] // 2, overlaps[index + 1] - overlaps[index + 1] // 2
        cuts.append(
            Cut(
                name=shot.title or shot.id,
                file=f"{shot.video_id}.mp4" if shot.video_id else "",
                file_frames=shot.start + shot.frames,
                file_fps=document.rate,
                start=shot.start + before,
                frames=shot.frames - before - after,
                overlap=overlaps[index],
                facts={"shot": shot.model_dump(mode="json", exclude={"frames", "start"})},
                comment=shot.prompt,
            )
        )
    facts = document.model_dump(mode="json", exclude={"shots", "fps"})
    return format_otio(title, document.rate, cuts, {"storyboard": facts})


def from_otio(text: bytes, field: str) -> Imported:
    """A timeline as a document: times are the timeline's, the rest is what `to_otio` wrote beside.

    Raises:
        BadInput: it is no timeline, or what is in it makes no storyboard; names `field`, or a field of it.
    """
    editorial = read_otio(text, field)
    film, notes, ids = _mapping(editorial.facts.get("storyboard")), [], set[str]()
    shots: list[dict[str, Any]] = []
    for number, cut in enumerate(editorial.cuts, start=1):
        facts = _mapping(cut.facts.get("shot"))
        stem = PurePosixPath(cut.file).stem
        video_id = stem if VIDEO_ID.fullmatch(stem) else None
        if cut.file and video_id is None:
            notes.append(f"The shot {number} shows {PurePosixPath(cut.file).name}, which is not here.")
        name = str(facts.get("id") or _ID.sub("-", cut.name).strip("-_")[:30] or number)
        while name in ids:
            name = f"{name[:34]}-{number}"
        ids.add(name)
        following = editorial.cuts[number].overlap if number < len(editorial.cuts) else 0
        before, after = cut.overlap // 2, following - following // 2
        start = max(0, cut.start - before)
        transition = _mapping(facts.get("transition"))
        if cut.overlap:
            is_blend = transition.get("kind") == "blend"
            transition = {"kind": "blend" if is_blend else "fade", "frames": cut.overlap}
        elif transition.get("kind") not in ("cut", "continue"):
            transition = {}
        shots.append(
            {
                "title": cut.name,
                **facts,
                "id": name,
                "frames": cut.frames + before + after,
                "start": start if video_id else 0,
                "video_id": video_id or facts.get("video_id"),
                "transition": transition,
            }
        )
    value = {**film, "fps": str(editorial.fps), "shots": shots}
    return Imported(editorial.title, parse(Document, value, what="the timeline", field=field), notes)


def read(text: bytes, field: str) -> Imported:
    """A storyboard file or a timeline, whichever the text is.

    Raises:
        BadInput: it is neither.
    """
    if len(text) > yamlfile.MAX_FILE_BYTES:
        raise BadInput(f"the text has more than {yamlfile.MAX_FILE_BYTES:,} bytes", "shorten it", field=field)
    if b'"OTIO_SCHEMA"' in text[:4096]:
        return from_otio(text, field)
    return from_yaml(text, field)


def _rate(fps: str) -> int | str:
    return fps if "/" in fps else int(fps)


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _to_lists(value: Any) -> Any:
    """Moments with lists in place of tuples, which YAML does not know."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [list(part) if isinstance(part, tuple) else part for part in value]


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != "" and value != []
            and value != {}}  # fmt: skip
