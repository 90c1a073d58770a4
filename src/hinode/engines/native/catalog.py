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

from hinode.engines.limits import FPS, PIXELS, PROMPT_CHARACTERS, SIDE, STEPS
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
    STRENGTH,
    Capabilities,
    Size,
)

JUDGES, UPSCALER = ("judge", "cast"), "upscaler"
"""The weights that lie beside the models and draw nothing: they score clips, and enlarge them."""

PREFERRED = ("mini", "nano")
"""Models that ship with the package, the better one first: the first that is there is the default."""

ENGINE = "native"
"""The engine whose models these are."""


USUAL_STEPS = 20
"""Of a model that names none; as in `flow.Sampling`."""

SHARD = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True)
class Shape:
    """A kind of clip that a model was trained on."""

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
        name: name of the model.
        path: its file; for several shards, the name they share.
        shapes: kinds of clips that it was trained on, the default first.
        patch: video frames per latent frame, and pixels per latent position along a side.
        words: the most known words of a prompt that it reads.
        hints: whether it is told what is given, where the subject goes and what the camera does.
        guidance_embedded: whether it follows a prompt closely in one pass a step instead of two.
        sampling: how clips are drawn from it, as arguments of `flow.Sampling`.
        teacher: name of the model that it was distilled from, or "".
        licence: of the weights.
    """

    name: str
    path: Path
    shapes: tuple[Shape, ...]
    patch: tuple[int, int]
    words: int
    guidance_embedded: bool
    hints: bool = False
    sampling: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = ""
    licence: str = "Apache-2.0"

    def shape_for(self, size: Size, fps: float | None) -> Shape:
        """The trained shape nearest to `size` in aspect, and of those the one at `fps`, else the first."""
        aspect = Fraction(*size)

        def distance(shape: Shape) -> Fraction:
            ratio = Fraction(*shape.size) / aspect
            return max(ratio, 1 / ratio)

        return min(self.shapes, key=lambda shape: (distance(shape), shape.fps != fps))

    @property
    def steps(self) -> int:
        """In how many steps it draws if nothing else is said."""
        return int(self.sampling.get("steps", USUAL_STEPS))

    @property
    def learnt(self) -> tuple[int, ...]:
        """Numbers of steps in which a student draws, the fewest first; empty for a model that takes any."""
        return tuple(sorted(len(levels) for levels in self.sampling.get("learnt", ())))

    def taking(self, steps: int) -> Card:
        """The same model, drawing in so many steps."""
        return dataclasses.replace(self, sampling={**self.sampling, "steps": steps})

    @property
    def seconds(self) -> float:
        """The longest clip that any shape was trained on."""
        return max(shape.seconds for shape in self.shapes)

    def fingerprint(self) -> str:
        """A digest of the weights: equal digests draw equal clips."""
        digest = hashlib.sha256()
        for path in shards(self.path):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def shipped() -> Path:
    """Folder of the weights inside the package."""
    return Path(str(files("hinode") / "weights"))


def installed(home: Path) -> dict[str, Path]:
    """Every model by name, the default first.

    Args:
        home: folder of models that the person added; they go before shipped ones of the same name.
    """
    found = {
        SHARD.sub("", path.stem): path.with_name(SHARD.sub("", path.stem) + path.suffix)
        for folder in (shipped(), home)
        for path in sorted(folder.glob("*.safetensors"))
        if path.stem not in (*JUDGES, UPSCALER)
    }
    rank = {name: place for place, name in enumerate(PREFERRED)}
    return dict(sorted(found.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0])))


def find(name: str | None, home: Path) -> Card:
    """The card of a model.

    Args:
        name: name of the model, or None for the default.
        home: folder of models that the person added.

    Raises:
        BadInput: there is no such model.
        ModelError: none is installed, or its file is damaged or of another kind.
    """
    models = installed(home)
    if not models:
        raise ModelError(
            "no model is installed", f"train one with `hinode train nano` and put its file into {home}"
        )
    if name is not None and name not in models:
        raise BadInput(
            f"there is no model {quote(name)}", f"choose {join_names(tuple(models), 'or')}", field="model"
        )
    name = name or next(iter(models))
    return read_card(name, models[name])


def student(teacher: Card, home: Path) -> Card | None:
    """The first installed model that was distilled from `teacher`, or None.

    A file says its teacher's name only. So one that ships is not taken for the student of a model that the
    person added under a name of the package.
    """
    own = teacher.path.parent != shipped()
    for name, path in installed(home).items():
        if own and path.parent == shipped():
            continue
        try:
            card = read_card(name, path)
        except HinodeError:
            continue  # whoever asks for it by name is told why
        if card.teacher == teacher.name and card.learnt:
            return card
    return None


def profiles(card: Card, home: Path) -> dict[str, Card]:
    """Who draws for a model under each profile that it has, and in how many steps.

    Where the model has a student, that draws: drafts in the fewest steps that it learnt, the standard in the
    most; the best is the model itself. Without one the standard is the model itself, and the best is too, in
    twice as many steps. A student that is asked for by name draws everything itself.
    """
    if card.learnt:
        return {DRAFT: card.taking(card.learnt[0]), STANDARD: card}
    quick = student(card, home)
    if quick is None:
        return {STANDARD: card, BEST: card.taking(2 * card.steps)}
    fewest, most = quick.learnt[0], quick.learnt[-1]
    return {DRAFT: quick.taking(fewest), STANDARD: quick.taking(most), BEST: card}


def fingerprint(name: str | None, home: Path) -> str:
    """A digest of all weights that may draw for a model: its own and its student's. See `find` for what is
    raised."""
    card = find(name, home)
    quick = None if card.learnt else student(card, home)
    if quick is None:
        return card.fingerprint()
    return hashlib.sha256((card.fingerprint() + quick.fingerprint()).encode()).hexdigest()


def capabilities(name: str | None, home: Path) -> Capabilities:
    """What can be asked for of a model; see `Engine.capabilities`. No torch is needed to know it.

    Args:
        name: name of the model, or None for the default.
        home: folder of models that the person added.

    Raises:
        BadInput: there is no such model.
        ModelError: none is installed, or its file is damaged or of another kind.
    """
    card = find(name, home)
    return Capabilities(
        engine=ENGINE,
        model=card.name,
        models=tuple(installed(home)),
        operations=("generate",),
        prompt_characters=PROMPT_CHARACTERS,
        side=SIDE,
        pixels=PIXELS,
        seconds=(0.0, card.seconds),
        fps=FPS,
        steps=(card.learnt[0], card.learnt[-1]) if card.learnt else STEPS,
        native_sizes=tuple(dict.fromkeys(shape.size for shape in card.shapes)),
        native_fps=tuple(dict.fromkeys(shape.fps for shape in card.shapes)),
        licence=card.licence,
        # A model that learnt guidance by heart computes no answer to be led away from.
        negative_prompt=card.sampling.get("guidance") != 1 and not card.guidance_embedded,
        references=HINTED if card.hints else GIVEN,
        profiles=tuple(profiles(card, home)),
        controls=(STRENGTH, PATH, CAMERA) if card.hints else (STRENGTH,),
        expands=True,
    )


GIVEN = (FIRST_FRAME, GUIDE_VIDEO)
"""What any model can be given: every one has seen clips that begin with a clean frame, and what it draws can
be begun from footage instead of noise."""
HINTED = (FIRST_FRAME, LAST_FRAME, KEYFRAME, CONTEXT_VIDEO, MASK, GUIDE_VIDEO)
"""What a model that reads hints can be given."""


def read_card(name: str, path: Path) -> Card:
    """Read the head of a weight file.

    Raises:
        ModelError: it is missing, damaged or of another kind.
    """
    try:
        with safe_open(shards(path)[0], framework="numpy") as file:
            head = json.loads((file.metadata() or {})["hinode"])
        config, facts = head["config"], head["facts"]
        return Card(
            name=name,
            path=path,
            shapes=tuple(Shape(*shape) for shape in facts["shapes"]),
            patch=(int(config["patch_frames"]), int(config["patch_size"])),
            words=int(config["words"]),
            guidance_embedded=bool(config["guidance_embedded"]),
            hints=bool(config.get("hints", False)),
            sampling={key: _tuples(value) for key, value in facts.get("sampling", {}).items()},
            teacher=str(facts.get("teacher", "")),
            licence=str(facts.get("licence", Card.licence)),
        )
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"the weights of model {name}, {path}, cannot be read, for the file is cut off or damaged",
            "fetch or train it again",
        ) from error
    except (KeyError, TypeError, IndexError) as error:
        raise ModelError(
            f"{path} is not a model that can be drawn with", "use one trained or published for this version"
        ) from error


def _tuples(value: Any) -> Any:
    """A JSON value with tuples for lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def shards(path: Path) -> list[Path]:
    """The files that hold a model: the one named, or its numbered shards."""
    return [path] if path.is_file() else sorted(path.parent.glob(f"{path.stem}-?????-of-?????{path.suffix}"))
