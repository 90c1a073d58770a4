"""How well plans hold what prompts say: the trained planner beside the rules of the picture book.

    hinode evaluate --suite plan

The cases are `benchmarks/prompts/plans.jsonl`: prompts as people type them, with the facts that a reader
takes from them, and captions of fresh scenes. The facts of a plan are read from its choices and, for motions,
from its paths; the same reader is tried on true plans first. A fact that the parser of prompts misses counts
too.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hinode.engines.native.plans import planner
from hinode.engines.native.plans.planner import STEPS, TrainedPlanner
from hinode.engines.native.plans.planning import rule_plan
from hinode.errors import BadInput
from hinode.evaluation.results import Row, share, spread, table
from hinode.world.book.plan import ScenePlan, plan_of
from hinode.world.book.priors import PLACES
from hinode.world.book.reading import SIDES, check_facts, read_motion
from hinode.world.book.scene import CAMERAS, TIMES, WEATHERS, sample_scene
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.facts import ParsedPrompt, SubjectFacts
from hinode.world.prompts.grammar import MANY
from hinode.world.prompts.prompt import parse

CASES = Path("benchmarks", "prompts", "plans.jsonl")
MIN_FACTS, MIN_MOTIONS, MAX_MILLISECONDS = 0.97, 0.99, 60.0
SECONDS, ASPECT = 2.0, 16 / 9
TRUE_PLANS = 300
SCENE_FACTS = ("time", "place", "weather", "camera", "relation")
KEYS_OF_SUBJECTS = {"kind": "subject", "color": "color", "motion": "motion"}
VALUES = {"time": TIMES, "place": PLACES, "weather": WEATHERS, "camera": CAMERAS, "relation": tuple(SIDES)}
"""Facts of a scene with the values that a plan can hold."""
FINER = {
    ("subject", "bird"): "gull",
    ("place", "hills"): "meadow",
    ("camera", "zoom in"): "dolly in",
    ("camera", "zoom out"): "dolly out",
    ("camera", "pan left"): "follow",
    ("camera", "pan right"): "follow",
}
"""Values that the older world did not tell from others: it had birds, and the book has birds and gulls."""
ATTRIBUTES = ("count", "kind", "color", "motion", "relation", "place", "time", "weather", "camera")


def evaluate_plans(
    path: Path = CASES, *, limit: int | None = None, steps: int | None = None, weights: Path | None = None
) -> dict[str, Any]:
    """The shares of facts that plans hold, for each planner, and the processor time of a plan on one thread.

    `limit`: only the first cases. `steps`: of the trained planner. `weights`: its file, by default the
    shipped one; without a file only the rules are measured.

    Raises:
        BadInput: the cases cannot be read.
        ModelError: the weights cannot be read.
    """
    try:
        cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:limit]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}", "name a file of cases", field="prompts") from error
    file = weights or planner.path()
    network = planner.load(file) if file.is_file() else None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [_true_motions(), *_planner_rows("rules", cases, rule_plan)]
        if network is not None:
            rows += _planner_rows("network", cases, _with_steps(network, steps or STEPS))
    finally:
        torch.set_num_threads(threads)
    facts = {} if network is None else network.facts
    return {
        "suite": "plan",
        "rows": [row.as_json() for row in rows],
        "steps": steps or STEPS,
        "planner": facts,
    }


def text(result: dict[str, Any]) -> str:
    """The rows of a result as text."""
    return table([Row.of(row) for row in result["rows"]])


Plan = Callable[[ParsedPrompt, float, float, int], ScenePlan]


def _with_steps(network: TrainedPlanner, steps: int) -> Plan:
    def plan(parsed: ParsedPrompt, seconds: float, aspect: float, seed: int) -> ScenePlan:
        return network.plan(parsed, seconds=seconds, aspect=aspect, seed=seed, steps=steps)

    return plan


def _true_motions() -> Row:
    """How often the reader of motions is right about true plans of several lengths and shapes."""
    rng, hits = random.Random("plans/truth"), []
    for _ in range(TRUE_PLANS):
        scene, aspect = sample_scene(rng), rng.choice((16 / 9, 1.0, 9 / 16))
        plan = plan_of(scene, rng.choice((2.0, 4.0)), aspect)
        hits += [read_motion(plan, k, aspect) == s.motion for k, s in enumerate(scene.subjects)]
    return share("truth", "motions read", hits, MIN_MOTIONS)


def _planner_rows(name: str, cases: list[dict[str, Any]], plan: Plan) -> list[Row]:
    """The rows of one planner."""
    facts: list[tuple[str, str, bool]] = []
    whole, milliseconds = [], []
    for seed, case in enumerate(cases):
        start = time.process_time()
        result = plan(parse(case["prompt"], BOOK), SECONDS, ASPECT, seed)
        milliseconds.append((time.process_time() - start) * 1000)
        checks = check_facts(result, _expected(case), ASPECT)
        facts += [(case["source"], attribute, hit) for attribute, hit in checks]
        whole.append(all(hit for _, hit in checks))
    rows = [
        share(name, "facts held", [hit for _, _, hit in facts], MIN_FACTS),
        share(name, "whole prompts", whole),
    ]
    for source in dict.fromkeys(case["source"] for case in cases):
        rows.append(share(name, f"facts held, {source}", [hit for kind, _, hit in facts if kind == source]))
    for attribute in ATTRIBUTES:
        rows.append(share(name, f"{attribute} held", [hit for _, kind, hit in facts if kind == attribute]))
    time_row = spread(name, "processor time of a plan", milliseconds[1:], "ms")
    return [*rows, time_row.aim("<=", MAX_MILLISECONDS, time_row.figure <= MAX_MILLISECONDS)]


def expected_facts(case: dict[str, Any]) -> tuple[ParsedPrompt, tuple[str, ...]] | None:
    """The facts of a case as the parser would give them, and those of its facts that no plan holds, such as
    "relation behind"; None for a case that only has a prompt.

    A case has the fields of `benchmarks/prompts/plans.jsonl`, or "expect": {"subject": ..., "color 2": ...}
    in the values of an older world; where its words say one of `FINER`, that counts.
    """
    if "expect" in case:
        words = parse(case["prompt"], BOOK).cast_facts()
        facts = dict(case["expect"])
        finer = {name: FINER.get((name.split()[0], value)) for name, value in facts.items()}
        facts |= {name: value for name, value in finer.items() if value and words.get(name) == value}
        marks = [mark for mark in ("", " 2", " 3") if f"subject{mark}" in facts]
        subjects = [{name: facts.get(f"{key}{mark}") for name, key in KEYS_OF_SUBJECTS.items()} | {"count": 1}
                    for mark in marks]  # fmt: skip
        case = {**dict.fromkeys(SCENE_FACTS), **facts, "subjects": subjects}
    elif "subjects" not in case:
        return None
    scene = {name: case[name] for name in SCENE_FACTS}
    lacking = [name for name, values in VALUES.items() if scene[name] not in (None, *values)]
    missing = tuple(f"{name} {scene[name]}" for name in lacking)
    mentions = tuple(
        SubjectFacts(s["kind"], s["color"], s["motion"], MANY if s["count"] == "many" else s["count"])
        for s in case["subjects"]
    )
    scene |= dict.fromkeys(lacking)
    return ParsedPrompt(mentions, understood=(), not_understood=(), **scene), missing


def _expected(case: dict[str, Any]) -> ParsedPrompt:
    facts = expected_facts(case)
    assert facts is not None, "every case of plans has facts"
    return facts[0]
