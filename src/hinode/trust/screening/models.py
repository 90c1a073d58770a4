"""Guards that are models behind an endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

from hinode.clip import Frames
from hinode.outbound import Outbound
from hinode.trust.screening.guards import GuardError, Item, action_of
from hinode.trust.screening.policy import GuardEntry, Policy
from hinode.trust.screening.verdict import Action, Finding, Stage, Verdict

MAX_ANSWER_BYTES = 1 << 20
MAX_TOKENS = 256
PICTURE_SIDE, PICTURE_QUALITY = 896, 88
"""Of the JPEG that a model sees of a frame: the longer side in pixels at most."""
TEXT_STAGES = frozenset(
    {Stage.PROMPT, Stage.EXPANDED_PROMPT, Stage.STORYBOARD, Stage.REMIX_CHAIN, Stage.TRANSCRIPT}
)
PICTURE_STAGES = frozenset({Stage.REFERENCE, Stage.FRAMES})

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


class ModelGuard:
    """A model that judges texts, pictures or both.

    Qwen3Guard and Llama Guard judge by their own categories. gpt-oss-safeguard reads the categories of the
    policy. Pictures are sent one by one, as a JPEG in a data URL.
    """

    def __init__(self, entry: GuardEntry, outbound: Outbound, key: str = "") -> None:
        """
        Args:
            entry: how the policy names it.
            outbound: sends the request; a guard in the own network needs one that allows private addresses.
            key: sent as a bearer token.
        """
        self.entry = entry
        self.name = entry.name
        self.outbound = outbound
        self.key = key
        self.stages = frozenset[Stage]()
        if entry.looks_at != "pictures":
            self.stages |= TEXT_STAGES
        if entry.looks_at != "text":
            self.stages |= PICTURE_STAGES

    def check(self, item: Item, policy: Policy) -> Verdict:
        """See `Guard`; raises GuardError or OutboundError."""
        findings: list[Finding] = []
        for content in _contents(item):
            answer = self._answer(content, policy)
            findings += (
                Finding(
                    category,
                    self.name,
                    Action.REVIEW if mild else action_of(policy, category),
                    item.stage,
                    "guard",
                    item.field,
                )
                for category, mild in answer
            )
        return Verdict(tuple(dict.fromkeys(findings)), policy.version)

    def _answer(self, content: Any, policy: Policy) -> Found:
        """What the model says about a text, or about a picture in the form of chat completions."""
        messages = [{"role": "user", "content": content}]
        if self.entry.dialect == "policy":
            messages.insert(0, {"role": "system", "content": _instructions(policy)})
        body = {"model": self.entry.model, "messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0}
        address, kind = self.entry.url.rstrip("/") + "/chat/completions", "application/json"
        seconds = policy.guard_failure.seconds
        data = post(
            self.outbound, self.name, address, json.dumps(body).encode(), kind, self.key, seconds=seconds
        )
        try:
            text = json.loads(data)["choices"][0]["message"]["content"]
            read = {"qwen3guard": read_qwen3guard, "llama-guard": read_llama_guard, "policy": read_json}
            return read[self.entry.dialect](text)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise GuardError(f"the guard {self.name} gave no answer that can be read") from error


def post(
    outbound: Outbound, name: str, address: str, body: bytes, media_type: str, key: str, *, seconds: float
) -> bytes:
    """The body of the answer of a guard; raises GuardError if its status is not 200, and OutboundError if
    there is none."""
    headers = {"Content-Type": media_type, "Content-Length": str(len(body))}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    parts: list[bytes] = []
    answer = outbound.post(
        address, body, headers, seconds=seconds, into=parts.append, max_bytes=MAX_ANSWER_BYTES
    )
    if answer.status != 200:
        raise GuardError(f"the guard {name} answered {answer.status}")
    return b"".join(parts)


def _contents(item: Item) -> Iterator[Any]:
    """The messages about an item, as chat completions have them."""
    if item.frames is None:
        yield item.text
        return
    for frame in item.frames:
        picture = {"type": "image_url", "image_url": {"url": _data_url(frame)}}
        yield [{"type": "text", "text": "A frame of a video."}, picture]


def _data_url(frame: Frames) -> str:
    image, file = Image.fromarray(frame), io.BytesIO()
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    image.save(file, "JPEG", quality=PICTURE_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _instructions(policy: Policy) -> str:
    lines = [f"- {name}: {category.title}" for name, category in policy.categories.items()]
    return (
        "Judge whether a prompt for a video asks for, or a frame of one shows, content of one of these "
        "categories:\n" + "\n".join(lines) + '\nAnswer with JSON only: {"violation": 0 or 1, "category": its '
        "name or null}."
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
