"""How much of prompts as people type them is understood: facts of a parser against those of a reader.

    hinode evaluate --suite understanding

The cases are `benchmarks/prompts/understanding.jsonl`; the page beside it says how they were written. A fact
is one of a subject (kind, count, colour, motion) or of the scene (time, place, weather, camera). A fact that
is expected and not found, found and not expected, or found with another value counts against the parser.
What the picture book does not have, such as a dog, is no fact of its parser; its words must be reported.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from hinode.errors import BadInput
from hinode.evaluation.results import Row, share, table
from hinode.world.book import priors
from hinode.world.book.scene import CAMERAS, TIMES, WEATHERS
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.grammar import MANY
from hinode.world.prompts.prompt import ParsedPrompt, parse

CASES = Path("benchmarks", "prompts", "understanding.jsonl")
MIN_FACTS = 0.9
METRIC = "understanding"


SCENE = {"time": TIMES, "place": priors.PLACES, "weather": WEATHERS, "camera": CAMERAS}
"""The values of each fact of the scene."""


@dataclass(frozen=True)
class Comparison:
    """A parsed prompt beside what a reader takes from it.

    Attributes:
        facts: for each fact that is expected or found, whether it is as expected.
        reports: for each word that this world cannot show, whether it is reported.
        faults: a phrase about each that is not.
    """

    facts: tuple[bool, ...]
    reports: tuple[bool, ...]
    faults: tuple[str, ...]


def compare(case: dict[str, Any], parsed: ParsedPrompt) -> Comparison:
    """Compare a prompt as a world's parser reads it with a case."""
    pairs: list[tuple[str, Any, Any]] = []
    foreign = list(case["unknown"])
    listed = len(foreign)
    expected = []
    for facts in case["subjects"]:
        if facts["kind"] in priors.KINDS:
            expected.append(facts)
        else:
            foreign += facts["kind"].split()
    mentions = list(parsed.mentions)
    for facts in expected:
        same = [mention for mention in mentions if mention.kind == facts["kind"]]
        match = max(
            same, key=lambda m: (m.color == facts["color"], m.motion == facts["motion"]), default=None
        )
        if match is None:
            pairs.append(("kind", facts["kind"], None))
            continue
        mentions.remove(match)
        pairs.append(("kind", facts["kind"], match.kind))
        pairs.append(("count", MANY if facts["count"] == "many" else facts["count"], match.count))
        if facts["color"] in (None, *priors.COLORS):
            pairs.append(("color", facts["color"], match.color))
        pairs.append(("motion", facts["motion"], match.motion))
    reported = {*parsed.not_understood, *dict(parsed.readings)}
    stand_ins = Counter(dict(parsed.readings).values())
    pairs += [
        ("kind", None, mention.kind) for mention in mentions if mention.kind and not stand_ins[mention.kind]
    ]
    for name, values in SCENE.items():
        if case[name] in (None, *values):
            pairs.append((name, case[name], getattr(parsed, name)))
    pairs = [pair for pair in pairs if pair[1:] != (None, None)]
    # A kind may have been typed as another word, such as "toboggan": a reported word beside the listed ones.
    spare = [typed for typed in reported if not any(_is_form(typed, word) for word in foreign)]
    reports = [
        any(_is_form(typed, word) for typed in reported) or (index >= listed and bool(spare))
        for index, word in enumerate(foreign)
    ]
    faults = [f"{name} {value}, not {expected}" for name, expected, value in pairs if expected != value]
    faults += [f"{word} is not reported" for word, report in zip(foreign, reports, strict=True) if not report]
    return Comparison(tuple(expected == value for _, expected, value in pairs), tuple(reports), tuple(faults))


def _is_form(typed: str, word: str) -> bool:
    """Whether a typed word is a word, its plural, or a typo of it."""
    return SequenceMatcher(a=typed, b=word).ratio() >= 0.7


def evaluate_understanding(path: Path = CASES, *, limit: int | None = None) -> dict[str, Any]:
    """The shares of facts that are right and of foreign words that are reported, in all and by
    class of prompts, and the prompts with a fault.

    Raises:
        BadInput: the cases cannot be read.
    """
    try:
        cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:limit]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}", "name a file of cases", field="prompts") from error
    results = [(case, compare(case, parse(case["prompt"], BOOK))) for case in cases]
    faults = [
        {"prompt": case["prompt"], "faults": list(result.faults)} for case, result in results if result.faults
    ]
    rows = [row.as_json() for row in _rows(results)]
    return {"suite": "understanding", "rows": rows, "faults": faults}


def _rows(results: list[tuple[dict[str, Any], Comparison]]) -> list[Row]:
    """The shares, in all and by class of prompts."""
    facts = [fact for _, result in results for fact in result.facts]
    reports = [report for _, result in results for report in result.reports]
    rows = [
        share(METRIC, "facts right", facts, MIN_FACTS),
        share(METRIC, "words reported that cannot be shown", reports, 1.0),
        share(METRIC, "whole prompts", [not result.faults for _, result in results]),
    ]
    for name in dict.fromkeys(case["class"] for case, _ in results):
        hits = [fact for case, result in results if case["class"] == name for fact in result.facts]
        rows.append(share(METRIC, f"{name.replace('_', ' ')}: facts right", hits))
    return rows


def text(result: dict[str, Any]) -> str:
    """The rows of a result, and its faults, as text."""
    faults = [f"{fault['prompt']}: {'; '.join(fault['faults'])}" for fault in result["faults"]]
    return "\n".join([table([Row.of(row) for row in result["rows"]]), *faults])
