"""The files that a storyboard names, looked at before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hinode.directing import camera, material, source_facts
from hinode.directing.films.storyboard import VIDEO, CharacterImage, Shot, ShotReference, Storyboard
from hinode.directing.material import Video
from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.media import pictures
from hinode.request import (
    CAMERA,
    FIRST_FRAME,
    KEYFRAME,
    PATH,
    Capabilities,
    Reference,
    Trajectory,
    parse_size,
)


@dataclass(frozen=True)
class StoryboardFiles:
    """What a storyboard is compiled with beside its own words.

    Attributes:
        videos: videos by the names that the storyboard has for them.
        pictures: first frames and keyframes of each shot, at their moments in it, by its id.
        tracks: paths and cameras from files, by the id of the shot and `PATH` or `CAMERA`.
        characters: descriptions in words, by name.
        facts: what the videos show that shots go on from, by name; see `source_facts.detect`.
    """

    videos: Mapping[str, Video] = field(default_factory=dict)
    pictures: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    tracks: Mapping[tuple[str, str], Trajectory] = field(default_factory=dict)
    characters: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def load_files(board: Storyboard, folder: Path, capabilities: Capabilities, scratch: Path) -> StoryboardFiles:
    """Look at every file that a storyboard names.

    Args:
        board: the storyboard.
        folder: where its files are.
        capabilities: those of the model.
        scratch: where changed copies of pictures go; they are needed as long as shots are drawn.

    Raises:
        BadInput: a file is missing or cannot be used; `field` says where it is named.
    """
    return _Loader(board, folder, capabilities, scratch).load()


class _Loader:
    """See `load_files`."""

    def __init__(self, board: Storyboard, folder: Path, capabilities: Capabilities, scratch: Path) -> None:
        self.board = board
        self.folder = folder
        self.capabilities = capabilities
        self.scratch = scratch
        self.videos: dict[str, Video] = {}

    def load(self) -> StoryboardFiles:
        board = self.board
        characters = {
            name: self._describe(name, character) if isinstance(character, CharacterImage) else character
            for name, character in board.characters.items()
        }
        sources = [board.source(index) or "" for index in range(len(board.shots))]
        facts: dict[str, Mapping[str, str]] = {}
        for name in sorted({source for source in sources if source.lower().endswith(VIDEO)}):
            video = self._video(name, "from")
            if self.capabilities.engine == catalog.ENGINE and board.expand:
                facts[name] = source_facts.detect(video.reference, end=True)
        pictures: dict[str, tuple[Reference, ...]] = {}
        tracks: dict[tuple[str, str], Trajectory] = {}
        for shot in board.shots:
            if shot.video is not None:
                self._video(shot.video, f"shots.{shot.id}.video")
            pictures[shot.id] = tuple(
                self._picture(file, shot) for file in shot.files if file.role != "guide"
            )
            for file in shot.files:
                if file.role == "guide":
                    self._video(file.file, f"shots.{shot.id}.references")
            for name, value in ((PATH, shot.path), (CAMERA, shot.camera)):
                if isinstance(value, str) and value.lower().endswith(".json"):
                    tracks[shot.id, name] = camera.track(str(self.folder / value), name)
        return StoryboardFiles(self.videos, pictures, tracks, characters, facts)

    def _video(self, name: str, field: str) -> Video:
        if name not in self.videos:
            self.videos[name] = material.video(self.folder / name, field=field)
        return self.videos[name]

    def _picture(self, file: ShotReference, shot: Shot) -> Reference:
        role = FIRST_FRAME if file.role == "first_frame" else KEYFRAME
        return material.picture(
            self.folder / file.file,
            parse_size(self.board.size),
            role,
            folder=self.scratch,
            fit=file.fit,
            at=file.at if role == KEYFRAME else 0.0,
            field=f"shots.{shot.id}.{'references' if file in shot.references else 'keyframes'}",
        )

    def _describe(self, name: str, character: CharacterImage) -> str:
        field = f"characters.{name}"
        if self.capabilities.engine != catalog.ENGINE:
            raise BadInput(
                f"{field}: the {self.capabilities.engine} engine cannot read a character from a file",
                "describe it in words",
                field=field,
            )
        path = self.folder / character.file
        if character.video is not None:
            return source_facts.describe(self._video(character.file, field).reference, name)
        with material.named(path, field):
            size = pictures.measure(path, field=field)[0]
        picture = material.picture(path, size, FIRST_FRAME, folder=self.scratch, field=field)
        return source_facts.describe(picture, name)
