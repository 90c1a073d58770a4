"""Prompt files: prompts, each with the facts that the judge has to find in the clip."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hinode.errors import BadInput
from hinode.world.judge import ATTRIBUTES
from hinode.world.prompts.prompt import parse
from hinode.world.scene import MAX_SUBJECTS, RELATIONS

Facts = dict[str, str]
JUDGED = {**ATTRIBUTES, "relation": RELATIONS, "count": tuple(map(str, range(1, MAX_SUBJECTS + 1)))}
EXAMPLE = '{"prompt": "a red ball at noon", "expect": {"color": "red", "time": "noon"}}'


@dataclass(frozen=True)
class Case:
    """One line of a prompt file: a prompt, and the facts that are judged.

    The facts of a second and a third subject are "subject 2", "color 2" and so on; with them come "count" and
    perhaps "relation", of the first subject to the second.
    """

    prompt: str
    expect: Facts

    @property
    def kinds(self) -> list[str]:
        """The kinds of the expected subjects, in order."""
        return [value for name, value in self.expect.items() if attribute_of(name) == "subject"]


def attribute_of(fact: str) -> str:
    """The attribute of a fact: "color 2" is a "color"."""
    return fact.rstrip(" 23")


def read_cases(path: Path) -> list[Case]:
    """Read a prompt file, one JSON object a line. BadInput names the line that is wrong and how."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"the prompt file {path} cannot be read"
        raise BadInput(message, "give a text file", field="prompts") from error
    cases = []
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                cases.append(_read_case(line))
        except ValueError as error:
            message = f"line {number} of {path} {error}"
            raise BadInput(message, f"write lines like {EXAMPLE}", field="prompts") from None
    if not cases:
        raise BadInput(f"the prompt file {path} is empty", "give at least one line", field="prompts")
    return cases


def _read_case(line: str) -> Case:
    """The case of a line. ValueError says what is wrong with it."""
    try:
        entry = json.loads(line)
        prompt, expect = entry["prompt"], entry["expect"]
    except (ValueError, KeyError, TypeError):
        raise ValueError("is not an object with prompt and expect") from None
    if not isinstance(prompt, str) or not prompt.strip() or not isinstance(expect, dict):
        raise ValueError("needs a prompt in words and an object of expected facts")
    facts: Facts = {}
    for name, text in expect.items():
        attribute = attribute_of(name)
        numbered = name != attribute
        if attribute not in JUDGED or (numbered and attribute not in ("subject", "color", "motion")):
            raise ValueError(f"expects {name!r}, but only {', '.join(JUDGED)} are judged")
        # the judge's word for a value or a synonym ("rising", "sunrise", "pan_left")
        phrase = str(text).lower().replace("_", " ").replace("-", " ").strip()
        parsed = parse(phrase)
        value = phrase if phrase in JUDGED[attribute] else parsed.facts().get(attribute)
        if value is None or parsed.readings:  # a typo in an expectation is a mistake
            raise ValueError(f"expects {name} {text!r}, which is none of {', '.join(JUDGED[attribute])}")
        facts[name] = value
    return Case(prompt, facts)
