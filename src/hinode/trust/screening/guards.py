"""Guards: models and lists that judge what rules cannot read, behind one interface; one that fails blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from hinode.background import start_call
from hinode.clip import Frames
from hinode.errors import HinodeError
from hinode.outbound import Outbound
from hinode.trust.screening.policy import Dialect, Policy
from hinode.trust.screening.verdict import Action, Finding, Stage, Verdict

MAX_ANSWER_BYTES = 1 << 20
MAX_TOKENS = 256
FAILURE = "guard_failure"
"""Category of the finding that a guard failed."""


@dataclass(frozen=True)
class Item:
    """What a guard looks at: a text, or frames.

    Attributes:
        stage: the gate.
        text: of a prompt or a transcript.
        frames: uint8 [T, H, W, 3] in sRGB, of a reference or of a clip, or None.
        field: part of the request that it stands in.
    """

    stage: Stage
    text: str = ""
    frames: Frames | None = None
    field: str = "prompt"


class Guard(Protocol):
    """Judges an item. `name` stands in decisions; `stages` are the gates that it is asked at."""

    name: str
    stages: frozenset[Stage]

    def check(self, item: Item, policy: Policy) -> Verdict:
        """What is against an item; raises any exception if that cannot be said."""
        ...


class GuardError(HinodeError):
    """A guard gave no usable answer."""

    code = "guard"


def ask(guards: Sequence[Guard], item: Item, policy: Policy) -> Verdict:
    """The findings of all guards that look at the gate of an item.

    A guard that fails, or takes longer than the policy allows, is a finding itself, with the action that the
    policy has for it: by default the item is blocked.
    """
    asked = [guard for guard in guards if item.stage in guard.stages]
    calls = [(guard, start_call(partial(guard.check, item, policy), guard.name)) for guard in asked]
    verdicts = []
    failure = policy.guard_failure
    for guard, call in calls:
        try:
            verdicts.append(call.result(failure.seconds))
        except Exception:  # whatever it raises, the gate is closed
            action = Action[failure.action.upper()]
            finding = Finding(FAILURE, guard.name, action, item.stage, "guard", item.field)
            verdicts.append(Verdict((finding,) if action else ()))
    return Verdict((), policy.version).joined(verdicts)


QWEN3GUARD: Mapping[str, str] = {
    "violent": "gore",
    "non-violent illegal acts": "illicit",
    "sexual content or sexual acts": "sexual",
    "suicide & self-harm": "self_harm",
    "unethical acts": "hate",
    "copyright violation": "third_party",
    "pii": "real_people",
}
LLAMA_GUARD: Mapping[str, str] = {
    "S1": "gore",
    "S2": "illicit",
    "S3": "intimate_imagery",
    "S4": "sexual_minors",
    "S5": "fraud",
    "S7": "real_people",
    "S8": "third_party",
    "S9": "illicit",
    "S10": "hate",
    "S11": "self_harm",
    "S12": "sexual",
}
"""Categories of MLCommons."""


class TextGuard:
    """A text model behind an endpoint that speaks OpenAI's chat completions.

    Qwen3Guard and Llama Guard judge by their own categories. gpt-oss-safeguard is given the categories of the
    policy.
    """

    stages = frozenset(
        {Stage.PROMPT, Stage.EXPANDED_PROMPT, Stage.STORYBOARD, Stage.REMIX_CHAIN, Stage.TRANSCRIPT}
    )

    def __init__(
        self, name: str, url: str, model: str, dialect: Dialect, outbound: Outbound, key: str = ""
    ) -> None:
        """
        Args:
            name: stands in decisions.
            url: base address, such as https://guard.example.com/v1.
            model: name of the model there.
            dialect: how it answers.
            outbound: sends the request; a guard in the own network needs one that allows private addresses.
            key: sent as a bearer token.
        """
        self.name = name
        self.url = url.rstrip("/") + "/chat/completions"
        self.model = model
        self.dialect = dialect
        self.outbound = outbound
        self.key = key

    def check(self, item: Item, policy: Policy) -> Verdict:
        """See `Guard`; raises GuardError or OutboundError."""
        messages = [{"role": "user", "content": item.text}]
        if self.dialect == "policy":
            messages.insert(0, {"role": "system", "content": _instructions(policy)})
        body = {"model": self.model, "messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0}
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = json.dumps(body).encode()
        headers["Content-Length"] = str(len(data))
        parts: list[bytes] = []
        answer = self.outbound.post(
            self.url,
            data,
            headers,
            seconds=policy.guard_failure.seconds,
            into=parts.append,
            max_bytes=MAX_ANSWER_BYTES,
        )
        if answer.status != 200:
            raise GuardError(f"the guard {self.name} answered {answer.status}")
        try:
            text = json.loads(b"".join(parts))["choices"][0]["message"]["content"]
            read = {"qwen3guard": read_qwen3guard, "llama-guard": read_llama_guard, "policy": read_json}
            found = read[self.dialect](text)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise GuardError(f"the guard {self.name} gave no answer that can be read") from error
        findings = (
            Finding(category, self.name, _action(policy, category, mild), item.stage, "guard", item.field)
            for category, mild in found
        )
        return Verdict(tuple(findings), policy.version)


def _action(policy: Policy, category: str, mild: bool) -> Action:
    """What the policy does about a category; one that it does not have is blocked."""
    if mild:
        return Action.REVIEW
    known = policy.categories.get(category)
    return Action[known.action.upper()] if known else Action.BLOCK


def _instructions(policy: Policy) -> str:
    lines = [f"- {name}: {category.title}" for name, category in policy.categories.items()]
    return (
        "Judge whether a prompt for a video asks for content of one of these categories:\n"
        + "\n".join(lines)
        + '\nAnswer with JSON only: {"violation": 0 or 1, "category": its name or null}.'
    )


Found = list[tuple[str, bool]]
"""Categories, each with whether it is only controversial."""


def read_qwen3guard(text: str) -> Found:
    """Read "Safety: Unsafe" and "Categories: …" lines; raises ValueError if they are not there."""
    safety = re.search(r"Safety:\s*(Safe|Unsafe|Controversial)\b", text)
    if safety is None:
        raise ValueError(text)
    if safety[1] == "Safe":
        return []
    listed = re.search(r"Categories:\s*(.+)", text)
    names = [name.strip().lower() for name in listed[1].split(",")] if listed else ["unsafe"]
    return [(QWEN3GUARD.get(name, name), safety[1] == "Controversial") for name in names]


def read_llama_guard(text: str) -> Found:
    """Read "safe", or "unsafe" and a line of hazards; raises ValueError if it is neither."""
    first, _, rest = text.strip().partition("\n")
    if first.strip() == "safe":
        return []
    if first.strip() != "unsafe":
        raise ValueError(text)
    names = [name.strip() for name in rest.split(",") if name.strip()] or ["unsafe"]
    return [(LLAMA_GUARD.get(name, name), False) for name in names]


def read_json(text: str) -> Found:
    """Read {"violation": 0 or 1, "category": …}; raises ValueError if it is not that."""
    values = json.loads(text[text.index("{") : text.rindex("}") + 1])
    if values["violation"] not in (0, 1):
        raise ValueError(text)
    return [(str(values.get("category") or "unsafe"), False)] if values["violation"] else []


ENTRY_POINTS = "hinode.guards"
"""Group of functions without arguments that return a guard: how a distribution adds one for pictures."""


@lru_cache(maxsize=4)
def configured(policy: Policy) -> tuple[Guard, ...]:
    """The guards that a policy names, and those of installed distributions.

    Raises:
        GuardError: the file of a key cannot be read, or an installed guard cannot be made.
    """
    outbound = Outbound(allow_private=True)  # the operator wrote the addresses
    try:
        named = [
            TextGuard(
                entry.name,
                entry.url,
                entry.model,
                entry.dialect,
                outbound,
                Path(entry.key_file).read_text(encoding="utf-8").strip() if entry.key_file else "",
            )
            for entry in policy.guards
        ]
        return (*named, *(point.load()() for point in entry_points(group=ENTRY_POINTS)))
    except Exception as error:
        raise GuardError(
            f"a guard cannot be made: {error}", "correct the policy or remove the guard"
        ) from error
