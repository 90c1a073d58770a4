"""Policies: the rules of screening as data, read from YAML and compiled once.

The version of a policy is a digest of everything in it, so a decision names exactly the rules that made it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from hinode.errors import BadInput
from hinode.parsing import BOOLEAN, INTEGER, NUMBER, Input, parse
from hinode.trust.screening import normalise
from hinode.trust.screening.matching import MIN_PREFIX, Matcher
from hinode.trust.screening.verdict import Action
from hinode.yamlfile import fault_line

FILE = "policy.yaml"
MAX_BYTES = 4 << 20
NEGATIVE = "negative_prompt"
EXCEPTIONS = "exceptions"
GRAVEST = 4
"""Severity of which no text is kept, only its digest."""

ActionName = Literal["allow", "review", "block"]
Phrases = Mapping[str, list[str]]
"""Phrases by the code of their language."""


class NotYaml(BadInput):
    """A policy is no YAML; `line` says where, from 1, if that is known."""

    def __init__(self, what: str, line: int | None) -> None:
        self.line = line
        where = f" in line {line}" if line else ""
        super().__init__(f"{what} is not YAML{where}", "correct it", field="policy")


class Category(Input):
    """What is done with the findings of a category."""

    title: str = Field(max_length=80)
    severity: Annotated[int, Field(ge=1, le=GRAVEST), INTEGER]
    action: ActionName
    names: Annotated[bool, BOOLEAN] = False  # licensed names may be used
    locked: Annotated[bool, BOOLEAN] = False  # it can only be made stricter


class Rule(Input):
    """Phrases of which one is enough, or sets of which one phrase each must stand near the others."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    category: str
    phrases: dict[str, list[str]] | None = None
    near: list[str] | None = Field(None, min_length=2, max_length=5)
    within: Annotated[int, Field(ge=0, le=100), INTEGER] = 5
    negatable: Annotated[bool, BOOLEAN] = True
    fields: list[str] | None = None
    action: ActionName | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.phrases is None) == (self.near is None):
            raise ValueError(f"rule {self.id} needs either phrases or near")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of its sets in the matcher."""
        return tuple(self.near) if self.near else (f"rule {self.id}",)


class GuardFailure(Input):
    """What is done when a guard fails or is late."""

    action: ActionName = "block"
    seconds: Annotated[float, Field(gt=0, le=120), NUMBER] = 10.0


Dialect = Literal["qwen3guard", "llama-guard", "policy"]
"""How a model answers: in lines, as "unsafe" with hazards, or as JSON to a policy that it is given."""


class GuardEntry(Input):
    """A model behind an endpoint that speaks OpenAI's chat completions."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    url: str = Field(pattern=r"^https?://")
    model: str
    dialect: Dialect
    looks_at: Literal["text", "pictures", "both"] = "text"
    key_file: str | None = None


class SpeechEntry(Input):
    """A recogniser of speech behind an endpoint that speaks OpenAI's audio transcriptions."""

    url: str = Field(pattern=r"^https?://")
    model: str = "whisper-1"
    key_file: str | None = None
    seconds: Annotated[float, Field(gt=0, le=600), NUMBER] = 60.0


class PolicyFile(Input):
    """A policy as it is written."""

    extends: Literal["builtin", "nothing"] = "builtin"
    categories: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sets: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    rules: list[Rule] = Field(default_factory=list)
    disable: list[str] = Field(default_factory=list)
    exceptions: list[str] = Field(default_factory=list)
    words: list[str] = Field(default_factory=list)
    negators: list[str] = Field(default_factory=list)
    concealers: list[str] = Field(default_factory=list)
    breaks: list[str] = Field(default_factory=list)
    guards: list[GuardEntry] = Field(default_factory=list)
    speech: SpeechEntry | None = None
    guard_failure: GuardFailure = Field(default_factory=GuardFailure)


