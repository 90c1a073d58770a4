"""The shots of a film that are drawn already, kept without loss in a folder beside its storyboard."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hinode.clip import Frames
from hinode.engines.protocol import State
from hinode.errors import OutputError, quote
from hinode.media import references
from hinode.output import replace_file
from hinode.request import SOURCE, Reference

INDEX = "index.json"
VERSION = 1


@dataclass(frozen=True)
class RenderedShot:
    """A shot, or a transition between two, that is drawn.

    Attributes:
        id: of the shot.
        key: digest of everything that decides its frames.
        file: name of its file in the folder.
        digest: SHA-256 of that file.
        frames: how many there are.
        fps: frames per second, as "8" or "24000/1001".
        seed: starting point of the noise.
        prompt: as it went to the engine.
        model: that drew it.
        not_understood: words that the model passed over.
        read_as: what it took the prompt to mean.
        licence: of the model.
        stage_seconds: what it took.
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

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)


class ShotCache:
    """A folder of drawn shots; each is there whole or not at all, whatever ends the process."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: made if it is not there.

        Raises:
            OutputError: it cannot be made, or what is in it cannot be read.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            index = folder / INDEX
            plain: dict[str, Any] = {"version": VERSION}
            if index.exists():
                plain = json.loads(index.read_text("utf-8"))
            if plain["version"] != VERSION:
                raise ValueError("of another version")
            self._drawn = {key: _drawn(values) for key, values in plain.get("drawn", {}).items()}
            self._current: dict[str, str] = dict(plain.get("current", {}))
            self._takes: dict[str, int] = {name: int(take) for name, take in plain.get("takes", {}).items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise OutputError(
                f"the folder of finished shots, {quote(str(folder), 200)}, cannot be used",
                "remove it, and the shots are drawn again",
            ) from error

    def find(self, key: str) -> RenderedShot | None:
        """What is drawn under a key, if its file is there as it was."""
        drawn = self._drawn.get(key)
        if drawn is None:
            return None
        try:
            with self.path(drawn).open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == drawn.digest
        except OSError:
            return None
        return drawn if whole else None

    def current(self, name: str) -> RenderedShot | None:
        """The shot that was last in the film under an id."""
        return self.find(self._current.get(name, ""))

    def take(self, name: str) -> int:
        """How often a shot was asked for anew."""
        return self._takes.get(name, 0)

    def path(self, drawn: RenderedShot) -> Path:
        """Where its file is."""
        return self.folder / drawn.file

    def reference(self, drawn: RenderedShot) -> Reference:
        """Its file as footage."""
        return Reference(SOURCE, drawn.digest, "video/mp4", path=str(self.path(drawn).absolute()))

    def put(self, drawn: RenderedShot, frames: Frames, take: int = 0) -> RenderedShot:
        """Keep a shot as the current one of its id.

        Args:
            drawn: what is known of it; its file and digest are filled in.
            frames: uint8 [T, H, W, 3].
            take: how often it was asked for anew.

        Raises:
            OutputError: it cannot be written.
        """
        # A plus would not stay as it is in the URLs of timelines.
        name = f"{drawn.id.replace('+', '~')}.{drawn.key[:16]}.mp4"
        with replace_file(self.folder / name) as part, TemporaryDirectory(dir=self.folder) as scratch:
            kept = Path(references.save_frames(frames, drawn.rate, SOURCE, Path(scratch)).path)
            kept.replace(part)
        with (self.folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        drawn = dataclasses.replace(drawn, file=name, digest=digest)
        self._drawn[drawn.key] = drawn
        self._takes[drawn.id] = take
        self.choose(drawn)
        self._state(drawn.key).unlink(missing_ok=True)
        return drawn

    def choose(self, drawn: RenderedShot) -> None:
        """Make a shot the current one of its id."""
        self._current[drawn.id] = drawn.key
        plain = {
            "version": VERSION,
            "current": self._current,
            "takes": {name: take for name, take in self._takes.items() if take},
            "drawn": {key: dataclasses.asdict(value) for key, value in self._drawn.items()},
        }
        text = json.dumps(plain, ensure_ascii=False, indent=1)
        with replace_file(self.folder / INDEX) as part:
            part.write_text(text, "utf-8")

    # Shots that are not finished

    def save(self, key: str, state: State) -> None:
        """Keep a run between two steps.

        Raises:
            OutputError: it cannot be written.
        """
        head = json.dumps({"engine": state.engine, "step": state.step}).encode()
        with replace_file(self._state(key)) as part:
            part.write_bytes(head + b"\n" + state.body)

    def saved(self, key: str) -> State | None:
        """The run that was kept under a key, if there is one."""
        with suppress(OSError, ValueError, KeyError):
            head, _, body = self._state(key).read_bytes().partition(b"\n")
            plain: dict[str, Any] = json.loads(head)
            return State(str(plain["engine"]), int(plain["step"]), body)
        return None

    def _state(self, key: str) -> Path:
        return self.folder / f"{key[:16]}.state"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone afterwards."""
        with TemporaryDirectory(prefix="hinode-") as folder:
            yield Path(folder)


def _drawn(values: dict[str, Any]) -> RenderedShot:
    return RenderedShot(**{**values, "not_understood": tuple(values["not_understood"])})
