"""From words to plans: where everything is at every moment of a clip, before a pixel is drawn.

The trained planner makes the plan if the package has its weights and the clip has a length that it knows. If
that plan lacks a fact of the prompt, the rules of the picture book make one instead.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from hinode.clip import Frames, Sound
from hinode.engines.native.plans import planner
from hinode.errors import BadInput, Fault, raise_first
from hinode.media.timeline import Timeline
from hinode.media.writing import formats
from hinode.media.writing.label import Label
from hinode.request import MAX_SEED, PLAN, PROMPT_CHARACTERS, Size
from hinode.trust.provenance.statement import Extent, Statement
from hinode.world.book.picture.preview import render_plan
from hinode.world.book.plan import MAX_SECONDS, LandPlan, ScenePlan, plan_of
from hinode.world.book.reading import count_faults
from hinode.world.book.scene import MAX_SUBJECTS, Scene
from hinode.world.book.sounds.sound import RATE
from hinode.world.book.sounds.soundtrack import plan_sound
from hinode.world.book.words.completion import complete, open_facts
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import ParsedPrompt, parse

if TYPE_CHECKING:
    from hinode.trust.provenance.marking import Marking

MIN_SIDE, MAX_SIDE, MAX_ASPECT = 16, 4096, 4.0
PREVIEW_SIDE, PREVIEW_FPS = 640, Fraction(24)
USUAL_SECONDS, SLOWEST, STRAIGHT = 4.0, 0.2, ("left", "right", "rise", "fall")
"""Length of a clip from which on ways and camera are slower, and the least share of their speed."""
NETWORK, RULES, REQUEST = "network", "rules", "request"


@dataclass(frozen=True)
class PlannedClip:
    """A plan, and what became of the words.

    Attributes:
        planner: what made the plan: "network", "rules", or "request" for a plan that came with the words.
        understood: the words that state a fact, in order.
        substituted: what the words say, and what the plan has in place of it.
        not_understood: words that mean nothing in this world.
        excluded: values that the words exclude.
        chosen: names of the facts that the words leave open; the seed chose them.
    """

    plan: ScenePlan
    seed: int
    planner: str
    understood: tuple[str, ...]
    substituted: tuple[tuple[str, str], ...]
    not_understood: tuple[str, ...]
    excluded: tuple[str, ...]
    chosen: tuple[str, ...]

    @classmethod
    def of(cls, parsed: ParsedPrompt, plan: ScenePlan, seed: int, planner: str) -> PlannedClip:
        """A plan beside the words that it is for."""
        return cls(
            plan=plan,
            seed=seed,
            planner=planner,
            understood=parsed.understood,
            substituted=_substituted(parsed),
            not_understood=parsed.not_understood,
            excluded=tuple(value for _, value in parsed.absent),
            chosen=() if planner == REQUEST else open_facts(parsed),
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "seed": self.seed,
            "planner": self.planner,
            "understood": list(self.understood),
            "substituted": [{"words": words, "drawn": drawn} for words, drawn in self.substituted],
            "not_understood": list(self.not_understood),
            "excluded": list(self.excluded),
            "chosen": list(self.chosen),
            "plan": self.plan.model_dump(mode="json"),
        }


def plan_prompt(prompt: str, *, seconds: float, size: Size, seed: int) -> PlannedClip:
    """Plan a clip: the same words, length, size and seed give the same plan.

    `seconds`: more than 0, `MAX_SECONDS` at most. `size`: width and height in pixels, whose ratio shapes the
    plan. `seed`: 0 to `MAX_SEED`.

    Raises:
        BadInput: the prompt is empty, or a number is out of range.
    """
    raise_first(_faults(prompt, seconds, size, seed))
    parsed, aspect = parse(prompt, BOOK), size[0] / size[1]
    plan, origin = _network_plan(parsed, seconds, aspect, seed), NETWORK
    if plan is None:
        plan, origin = rule_plan(parsed, seconds, aspect, seed), RULES
    land = LandPlan(number=random.Random(f"land/{seed}").randrange(2**31))
    return PlannedClip.of(parsed, plan.model_copy(update={"land": land}), seed, origin)


def exclude(prompt: str, negative_prompt: str) -> str:
    """A prompt that says what a negative prompt names as excluded."""
    parts = [part.strip() for part in re.split(r"[,;.\n]", negative_prompt)]
    return ", no ".join([prompt, *filter(None, parts)])


def write_preview(planned: PlannedClip, size: Size, path: Path, *, marking: Marking) -> None:
    """Write the book's own drawing of a plan, signed, at most `PREVIEW_SIDE` pixels long.

    The format follows from the ending; one that can hold sound gets that of the plan.

    Raises:
        BadInput: no format has the ending.
        OutputError: the file cannot be written.
    """
    plan, scale = planned.plan, min(1.0, PREVIEW_SIDE / max(size))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    kind = formats.choose(None, path)
    formats.check(kind, path, (width, height), PREVIEW_FPS)
    timeline = Timeline.of(float(PREVIEW_FPS), plan.seconds)
    moments = torch.arange(timeline.frames, dtype=torch.float32) / float(PREVIEW_FPS)

    def frames() -> Iterator[Frames]:
        for second in torch.split(moments, int(PREVIEW_FPS)):
            picture = render_plan(plan, second, width=width, height=height, seed=planned.seed)
            yield from picture.mul(255).round().byte().permute(0, 2, 3, 1).numpy()

    sound = Sound.from_model(plan_sound(plan, seed=planned.seed), RATE)
    label = Label(
        "preview of a plan",
        "Drawn from a plan by the picture book itself; no model drew it.",
        planned.as_json() if marking.embed_prompt else {"plan": plan.model_dump(mode="json")},
    )
    statement = Statement(Extent.BY_RULES, "plan")
    seal = partial(marking.sign, statement=statement)
    formats.write(kind, path, frames(), (width, height), timeline, label, sound, seal)


def read_plan(text: str, seconds: float) -> ScenePlan:
    """The plan of a request, from JSON, for a clip of some seconds.

    Raises:
        BadInput: it is no plan, or one of another length.
    """
    try:
        plan = ScenePlan.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        message = f"the plan cannot be read: {place}: {first['msg'].removeprefix('Value error, ')}"
        raise BadInput(
            message, "give one that `hinode plan --json` wrote, edited or not", field=PLAN
        ) from error
    if abs(plan.seconds - seconds) > 1e-3:
        message = f"the plan has {plan.seconds:g} seconds and the clip {seconds:g}"
        raise BadInput(message, "give both the same length", field=PLAN)
    return plan


def rule_plan(parsed: ParsedPrompt, seconds: float, aspect: float, seed: int) -> ScenePlan:
    """The plan of a scene that is completed from a prompt by the rules of the picture book."""
    scene = complete(parsed, random.Random(f"plan/{seed}"))
    return plan_of(_slowed(scene, seconds), seconds, aspect)


def _slowed(scene: Scene, seconds: float) -> Scene:
    """The scene with slower ways for a long clip, or its subjects would be gone soon."""
    share = max(SLOWEST, min(1.0, USUAL_SECONDS / seconds))
    subjects = tuple(dataclasses.replace(subject, speed=share * subject.speed)
                     if subject.motion in STRAIGHT else subject for subject in scene.subjects)  # fmt: skip
    return dataclasses.replace(scene, subjects=subjects, pace=share * scene.pace)


def _network_plan(parsed: ParsedPrompt, seconds: float, aspect: float, seed: int) -> ScenePlan | None:
    """The plan of the trained planner, if there is one and its plan holds all facts of the prompt."""
    path = planner.path()
    if not (path.is_file() and planner.MIN_SECONDS <= seconds <= planner.MAX_SECONDS):
        return None
    plan = planner.load(path).plan(parsed, seconds=seconds, aspect=aspect, seed=seed)
    return None if count_faults(plan, parsed, aspect) else plan


def _faults(prompt: str, seconds: float, size: Size, seed: int) -> list[Fault]:
    width, height = size
    faults = []
    if not prompt.strip():
        faults.append(("prompt", "the prompt is empty", "say what to show"))
    if len(prompt) > PROMPT_CHARACTERS:
        faults.append(
            ("prompt", f"the prompt has {len(prompt):,} characters", f"give {PROMPT_CHARACTERS:,} at most")
        )
    if not 0 < seconds <= MAX_SECONDS:
        faults.append(("seconds", f"seconds is {seconds:g}", f"give more than 0 and at most {MAX_SECONDS:g}"))
    if min(size) < MIN_SIDE or max(size) > MAX_SIDE:
        faults.append(("size", f"size is {width}x{height}", f"give sides of {MIN_SIDE} to {MAX_SIDE} pixels"))
    elif max(size) > MAX_ASPECT * min(size):
        faults.append(
            ("size", f"size is {width}x{height}", f"give a side at most {MAX_ASPECT:g} times the other")
        )
    if not 0 <= seed <= MAX_SEED:
        faults.append(("seed", f"seed is {seed}", f"give 0 to {MAX_SEED}"))
    return faults


def _substituted(parsed: ParsedPrompt) -> tuple[tuple[str, str], ...]:
    """Words that were read as others, and subjects of which there are too many."""
    spoken = sum(mention.count for mention in parsed.mentions)
    fewer = (
        [(f"more than {MAX_SUBJECTS} subjects", f"the first {MAX_SUBJECTS}")] if spoken > MAX_SUBJECTS else []
    )
    return (*parsed.readings, *fewer)