class Policy:
    """Compiled rules. Immutable once made, so threads share it.

    Attributes:
        version: digest of the rules, 16 hexadecimal digits.
        categories: by name.
        rules: those that are in force.
        matcher: finds their phrases.
        guards: the models that it names.
        speech: what turns sound into text, or None.
        guard_failure: what is done when a guard fails.
    """

    def __init__(self, file: PolicyFile) -> None:
        """Raises BadInput: the parts do not agree with each other."""
        self.categories = {
            name: parse(Category, values, what=f"the category {name}", field=f"categories.{name}")
            for name, values in file.categories.items()
        }
        self.rules = tuple(rule for rule in file.rules if rule.id not in file.disable)
        self.guards, self.guard_failure = tuple(file.guards), file.guard_failure
        self.speech = file.speech
        self.sets: dict[str, list[str]] = {name: _flatten(phrases) for name, phrases in file.sets.items()}
        for rule in self.rules:
            if rule.phrases is not None:
                self.sets[rule.sets[0]] = _flatten(rule.phrases)
        _check(self, file)
        self.version = hashlib.sha256(
            json.dumps(file.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode()
        ).hexdigest()[:16]
        self.languages = sorted(
            {code for phrases in file.sets.values() for code in phrases}
            | {code for rule in self.rules for code in rule.phrases or ()}
        )
        self.matcher = Matcher(
            {**self.sets, EXCEPTIONS: file.exceptions},
            file.words,
            file.negators,
            file.concealers,
            file.breaks,
        )

    def action(self, rule: Rule) -> Action:
        """What is done with what a rule finds."""
        return Action[(rule.action or self.categories[rule.category].action).upper()]


def _flatten(phrases: Phrases) -> list[str]:
    return [phrase for language in phrases.values() for phrase in language]


def _check(policy: Policy, file: PolicyFile) -> None:
    ids = [rule.id for rule in file.rules]
    for name in file.disable:
        rule = next((rule for rule in file.rules if rule.id == name), None)
        if rule is None:
            raise BadInput(f"there is no rule {name}", "see `hinode policy check`", field="disable")
        category = policy.categories.get(rule.category)
        if category is not None and category.locked:
            message = f"rule {name} of the category {rule.category} cannot be disabled"
            raise BadInput(message, "leave it out", field="disable")
    for rule in file.rules:
        field = f"rules.{rule.id}"
        if ids.count(rule.id) > 1:
            raise BadInput(f"there are two rules {rule.id}", "rename one", field=f"{field}.id")
        if rule.category not in policy.categories:
            message = f"rule {rule.id} is of the category {rule.category}, which is not defined"
            raise BadInput(message, "define it under categories", field=f"{field}.category")
        for name in rule.near or ():
            if name not in policy.sets:
                message = f"rule {rule.id} names the set {name}, which is not defined"
                raise BadInput(message, "define it under sets", field=f"{field}.near")
        if policy.categories[rule.category].locked and rule.action not in (None, "block"):
            message = f"rule {rule.id} weakens the category {rule.category}"
            raise BadInput(message, "leave action out", field=f"{field}.action")
    for name, phrases in (*policy.sets.items(), (EXCEPTIONS, file.exceptions)):
        for phrase in phrases:
            letters = normalise.without_spaces(normalise.fold(phrase))
            if not letters or (phrase.endswith("*") and len(letters) < MIN_PREFIX):
                message = f"the phrase {phrase!r} of {name} is too short"
                field = _place(name)
                raise BadInput(message, f"give {MIN_PREFIX} letters before *", field=field)


def _place(name: str) -> str:
    """Where the phrases of a set of the matcher are in a file."""
    if name == EXCEPTIONS:
        return name
    return f"rules.{name.removeprefix('rule ')}.phrases" if name.startswith("rule ") else f"sets.{name}"


def read(text: str, what: str = "the policy") -> PolicyFile:
    """A policy file from its YAML.

    Raises:
        BadInput: it is not YAML, or a part of it is wrong, or it has references, of which a few lines can
            stand for gigabytes.
    """
    # Every value is text, so that the words "no" and "on" are words; `parse` reads numbers from text.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise BadInput(f"{what} has a reference", "write out what it stands for", field="policy")
        values = yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise NotYaml(what, fault_line(error, text)) from None
    return parse(PolicyFile, values or {}, what=what, field="policy")


@lru_cache(maxsize=1)
def _builtin_file() -> PolicyFile:
    return read(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def builtin() -> Policy:
    """The policy that Hinode ships."""
    return Policy(_builtin_file())


def extend(base: PolicyFile, file: PolicyFile) -> PolicyFile:
    """A policy with the parts of another added; a rule with the same id and a category's fields replace those
    of the base.

    Raises:
        BadInput: a locked category is weakened or a rule of it replaced.
    """
    categories = {name: dict(values) for name, values in base.categories.items()}
    for name, values in file.categories.items():
        before = categories.get(name, {})
        if before.get("locked") and (
            values.get("action", "block") != "block" or not values.get("locked", True)
        ):
            message = f"the category {name} cannot be weakened"
            raise BadInput(message, "leave its action out", field=f"categories.{name}")
        categories[name] = before | values
    replaced = {rule.id for rule in file.rules}
    for rule in base.rules:
        if rule.id in replaced and categories[rule.category].get("locked"):
            message = f"rule {rule.id} of the category {rule.category} cannot be replaced"
            raise BadInput(message, "add a rule with another id", field="rules")
    return PolicyFile(
        categories=categories,
        sets=_merge_sets(base.sets, file.sets),
        rules=[*(rule for rule in base.rules if rule.id not in replaced), *file.rules],
        disable=[*base.disable, *file.disable],
        exceptions=[*base.exceptions, *file.exceptions],
        words=[*base.words, *file.words],
        negators=[*base.negators, *file.negators],
        concealers=[*base.concealers, *file.concealers],
        breaks=[*base.breaks, *file.breaks],
        guards=[*base.guards, *file.guards],
        speech=file.speech or base.speech,
        guard_failure=file.guard_failure,
    )


def _merge_sets(
    first: Mapping[str, Phrases], second: Mapping[str, Phrases]
) -> dict[str, dict[str, list[str]]]:
    result = {name: {code: list(texts) for code, texts in phrases.items()} for name, phrases in first.items()}
    for name, phrases in second.items():
        for code, texts in phrases.items():
            result.setdefault(name, {}).setdefault(code, []).extend(texts)
    return result


def compiled(file: PolicyFile) -> Policy:
    """The policy of an operator's file, which extends the one that Hinode ships unless it says otherwise.

    Raises:
        BadInput: a part of it is wrong.
    """
    return Policy(file if file.extends == "nothing" else extend(_builtin_file(), file))


def load(path: Path | None) -> Policy:
    """The policy of a server: that of an operator's file, or the one that Hinode ships if there is none.

    A file with `extends: nothing` replaces it. Compiling takes a fraction of a second; a file is compiled
    again only after it changed.

    Raises:
        BadInput: the file cannot be read, or a part of it is wrong.
    """
    if path is None:
        return builtin()
    try:
        status = path.stat()
    except FileNotFoundError:
        return builtin()
    except OSError as error:
        message = f"the policy {path} cannot be read: {error.strerror}"
        raise BadInput(message, "correct its permissions", field="policy") from error
    return _load(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, modified: int, size: int) -> Policy:
    if size > MAX_BYTES:
        raise BadInput(f"the policy {path} has more than {MAX_BYTES:,} bytes", "shorten it", field="policy")
    try:
        file = read(path.read_text(encoding="utf-8"), f"the policy {path}")
    except (OSError, UnicodeError) as error:
        message = f"the policy {path} cannot be read as UTF-8 text"
        raise BadInput(message, "save it again", field="policy") from error
    return compiled(file)


def title_of(titles: Mapping[str, str], category: str | None) -> str:
    """A category in words; one that the policy does not have any more, or of a guard, by its name."""
    return titles.get(category or "") or (category or "").replace("_", " ")


def phrases_of(policy: Policy, rule: Rule) -> Sequence[Sequence[str]]:
    """The phrases of each set of a rule, without the sign for prefixes."""
    return [[phrase.removesuffix("*") for phrase in policy.sets[name]] for name in rule.sets]
