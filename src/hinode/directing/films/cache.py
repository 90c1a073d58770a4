"""The finished shots of a film, stored without loss in a folder beside its storyboard."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hinode.clip import Frames
from hinode.engines import saved_state
from hinode.engines.protocol import State, UnusableState
from hinode.errors import OutputError, quote
from hinode.media.reading import references
from hinode.media.reading.references import digest_file
from hinode.output import replace_file
from hinode.request import SOURCE, Reference

INDEX = "index.json"
VERSION = 1


@dataclass(frozen=True)
class RenderedShot:
    """A finished shot, or a finished transition between two.

    Attributes:
        id: of the shot; of a transition the ids of both shots, joined by "+".
        key: digest of everything that decides its frames.
        file: name of its file in the folder.
        digest: SHA-256 of that file.
        frames: how many there are.
        fps: frames per second, as "8" or "24000/1001".
        prompt: as it went to the engine.
        stage_seconds: what it took.
        upscaler: name of the network that enlarges its frames in the film, or "" for none.
    """

    id: str
    key: str
    file: str
    digest: str
    frames: int
    fps: str
    seed: int
    prompt: str
    model: str
    not_understood: tuple[str, ...]
    read_as: str
    licence: str
    stage_seconds: float
    upscaler: str = ""

    @classmethod
    def of(cls, values: dict[str, Any]) -> RenderedShot:
        """From plain JSON values."""
        return cls(**{**values, "not_understood": tuple(values["not_understood"])})

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)


class ShotCache:
    """A folder of finished shots; each is there whole or not at all, whatever ends the process."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            OutputError: the folder cannot be made, or what is in it cannot be read.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            index = folder / INDEX
            content: dict[str, Any] = {"version": VERSION}
            if index.exists():
                content = json.loads(index.read_text("utf-8"))
            if content["version"] != VERSION:
                raise ValueError("of another version")
            self._shots = {key: RenderedShot.of(values) for key, values in content.get("drawn", {}).items()}
            self._current: dict[str, str] = dict(content.get("current", {}))
            self._takes = {str(name): int(take) for name, take in content.get("takes", {}).items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"the folder of finished shots, {quote(str(folder), 200)}, cannot be used"
            raise OutputError(message, "remove it, and the shots are drawn again") from error

    def find(self, key: str) -> RenderedShot | None:
        """The shot under a key, if its file is there as it was written."""
        shot = self._shots.get(key)
        if shot is None:
            return None
        try:
            return shot if digest_file(self.path(shot)) == shot.digest else None
        except OSError:
            return None

    def current(self, name: str) -> RenderedShot | None:
        """The shot that was last in the film under an id."""
        return self.find(self._current.get(name, ""))

    def take(self, name: str) -> int:
        """How often a shot was requested anew."""
        return self._takes.get(name, 0)

    def path(self, shot: RenderedShot) -> Path:
        """Where its file is."""
        return self.folder / shot.file

    def reference(self, shot: RenderedShot) -> Reference:
        """Its file as a video to work on."""
        return Reference(SOURCE, shot.digest, "video/mp4", path=str(self.path(shot).absolute()))

    def put(self, shot: RenderedShot, frames: Frames, take: int = 0) -> RenderedShot:
        """Store a shot, frames uint8 [T, H, W, 3], as the current one of its id, and return it with its file
        and digest; OutputError if it cannot be written."""
        # A plus would not stay as it is in the URLs of timelines.
        name = f"{shot.id.replace('+', '~')}.{shot.key[:16]}.mp4"
        with replace_file(self.folder / name) as part, TemporaryDirectory(dir=self.folder) as scratch:
            Path(references.save_frames(frames, shot.rate, SOURCE, Path(scratch)).path).replace(part)
        shot = dataclasses.replace(shot, file=name, digest=digest_file(self.folder / name))
        self._takes[shot.id] = take
        self.choose(shot)
        self.discard(shot.key)
        return shot

    def add(self, shot: RenderedShot, content: bytes) -> None:
        """Store a shot that another process finished, from the content of its file."""
        with replace_file(self.path(shot)) as part:
            part.write_bytes(content)
        self.choose(shot)

    def choose(self, shot: RenderedShot) -> None:
        """Make a stored shot the current one of its id."""
        self._shots[shot.key] = shot
        self._current[shot.id] = shot.key
        content = {
            "version": VERSION,
            "current": self._current,
            "takes": {name: take for name, take in self._takes.items() if take},
            "drawn": {key: dataclasses.asdict(shot) for key, shot in self._shots.items()},
        }
        with replace_file(self.folder / INDEX) as part:
            part.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")

    # Shots that are not finished

    def save(self, key: str, state: State) -> None:
        """Store the state of the run that draws a shot; its parts are written once. See `put`."""
        path = self.folder / f"{key[:16]}.state"
        locations = {name: f"{path.name}.{name.replace('/', '.')}" for name in state.parts}
        for name, content in state.parts.items():
            file = self.folder / locations[name]
            if not file.exists():
                with replace_file(file) as part:
                    part.write_bytes(content())
        with replace_file(path) as part:
            part.write_bytes(saved_state.to_bytes(state, locations))

    def saved(self, key: str) -> State | None:
        """The state that was stored last under a key, if there is one that can be read."""
        with suppress(OSError, UnusableState):
            content = (self.folder / f"{key[:16]}.state").read_bytes()
            return saved_state.from_bytes(content, lambda name: (self.folder / name).read_bytes())
        return None

    def discard(self, key: str) -> None:
        """Remove the state that was stored under a key."""
        for path in self.folder.glob(f"{key[:16]}.state*"):
            path.unlink(missing_ok=True)
