"""Screening of texts by the rules of a policy: pure, without models, in milliseconds."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hinode.trust.screening import normalise
from hinode.trust.screening.matching import Hit
from hinode.trust.screening.normalise import Word
from hinode.trust.screening.policy import EXCEPTIONS, NEGATIVE, Policy, Rule
from hinode.trust.screening.verdict import Finding, Stage, Text, Verdict

LETTERS_PER_WORD = 6
"""For positions that are counted in letters."""
MAX_COMBINATIONS = 2000
"""Of the phrases of a rule that are compared in one text."""
MIN_REVERSED = 3
"""Letters of a word that is read backwards; shorter ones are words too often."""

Hits = Mapping[str, Sequence[Hit]]
Allowed = Mapping[str, frozenset[str]]


def screen(
    policy: Policy,
    texts: Sequence[Text],
    *,
    ancestors: Sequence[str] = (),
    allowed_names: Mapping[str, Collection[str]] | None = None,
) -> Verdict:
    """What a policy says about the texts of one request.

    Args:
        policy: the rules.
        texts: each with its gate and field. Several are read together too, since words can be divided among
            the fields of a storyboard.
        ancestors: prompts of the videos that the request continues, the oldest first. They passed alone; what
            is found here is what they say together with the new texts.
        allowed_names: names that may be used, by category, such as those of licensed characters. They count
            in categories of names only.
    """
    allowed = {
        category: frozenset(normalise.without_spaces(normalise.fold(name)) for name in names)
        for category, names in (allowed_names or {}).items()
        if category in policy.categories and policy.categories[category].names
    }
    findings = [
        finding for text in texts for finding in _find(policy, text.text, text.stage, text.field, allowed)
    ]
    shown = [text.text for text in texts if text.field != NEGATIVE]
    together = list(dict.fromkeys(shown))
    if len(together) > 1:
        joined = normalise.sentence(together)
        findings += _find(policy, joined, Stage.STORYBOARD, texts[0].field, allowed, together=True)
    if ancestors:
        joined = normalise.sentence([*ancestors, *together])
        field = texts[0].field if texts else "prompt"
        findings += _find(policy, joined, Stage.REMIX_CHAIN, field, allowed, together=True)
    unique: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        unique.setdefault((finding.rule, finding.field), finding)
    return Verdict(tuple(unique.values()), policy.version)


def _find(
    policy: Policy,
    text: str,
    stage: Stage,
    field: str,
    allowed: Allowed,
    *,
    together: bool = False,
) -> list[Finding]:
    """The findings in one text; with `together` phrases of a rule may be any number of words apart."""
    rules = [rule for rule in policy.rules if (NEGATIVE in (rule.fields or ())) == (field == NEGATIVE)]
    findings: dict[str, Finding] = {}
    text = text[: normalise.MAX_CHARACTERS]
    for reading, hits, letters in _readings(policy, text):
        by_set = _sort(hits)
        if not by_set:
            continue
        for rule in rules:
            if rule.id in findings or not all(name in by_set for name in rule.sets):
                continue
            width = len(text) if together else rule.within * (LETTERS_PER_WORD if letters else 1)
            if _holds(rule, by_set, width, allowed.get(rule.category, frozenset())):
                action = policy.action(rule)
                findings[rule.id] = Finding(rule.category, rule.id, action, stage, reading, field)
    return list(findings.values())


def _readings(policy: Policy, text: str, hidden: bool = False) -> Iterator[tuple[str, list[Hit], bool]]:
    """Each reading of a text with the phrases in it, and whether positions are those of letters."""
    matcher = policy.matcher
    plain = normalise.skeleton(text)
    words, bare = normalise.words(normalise.fold(text)), normalise.words(plain)
    loose = normalise.disguised_words(text)
    hits = matcher.plain(words)
    disguised = matcher.disguised(loose)
    yield "plain", hits, False
    yield "disguised letters", disguised, False
    others: list[Hit] = []
    for letters in normalise.unspaced_variants(text):
        if found := matcher.unspaced(letters):
            # Rules may name phrases of both kinds of script.
            yield "without spaces", found + _in_letters(hits, words) + _in_letters(disguised, loose), True
            others += [replace(hit, disguised=False, anywhere=True) for hit in found]
    yield "written together", matcher.glued(bare) + others, False
    divided = normalise.divide(text)
    if divided != text:
        yield "written together", matcher.bare(normalise.words(normalise.skeleton(divided))) + others, False
    for joined in normalise.joined_words(plain):
        yield "written apart", matcher.disguised(joined) + matcher.glued(joined) + others, False
    for row in normalise.rows(plain):
        yield "written apart", matcher.row(row) + others, True
    if hidden:
        return
    for backwards in normalise.reversals(plain):
        found = matcher.bare(backwards)
        # Short words read backwards are words too often to be found alone.
        hits = [
            replace(hit, negated=False, disguised=len(hit.phrase) >= MIN_REVERSED or bool(others))
            for hit in found
        ]
        yield "backwards", hits + others, False
    rotated = normalise.words(normalise.skeleton(normalise.rot13(text)))
    yield "rot13", matcher.bare(rotated) + others, False
    for code, inner in normalise.hidden_texts(text):
        for _, hits, in_letters in _readings(policy, inner, hidden=True):
            yield code, hits, in_letters


def _in_letters(hits: Iterable[Hit], words: Sequence[Word]) -> list[Hit]:
    """Hits whose positions are those of letters."""
    starts = list(itertools.accumulate((len(word.text) for word in words), initial=0))
    return [replace(hit, start=starts[hit.start], end=starts[hit.end]) for hit in hits]


def _sort(hits: Iterable[Hit]) -> dict[str, list[Hit]]:
    """Hits by set, without those inside an exception."""
    by_set: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_set[hit.set].append(hit)
    spans = [(hit.start, hit.end) for hit in by_set.pop(EXCEPTIONS, ())]
    if not spans:
        return by_set
    result = {
        name: [hit for hit in found if not any(s <= hit.start and hit.end <= e for s, e in spans)]
        for name, found in by_set.items()
    }
    return {name: found for name, found in result.items() if found}


def _holds(rule: Rule, by_set: Hits, width: int, allowed: frozenset[str]) -> bool:
    """Whether the phrases of a rule stand near each other, none of them negated or allowed."""
    sets = [
        [hit for hit in by_set[name] if not (hit.negated and rule.negatable) and hit.phrase not in allowed]
        for name in rule.sets
    ]
    for chosen in itertools.islice(itertools.product(*sets), MAX_COMBINATIONS):
        if not any(hit.disguised for hit in chosen):
            continue
        if any(hit.anywhere for hit in chosen):
            return True
        start, end = min(hit.start for hit in chosen), max(hit.end for hit in chosen)
        if end - start - sum(hit.end - hit.start for hit in chosen) <= width:
            return True
    return False
