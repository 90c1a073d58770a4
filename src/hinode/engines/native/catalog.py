"""Which models are installed, and what their files say about themselves; no weights are read here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hinode.errors import BadInput, HinodeError, ModelError, join_names, quote
from hinode.registry.profiles import BEST, DRAFT, STANDARD
from hinode.request import (
    CAMERA,
    CONTEXT_VIDEO,
    FIRST_FRAME,
    GUIDE_VIDEO,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    PATH,
    STEPS,
    STRENGTH,
    Capabilities,
    Size,
)

ENGINE = "native"
"""The engine whose models these are."""

PREFERRED = ("mini", "nano")
"""Models that ship with the package, the better one first: the first that is installed is the default."""

UPSCALER, PLANNER = "upscaler", "planner"
OTHER_WEIGHTS = ("judge", "cast", UPSCALER, PLANNER)
"""Files beside the models that draw nothing: they score clips, enlarge them, and plan them."""

DEFAULT_STEPS = 20
"""Steps of a model whose file names none; as in `flow.Sampling`."""

NOT_A_MODEL = "use one trained or published for this version"

BASIC_REFERENCES = (FIRST_FRAME, GUIDE_VIDEO)
"""References that every model takes: all were trained on clips that begin with a clean frame, and a clip can
start from a video instead of noise."""

CONTEXT_REFERENCES = (FIRST_FRAME, LAST_FRAME, KEYFRAME, CONTEXT_VIDEO)
"""References that are frames of the clip."""

CONTROL_REFERENCES = (*CONTEXT_REFERENCES, MASK, GUIDE_VIDEO)
"""References of a model that reads control channels."""


@dataclass(frozen=True)
class Shape:
    """Length, rate and size of clips that a model was trained on."""

    frames: int
    fps: float
    width: int
    height: int

    @property
    def size(self) -> Size:
        return self.width, self.height

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True)
class Card:
    """What a weight file says about itself.

    Attributes:
        shapes: that it was trained on, the default first.
        patch: video frames per latent frame, and pixels per latent position along a side.
        words: the largest number of known words of a prompt that it reads.
        control: whether it reads context, the path of the subject and the moves of the camera.
        sampling: how clips are drawn from it, as arguments of `flow.Sampling`.
        teacher: name of the model that it was distilled from, or "".
        licence: of the weights.
    """

    name: str
    path: Path
    shapes: tuple[Shape, ...]
    patch: tuple[int, int]
    words: int
    control: bool = False
    sampling: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = ""
    licence: str = "Apache-2.0"

    def shape_for(self, size: Size, fps: float | None) -> Shape:
        """The trained shape nearest to `size` in aspect, and of those the one at `fps`, else the first."""

        def rank(shape: Shape) -> tuple[Fraction, bool]:
            ratio = Fraction(*shape.size) / Fraction(*size)
            return max(ratio, 1 / ratio), shape.fps != fps

        return min(self.shapes, key=rank)

    @property
    def steps(self) -> int:
        """Its default number of steps."""
        return int(self.sampling.get("steps", DEFAULT_STEPS))

    @property
    def learnt(self) -> tuple[int, ...]:
        """Numbers of steps in which a student draws, the fewest first; empty for a model that takes any."""
        return tuple(sorted(len(levels) for levels in self.sampling.get("learnt", ())))

    def with_steps(self, steps: int) -> Card:
        """The same model with another default number of steps."""
        return dataclasses.replace(self, sampling={**self.sampling, "steps": steps})

    @property
    def seconds(self) -> float:
        """The longest clip that any shape was trained on."""
        return max(shape.seconds for shape in self.shapes)

    def fingerprint(self) -> str:
        """A digest of the weights: equal digests draw equal clips."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(digest).hexdigest()  # twice: saved runs and cached shots name this digest


def shipped() -> Path:
    """Folder of the weights inside the package."""
    return Path(str(files("hinode") / "weights"))


def installed(home: Path) -> dict[str, Path]:
    """The files of all models by name, the default first. Those in `home`, which the person added, go before
    shipped ones of the same name."""
    paths = {
        path.stem: path
        for folder in (shipped(), home)
        for path in sorted(folder.glob("*.safetensors"))
        if path.stem not in OTHER_WEIGHTS
    }
    rank = {name: index for index, name in enumerate(PREFERRED)}
    return dict(sorted(paths.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0])))


