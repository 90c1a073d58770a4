"""The files that a storyboard names, looked at before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hinode.directing import camera, material, source_facts
from hinode.directing.films.storyboard import VIDEO, CharacterImage, Shot, ShotReference, Storyboard
from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.request import (
    CAMERA,
    FIRST_FRAME,
    KEYFRAME,
    PATH,
    Capabilities,
    MediaFile,
    Reference,
    Trajectory,
    parse_size,
)


@dataclass(frozen=True)
class StoryboardFiles:
    """What a storyboard is compiled with beside its own words.

    Attributes:
        videos: by the names that the storyboard has for them.
        pictures: first frames and keyframes of each shot, at their moments in it, by its id.
        tracks: paths and cameras from files, by the id of the shot and `PATH` or `CAMERA`.
        characters: descriptions in words, by name.
    """

    videos: Mapping[str, MediaFile] = field(default_factory=dict)
    pictures: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    tracks: Mapping[tuple[str, str], Trajectory] = field(default_factory=dict)
    characters: Mapping[str, str] = field(default_factory=dict)


def load_files(board: Storyboard, folder: Path, capabilities: Capabilities, scratch: Path) -> StoryboardFiles:
    """Look at every file that a storyboard names.

    Args:
        folder: where its files are.
        scratch: where changed copies of pictures go; they are needed as long as shots are drawn.

    Raises:
        BadInput: a file is missing or cannot be used; `field` says where it is named.
    """
    size = parse_size(board.size)
    native = capabilities.engine == catalog.ENGINE
    videos: dict[str, MediaFile] = {}

    def video(name: str, field: str) -> MediaFile:
        if name not in videos:
            videos[name] = material.load_video(folder / name, field=field, folder=scratch)
        return videos[name]

    def picture(shot: Shot, file: ShotReference) -> Reference:
        role, at = (FIRST_FRAME, 0.0) if file.role == "first_frame" else (KEYFRAME, file.at)
        field = f"shots.{shot.id}.{'references' if file in shot.references else 'keyframes'}"
        return material.load_picture(
            folder / file.file, size, role, folder=scratch, fit=file.fit, at=at, field=field
        )

    def describe(name: str, character: CharacterImage) -> str:
        field, path = f"characters.{name}", folder / character.file
        if not native:
            message = f"{field}: the {capabilities.engine} engine cannot read a character from a file"
            raise BadInput(message, "describe it in words", field=field)
        if character.video is not None:
            return source_facts.describe(video(character.file, field).reference(), name)
        with material.name_file_in_errors(path, field):
            own_size, _ = pictures.measure(path, field=field)
        image = material.load_picture(path, own_size, FIRST_FRAME, folder=scratch, field=field)
        return source_facts.describe(image, name)

    characters = {
        name: describe(name, character) if isinstance(character, CharacterImage) else character
        for name, character in board.characters.items()
    }
    shot_pictures: dict[str, tuple[Reference, ...]] = {}
    tracks: dict[tuple[str, str], Trajectory] = {}
    for index, shot in enumerate(board.shots):
        source = board.source(index)
        if source is not None and source.lower().endswith(VIDEO):
            video(source, f"shots.{shot.id}.from")
        if shot.video is not None:
            video(shot.video, f"shots.{shot.id}.video")
        for file in shot.files:
            if file.role == "guide":
                video(file.file, f"shots.{shot.id}.references")
        shot_pictures[shot.id] = tuple(picture(shot, file) for file in shot.files if file.role != "guide")
        for name, value in ((PATH, shot.path), (CAMERA, shot.camera)):
            if isinstance(value, str) and value.lower().endswith(".json"):
                tracks[shot.id, name] = camera.parse_track(str(folder / value), name)
    return StoryboardFiles(videos, shot_pictures, tracks, characters)
