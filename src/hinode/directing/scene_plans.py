"""Scene plans of directed clips: every drawn part goes on from what is before it, by its plan.

Only models that draw from plans need them. A part without a plan of its own before it is planned from its
words; a part after a video that carries its plan goes on with that one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hinode.clip import Sound
from hinode.directing.material import label_facts
from hinode.request import Reference, Request, Segment

if TYPE_CHECKING:
    from hinode.directing.layout import Layout
    from hinode.world.book.plan import ScenePlan

Plans = Sequence["ScenePlan | None"]
"""The plan of each segment; None for one that is copied from a video without a plan."""


def plan_segments(layout: Layout) -> Plans:
    """The plans of all segments of a clip whose model draws from plans.

    Raises:
        BadInput: the plan of the request cannot be used, or a part is longer than a plan can be.
    """
    from hinode.engines.native.book import scene_plan
    from hinode.engines.native.plans.planning import exclude, plan_prompt, read_plan
    from hinode.world.book.words.language import BOOK
    from hinode.world.prompts.prompt import parse

    request, segments = layout.request, layout.segments
    starts = [sum(part.seconds for part in segments[:index]) for index in range(len(segments))]
    if request.plan:
        whole = read_plan(request.plan, request.seconds)
        return [scene_plan.cut_plan(whole, start, part.seconds)
                for start, part in zip(starts, segments, strict=True)]  # fmt: skip
    plans: list[ScenePlan | None] = []
    for index, part in enumerate(segments):
        words = part.prompt or request.prompt
        source = _plan_of_file(request, part.keep or part.guide)
        before = plans[index - 1] if index > 0 and not part.cut else None
        after = _following(request, segments, index)
        if source is not None:
            own = scene_plan.cut_plan(source, part.start, part.seconds)
            plans.append(own if part.keep else scene_plan.restate(own, parse(words, BOOK)))
        elif part.keep:
            plans.append(None)
        elif request.looped and index > 0 and index == len(segments) - 1 and before and plans[0]:
            plans.append(scene_plan.lead(before, plans[0], part.seconds))
        elif before and after:
            plans.append(scene_plan.lead(before, after, part.seconds))
        else:
            beside, size = before or after, layout.size
            text = scene_plan.with_cast(words, parse(words, BOOK), beside) if beside else words
            excluding = exclude(text, request.negative_prompt)
            own = plan_prompt(excluding, seconds=part.seconds, size=size, seed=request.seed).plan
            if beside:
                join = scene_plan.go_on if before else scene_plan.arrive
                own = join(beside, own, parse(text, BOOK), size[0] / size[1])
            plans.append(own)
    return plans


def sounds(layout: Layout) -> dict[int, Sound]:
    """The sounds of the segments that are drawn from a plan of their own, by their numbers: not of those that
    are copied or drawn over a video, which keep the sound of that video."""
    if not layout.scene_plans or layout.request.sound is False:
        return {}
    from hinode.world.book.sounds.sound import RATE
    from hinode.world.book.sounds.soundtrack import plan_sound

    return {
        number: Sound.from_model(plan_sound(plan, seed=layout.request.seed), RATE)
        for number, (part, plan) in enumerate(zip(layout.segments, layout.scene_plans, strict=True))
        if plan is not None and not (part.keep or part.guide)
    }


def whole_plan(layout: Layout) -> str:
    """The plan of the whole clip as JSON; "" if a part has none, or another cast than the part before it."""
    plans = [plan for plan in layout.scene_plans if plan is not None]
    if not plans or len(plans) < len(layout.segments):
        return ""
    from hinode.engines.native.book.scene_plan import chain

    whole = chain(plans)
    return "" if whole is None else whole.model_dump_json()


def _following(request: Request, segments: Sequence[Segment], index: int) -> ScenePlan | None:
    """The plan of the video that comes after a segment, if it leads there and the file has one."""
    following = next((part for part in segments[index + 1 : index + 2] if part.keep and not part.cut), None)
    if following is None:
        return None
    from hinode.engines.native.book.scene_plan import cut_plan

    plan = _plan_of_file(request, following.keep)
    return plan and cut_plan(plan, following.start, following.seconds)


def _plan_of_file(request: Request, digest: str) -> ScenePlan | None:
    """The plan of the file with a digest, if there is such a file and it shows anything of this world."""
    file = next((part for part in request.references if digest and part.digest == digest), None)
    return None if file is None or not file.path else read_file(file)


def describe(plan: ScenePlan) -> str:
    """A plan in words, for a prompt."""
    from hinode.world.book.reading import read_motion
    from hinode.world.book.words.sentence import sentence

    return sentence(plan, [read_motion(plan, number, 16 / 9) for number in range(len(plan.subjects))])


def read_file(reference: Reference) -> ScenePlan | None:
    """The plan that a video carries, or that is read from its pictures; None for what is nothing of this
    world. BadInput: the file cannot be read."""
    from pydantic import ValidationError

    from hinode.engines.native.plans import perception
    from hinode.world.book.plan import ScenePlan

    facts = {} if reference.still else label_facts(Path(reference.path))
    try:
        return ScenePlan.model_validate_json(json.dumps(facts["plan"]))
    except (KeyError, ValidationError):  # made by something else, or by another version
        return perception.plan_of(reference)