def find(name: str | None, home: Path) -> Card:
    """The card of a model, by default of the default model.

    Raises:
        BadInput: there is no such model.
        ModelError: none is installed, or its file is damaged or of another kind.
    """
    models = installed(home)
    if not models:
        raise ModelError("no model is installed", f"run `hinode train nano`, and put its file into {home}")
    if name is not None and name not in models:
        message = f"there is no model {quote(name)}"
        raise BadInput(message, f"choose {join_names(tuple(models), 'or')}", field="model")
    name = name or next(iter(models))
    return read_card(name, models[name])


def student(teacher: Card, home: Path) -> Card | None:
    """The first installed model that was distilled from `teacher`, or None.

    A file holds only the name of its teacher. So a shipped student does not count for a model that the person
    added under the name of a shipped one.
    """
    added = teacher.path.parent != shipped()
    for name, path in installed(home).items():
        if added and path.parent == shipped():
            continue
        try:
            card = read_card(name, path)
        except HinodeError:
            continue  # a request that names this model gets the reason
        if card.teacher == teacher.name and card.learnt:
            return card
    return None


def profiles(card: Card, home: Path) -> dict[str, Card]:
    """The model that draws under each profile of a model, with its number of steps.

    Where the model has a student, the student draws drafts in the fewest steps that it learned and the
    standard in the most; the best is the model itself. Without a student the model draws the standard, and
    the best in twice as many steps. A student that a request names draws all profiles itself.
    """
    if card.learnt:
        return {DRAFT: card.with_steps(card.learnt[0]), STANDARD: card}
    fast = student(card, home)
    if fast is None:
        return {STANDARD: card, BEST: card.with_steps(2 * card.steps)}
    return {DRAFT: fast.with_steps(fast.learnt[0]), STANDARD: fast.with_steps(fast.learnt[-1]), BEST: card}


def fingerprint(name: str | None, home: Path) -> str:
    """A digest of all weights that can draw for a model: its own and its student's. Raises as `find` does."""
    card = find(name, home)
    fast = None if card.learnt else student(card, home)
    if fast is None:
        return card.fingerprint()
    return hashlib.sha256((card.fingerprint() + fast.fingerprint()).encode()).hexdigest()


def capabilities(name: str | None, home: Path) -> Capabilities:
    """What a model can do; see `Engine.capabilities`. Torch is not imported. Raises as `find` does."""
    card = find(name, home)
    return Capabilities(
        engine=ENGINE,
        model=card.name,
        models=tuple(installed(home)),
        operations=("generate",),
        seconds=(0.0, card.seconds),
        steps=(card.learnt[0], card.learnt[-1]) if card.learnt else STEPS,
        native_sizes=tuple(dict.fromkeys(shape.size for shape in card.shapes)),
        native_fps=tuple(dict.fromkeys(shape.fps for shape in card.shapes)),
        licence=card.licence,
        # A student makes no unconditional prediction, so nothing can lead away from a negative prompt.
        negative_prompt=card.sampling.get("guidance") != 1,
        references=CONTROL_REFERENCES if card.control else BASIC_REFERENCES,
        profiles=tuple(profiles(card, home)),
        controls=(STRENGTH, PATH, CAMERA) if card.control else (STRENGTH,),
        expands=True,
    )


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a weight file: format, sizes of the network, vocabulary and facts of the training.

    Raises:
        ModelError: the file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("hinode", "null"))
    except (SafetensorError, OSError, ValueError) as error:
        message = f"the weight file {path} cannot be read: it is cut off or damaged"
        raise ModelError(message, "fetch or train it again") from error
    if not isinstance(header, dict):
        raise ModelError(f"{path} is not a model of the native engine", NOT_A_MODEL)
    return header


def read_card(name: str, path: Path) -> Card:
    """The card of the model in a weight file. Raises as `read_header` does."""
    header = read_header(path)
    try:
        config, facts = header["config"], header["facts"]
        return Card(
            name=name,
            path=path,
            shapes=tuple(Shape(*shape) for shape in facts["shapes"]),
            patch=(int(config["patch_frames"]), int(config["patch_size"])),
            words=int(config["words"]),
            control=bool(config.get("control", config.get("hints", False))),
            sampling={key: _tuples(value) for key, value in facts.get("sampling", {}).items()},
            teacher=str(facts.get("teacher", "")),
            licence=str(facts.get("licence", Card.licence)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a model of the native engine", NOT_A_MODEL) from error


def _tuples(value: Any) -> Any:
    """A JSON value with its lists as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
