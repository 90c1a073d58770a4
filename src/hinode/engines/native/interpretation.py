"""What the engine made of a prompt, in one line: it is shown to the person with the clip."""

from __future__ import annotations

from hinode.engines.native.plan import Plan
from hinode.errors import join_names
from hinode.world.caption import VOCABULARY, words
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts, parse
from hinode.world.scene import MAX_SUBJECTS, SUBJECTS


def interpret(plan: Plan) -> str:
    """What was understood, what was left to the model, and what was added to the prompt or left out of it."""
    notes = [describe(parse(plan.prompt)), *_readings(parse(plan.request.prompt))]
    texts = plan.composition.texts
    if len(texts) > 1:
        notes.append(f"each of the {len(texts)} subjects drawn in a place of its own")
    if plan.prompt != plan.request.prompt:
        notes.append(f"expanded to: {plan.prompt}")
    count, maximum = max(len(_vocabulary_words(text)) for text in texts), plan.card.words
    if count > maximum:
        notes.append(f"only the first {maximum} of {count} known words were read")
    if plan.request.negative_prompt:
        avoided = " ".join(_vocabulary_words(plan.request.negative_prompt)[:maximum])
        notes.append(f"avoided: {avoided or 'nothing, no word of the negative prompt is known'}")
    return "; ".join(notes)


def _readings(parsed: ParsedPrompt) -> list[str]:
    """What was read otherwise than it was written, what is left out, and what is known if a word is not."""
    notes = [f"{word} read as {meant}" for word, meant in parsed.readings]
    notes += [f"without {value}" for _, value in parsed.absent]
    spoken = sum(mention.count for mention in parsed.mentions)
    if spoken > len(parsed.subjects):
        notes.append(f"a clip has {MAX_SUBJECTS} subjects at most")
    if parsed.not_understood:
        notes.append(f"the model draws {join_names(SUBJECTS)}")
    return notes


def describe(parsed: ParsedPrompt) -> str:
    """The facts of a prompt, and those that it leaves to the model."""
    facts: list[str] = []
    open_facts: list[str] = []
    for subject in parsed.subjects or (SubjectFacts(),):
        facts.append(" ".join(filter(None, (subject.color, subject.kind, subject.motion))))
        values = {"subject": subject.kind, "color": subject.color, "motion": subject.motion}
        open_facts += [name for name, value in values.items() if value is None]
    if parsed.relation is not None:
        facts.append(f"the first {parsed.relation} the second")
    scene = {name: getattr(parsed, name) for name in ("time", "place", "weather", "camera")}
    facts += [f"{name} {value}" for name, value in scene.items() if value is not None]
    open_facts += [name for name, value in scene.items() if value is None]
    text = ", ".join(filter(None, facts)) or "nothing that it knows"
    if open_facts:
        text += f"; chosen by the model: {', '.join(dict.fromkeys(open_facts))}"
    return text


def _vocabulary_words(text: str) -> list[str]:
    return [word for word in words(text) if word in _WORDS]


_WORDS = frozenset(VOCABULARY)
