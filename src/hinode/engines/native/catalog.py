"""Which models are installed, and what their files say about themselves; no weights are read here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hinode.errors import BadInput, ModelError, join_names, quote
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
    PLAN,
    STEPS,
    STRENGTH,
    Capabilities,
    Size,
)

ENGINE = "native"
"""The engine whose models these are."""

DEFAULT = "book"
"""The model that ships with the package."""

DECODER, PLANNER, READER = "decoder", "planner", "reader"
OTHER_WEIGHTS = (DECODER, PLANNER, READER)
"""Files beside the models that draw nothing: they enlarge, plan and read clips."""

DEFAULT_STEPS = 5
"""Steps of a model whose file names none."""

_PIECE = re.compile(r"\.[0-9]+$")
"""What the names of the further files of a model end in."""

NOT_A_MODEL = "use one trained or published for this version"

CONTEXT_REFERENCES = (FIRST_FRAME, LAST_FRAME, KEYFRAME, CONTEXT_VIDEO)
"""References that are frames of the clip."""

REFERENCES = (*CONTEXT_REFERENCES, MASK, GUIDE_VIDEO)


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
        span: frames of a latent frame, but for the first.
        patch: pixels of a side of a token of one frame.
        sampling: how clips are drawn from it: `steps` and `guidance`.
        licence: of the weights.
    """

    name: str
    path: Path
    shapes: tuple[Shape, ...]
    span: int
    patch: int
    sampling: Mapping[str, Any] = field(default_factory=dict)
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
    def guidance(self) -> float:
        """How far it is led by the facts of a plan; 1 is not at all."""
        return float(self.sampling.get("guidance", 1.0))

    def with_steps(self, steps: int) -> Card:
        """The same model with another default number of steps."""
        return dataclasses.replace(self, sampling={**self.sampling, "steps": steps})

    @property
    def seconds(self) -> float:
        """The longest clip that any shape was trained on."""
        return max(shape.seconds for shape in self.shapes)

    def fingerprint(self) -> str:
        """A digest of the weights: equal digests draw equal clips."""
        digests = b""
        for path in model_files(self.path):
            with path.open("rb") as file:
                digests += hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(digests).hexdigest()  # twice: saved runs and cached shots name this digest


def shipped() -> Path:
    """Folder of the weights inside the package."""
    return Path(str(files("hinode") / "weights"))


def model_files(path: Path) -> list[Path]:
    """All files of a model, by its first."""
    return [path, *sorted(path.parent.glob(f"{path.stem}.[0-9]*.safetensors"))]


def installed(home: Path) -> dict[str, Path]:
    """The files of all models by name, the default first. Those in `home`, which the person added, go before
    shipped ones of the same name."""
    paths = {
        path.stem: path
        for folder in (shipped(), home)
        for path in sorted(folder.glob("*.safetensors"))
        if path.stem not in OTHER_WEIGHTS and not _PIECE.search(path.stem)
    }
    return dict(sorted(paths.items(), key=lambda item: (item[0] != DEFAULT, item[0])))


def find(name: str | None, home: Path) -> Card:
    """The card of a model, by default of the default model.

    Raises:
        BadInput: there is no such model.
        ModelError: none is installed, or its file is damaged or of another kind.
    """
    models = installed(home)
    if not models:
        raise ModelError(
            "no model is installed", f"run `hinode train drawing-nano`, and put its files into {home}"
        )
    if name is not None and name not in models:
        message = f"there is no model {quote(name)}"
        raise BadInput(message, f"choose {join_names(tuple(models), 'or')}", field="model")
    name = name or next(iter(models))
    return read_card(name, models[name])


def profiles(card: Card) -> dict[str, Card]:
    """The model under each profile: half the steps without guidance, its own, and twice as many."""
    quick = dataclasses.replace(card, sampling={"steps": (card.steps + 1) // 2, "guidance": 1.0})
    return {DRAFT: quick, STANDARD: card, BEST: card.with_steps(2 * card.steps)}


def capabilities(name: str | None, home: Path) -> Capabilities:
    """What a model can do; see `Engine.capabilities`. Torch is not imported. Raises as `find` does."""
    card = find(name, home)
    return Capabilities(
        engine=ENGINE,
        model=card.name,
        models=tuple(installed(home)),
        operations=("generate",),
        seconds=(0.0, card.seconds),
        steps=STEPS,
        native_sizes=tuple(dict.fromkeys(shape.size for shape in card.shapes)),
        native_fps=tuple(dict.fromkeys(shape.fps for shape in card.shapes)),
        licence=card.licence,
        negative_prompt=True,
        sound=True,
        references=REFERENCES,
        profiles=tuple(profiles(card)),
        controls=(STRENGTH, PATH, CAMERA, PLAN),
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
            span=int(config["span"]),
            patch=int(config["patch"]),
            sampling=facts.get("sampling", {}),
            licence=str(facts.get("licence", Card.licence)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a model of the native engine", NOT_A_MODEL) from error
