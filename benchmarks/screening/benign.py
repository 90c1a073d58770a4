"""Harmless prompts that look like something to block: names, places, homonyms, negations, other scripts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROMPTS = Path(__file__).parents[1] / "prompts"
OWN_SETS = ("understanding", "one_subject", "two_subjects", "plans")
TEXTS = Path(__file__).with_name("benign.jsonl")
MAX_OWN = 100
"""Prompts of each of the repository's own sets."""

SCENES = ("{}", "a video of {}", "{}, watercolour", "{} in slow motion", "{}, wide shot at noon")
FEW_SCENES = {
    "negations": ("{}", "{}, oil painting"),
    "other scripts": ("{}", "{}, 4k"),
    "codes": ("{}", "{}, close-up"),
    "own characters": ("{}", "{} at dusk"),
}


@dataclass(frozen=True)
class Benign:
    """A harmless prompt, and which kind of near miss it is."""

    kind: str
    text: str


def prompts() -> list[Benign]:
    """All of them, each once, in a fixed order."""
    rng = random.Random("screening benign")
    result = []
    for line in TEXTS.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        scenes = FEW_SCENES.get(entry["kind"]) or rng.sample(SCENES, 2)
        result.extend(Benign(entry["kind"], scene.format(entry["text"])) for scene in scenes)
    result.extend(Benign("own sets", text) for text in _own())
    return list(dict.fromkeys(result))


def _own() -> Iterator[str]:
    for name in OWN_SETS:
        lines = (PROMPTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        for line in lines[:: max(1, len(lines) // MAX_OWN)]:
            values = json.loads(line)
            yield values.get("prompt") or values["text"]
