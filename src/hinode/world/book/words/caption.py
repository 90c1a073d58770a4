"""Captions from scenes of the picture book, as people type prompts. `parse(text, BOOK)` is their inverse.

Captions have four densities, several grammars, synonyms and clauses in any order. Subjects that are alike are
counted: "two red balloons", "three gulls, one black and two white".
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

from hinode.world.book import priors
from hinode.world.book.scene import DRY, MAX_SUBJECTS, Scene, Subject
from hinode.world.book.words import lexicon
from hinode.world.prompts.grammar import plural
from hinode.world.prompts.language import split_words
from hinode.world.prompts.prompt import ParsedPrompt

DENSITIES = ("tag", "short", "full", "dense")
NUMBERS = {1: ("one",), 2: ("two", "two", "a pair of", "a couple of"), 3: ("three", "three", "a trio of")}
OPENINGS = ("a video of", "a paper cut scene of", "an animation of", "cinematic shot of", "a clip of",
            "a paper cut animation of", "show me")  # fmt: skip
NOBODY = ("an empty {}", "nobody in the {}", "a deserted {}", "the {} with nobody in it", "just the {}",
          "a quiet {}", "the {}")  # fmt: skip
SPEEDS = (("slowly", "gently"), ("quickly", "fast"))
SIZES = (("small", "little", "tiny"), ("large", "big", "huge"))

_TEXTS = [
    text
    for table in (*lexicon.ATTRIBUTES.values(), lexicon.RELATION_WORDS)
    for texts in table.values()
    for text in texts
]
_TEXTS += [text for texts in (*NUMBERS.values(), *SPEEDS, *SIZES) for text in texts]
_NOUNS = {text.split()[-1] for texts in lexicon.KINDS.values() for text in texts}
VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        {
            *lexicon.FILLER,
            *(lexicon.PLURALS.get(noun, plural(noun)) for noun in _NOUNS),
            *(w for text in (*_TEXTS, *lexicon.NEUTRAL, *OPENINGS, *NOBODY) for w in split_words(text)),
        }
    )
)
"""Every word that captions can have."""

_ARTICLE = re.compile(
    r"\b(?:a|an|the) (?!(?:pair|couple|trio|left|right|other|middle|stars|moon|moonlight|dark)\b)"
)


def caption(scene: Scene, rng: random.Random, density: str | None = None, *, camera: bool = True) -> str:
    """Describe a scene in words.

    `density`: one of `DENSITIES`, or None for a random one. "tag" and "short" may leave facts out; "full"
    names the subjects, motions, place and time, and weather and camera unless they are clear and still;
    "dense" names everything, sizes and speeds too. `camera`: whether the text may name its move. The motion
    of a kind that can only stand still may stay unsaid in each.
    """
    density = density or rng.choice(DENSITIES)
    if density not in DENSITIES:
        raise ValueError(f"unknown caption density {density!r}: use one of {', '.join(DENSITIES)}")
    writer = _Writer(
        scene, rng, dense=density == "dense", share={"tag": 0.85, "short": 0.75}.get(density, 1.0)
    )
    text = writer.tags(camera) if density == "tag" else writer.prose(camera)
    return _as_typed(re.sub(r",(?=\s*[,.]|$)", "", text), rng)


def _as_typed(text: str, rng: random.Random) -> str:
    """Articles left out, or sentences with capitals and full stops."""
    style = rng.random()
    if style < 0.15 and not re.search(r" (?:is|are) ", text):
        text = _ARTICLE.sub("", text)
    elif style < 0.4:
        text = ". ".join(part[:1].upper() + part[1:] for part in text.split(". ")) + "."
    return text


def restate(parsed: ParsedPrompt) -> str:
    """The facts of a prompt in the first words of the lexicon, one after the other."""
    parts = []
    for mention in parsed.mentions[:MAX_SUBJECTS]:
        noun = mention.kind or ""
        if mention.count > 1 and noun:
            noun = " ".join([*noun.split()[:-1], lexicon.PLURALS.get(noun, plural(noun.split()[-1]))])
            noun = f"{NUMBERS[min(mention.count, MAX_SUBJECTS)][0]} {noun}"
            noun = noun.replace(" ", f" {mention.color} ", 1) if mention.color else noun
        elif mention.color:
            noun = f"{mention.color} {noun}"
        motion = lexicon.MOTION_WORDS[mention.motion][0] if mention.motion else ""
        parts.append(" ".join(filter(None, (noun, motion))))
    if parsed.relation is not None and len(parts) > 1:
        parts[:2] = [f"{parts[0]} {lexicon.RELATION_WORDS[parsed.relation][0]} {parts[1]}"]
    scene = {name: getattr(parsed, name) for name in ("place", "time", "weather", "camera")}
    facts = [lexicon.ATTRIBUTES[name][value][0] for name, value in scene.items() if value is not None]
    return ", ".join([" and ".join(parts), *facts]) if parts else ", ".join(facts)


class _Writer:
    """The state of writing one caption. `share`: of the facts that are said."""

    def __init__(self, scene: Scene, rng: random.Random, *, dense: bool, share: float) -> None:
        self.scene, self.rng, self.dense, self.share = scene, rng, dense, share

    def prose(self, camera: bool) -> str:
        """One or more sentences."""
        scene, rng = self.scene, self.rng
        around: list[str] = []
        if scene.subjects:
            subject = self.join(self.cast(self.noun_phrase))
            if self.says(self.share):
                around.append(self.place())
        else:
            subject = self.land()
        if self.says(self.share):
            around.append(self.phrase("time", scene.time, adverbial=True))
        if self.says_weather() and not subject.startswith(scene.weather):
            around.append(self.phrase("weather", scene.weather, adverbial=True))
        rng.shuffle(around)
        shot = self.shot(camera, 0.2)
        style = rng.random()
        if style < 0.5 or not around:
            text = " ".join([subject, *around])
        elif style < 0.7:
            text = f"{around[0]}, {' '.join([subject, *around[1:]])}"
        elif style < 0.85:
            text = f"{subject}, {', '.join(around)}"
        else:
            text = f"{subject}. {', '.join(around)}"
        if rng.random() < 0.08 and text.startswith(subject):
            text = f"{rng.choice(OPENINGS)} {text}"
        if shot:
            text = rng.choice((f"{text}, {shot}", f"{text}. {shot}", f"{shot}. {text}", f"{shot}, {text}"))
        return text

    def tags(self, camera: bool) -> str:
        """Facts with commas between."""
        scene = self.scene
        cast = self.cast(lambda members: self.noun_phrase(members, article=False))
        if len(cast) > 1 and scene.relation is not None:
            cast = [self.join(cast)]
        around = [self.phrase("time", scene.time), self.phrase("place", scene.place)]
        around = [tag for tag in around if self.says(self.share)]
        if not (cast or around):
            around = [self.phrase("place", scene.place)]
        if self.says_weather():
            around.append(self.phrase("weather", scene.weather))
        if shot := self.shot(camera, 0.2):
            around.append(shot)
        self.rng.shuffle(around)
        return ", ".join([*cast, *around])

    def says(self, share: float) -> bool:
        """Whether a fact is said that is said so often."""
        return self.rng.random() < share

    def says_weather(self) -> bool:
        """Whether the weather is said; a clear sky is not where there is none, and seldom elsewhere."""
        if self.scene.weather != "clear":
            return self.dense or self.says(self.share)
        return self.scene.place not in DRY and (self.dense or self.says(0.4))

    def shot(self, camera: bool, still: float) -> str:
        """What the camera does, or ""; `still`: how often a still camera is named."""
        move = self.scene.camera
        if not camera or not (self.dense or self.says(self.share if move != "still" else still)):
            return ""
        text = self.phrase("camera", move)
        return f"the {text}" if text.startswith("camera") and self.says(0.8) else text

    def phrase(self, attribute: str, value: str, adverbial: bool = False) -> str:
        """A phrase for one fact, half of the time the first one; `adverbial`: one that fits a sentence."""
        phrases = lexicon.ATTRIBUTES[attribute][value]
        if self.rng.random() < 0.5:
            return phrases[0]
        if adverbial:
            first = ("at ", "in ", "under ", "while ", "by ", "on ", "through ", "during ")
            phrases = tuple(p for p in phrases if p.startswith(first))
        return self.rng.choice(phrases)

    def place(self) -> str:
        """Where it is, such as "over the sea"."""
        text = self.phrase("place", self.scene.place)
        if text.startswith(
            ("in ", "under", "among ", "beneath ", "deep under", "below ", "between ", "downtown")
        ):
            return text
        return f"{self.rng.choice(lexicon.NEAR[self.scene.place])} {text}"

    def land(self) -> str:
        """A scene with nobody in it."""
        text = self.phrase("place", self.scene.place)
        weather = self.scene.weather
        if text.startswith(
            ("in ", "under", "among ", "beneath ", "deep under", "below ", "between ", "downtown")
        ):
            return self.rng.choice((text, f"nothing {text}", f"nobody {text}"))
        if weather in ("rain", "snow", "fog") and self.says(0.3):
            return f"{weather} over the {text}"
        pattern = self.rng.choice(NOBODY)
        return (pattern.replace("an ", "").replace("a ", "") if text.endswith("s") else pattern).format(text)

    def join(self, cast: list[str]) -> str:
        """The descriptions of all subjects, with their relation if there is one."""
        scene, rng = self.scene, self.rng
        if scene.relation is None or len(cast) < 2 or not self.says(max(self.share, 0.85)):
            if len(cast) > 2 and rng.random() < 0.5:
                return f"{', '.join(cast[:-1])} and {cast[-1]}"
            return " and ".join(cast)
        phrases = lexicon.RELATION_WORDS[scene.relation]
        phrase = phrases[0] if rng.random() < 0.5 else rng.choice(phrases)
        return " and ".join([f"{cast[0]} {phrase} {cast[1]}", *cast[2:]])

    def cast(self, describe: Callable[[list[Subject]], str]) -> list[str]:
        """A description of each subject, and one of all that are alike."""
        subjects = list(self.scene.subjects)
        alike = len(subjects) > 1 and len({(s.kind, s.motion) for s in subjects}) == 1
        if alike and self.scene.relation is None and self.says(0.9):
            return [describe(subjects)]
        return [describe([subject]) for subject in subjects]

    def noun_phrase(self, members: list[Subject], *, article: bool = True) -> str:
        """One subject, or several that differ at most in their colours."""
        rng, head, count = self.rng, members[0], len(members)
        noun = self.phrase("kind", head.kind)
        colors = Counter(member.color for member in members)
        color = self.phrase("color", head.color)
        behind = ""
        if count > 1:
            *before, last = noun.split()
            noun = " ".join([*before, lexicon.PLURALS.get(last, plural(last))])
        bare = noun
        if len(colors) > 1:
            parts = [f"{rng.choice(NUMBERS[number][:1])} {self.phrase('color', name)}"
                     for name, number in colors.items()]  # fmt: skip
            if len(parts) == 2 and count == 2 and rng.random() < 0.4:
                parts[1] = f"the other {parts[1].split(maxsplit=1)[1]}"
            behind = f"{', '.join(parts[:-1])} and {parts[-1]}"
        elif article and rng.random() < 0.1:
            behind = color
        else:
            noun = f"{color} {noun}"
        if self.dense and rng.random() < 0.5:
            low, high = priors.SIZES[head.kind]
            large = head.size > (low + high) / 2 * (1.0, 0.85, 0.72)[len(self.scene.subjects) - 1]
            noun = f"{rng.choice(SIZES[large])} {noun}"
        if count > 1:
            noun = f"{rng.choice(NUMBERS[count])} {noun}"
        elif article:
            definite = len(self.scene.subjects) == 1 and self.says(0.1)
            noun = f"{'the' if definite else 'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        motion = self.motion(head, many=count > 1)
        if len(colors) > 1:
            return (
                f"{noun}{motion}, {behind}," if not motion or self.says(0.5) else f"{noun}, {behind},{motion}"
            )
        if behind:
            verb = "are" if count > 1 else "is"
            if self.says(0.5):
                return f"{noun} that {verb} {behind}{motion}"
            return f"{noun}{motion}. the {bare} {verb} {behind}"
        return f"{noun}{motion}"

    def motion(self, subject: Subject, *, many: bool) -> str:
        """What a subject does, with a space before it; "" if it is not said."""
        rng = self.rng
        rooted = priors.MOTIONS[subject.kind] == ("still",) and subject.motion == "still"
        if not self.says(0.4 if rooted else max(self.share, 0.85)):
            return ""
        text = self.phrase("motion", subject.motion)
        if subject.motion == "still" and subject.kind in lexicon.STILL_VERBS and rng.random() < 0.7:
            text = rng.choice(lexicon.STILL_VERBS[subject.kind])
        ongoing = text.split()[0].endswith("ing")
        if many and not ongoing and text.split()[0].endswith("s"):  # "goes left" is said of a single one
            text, ongoing = lexicon.MOTION_WORDS[subject.motion][0], True
        if self.dense and subject.motion != "still" and rng.random() < 0.4:
            text = f"{text} {rng.choice(SPEEDS[subject.speed > 1.0])}"
        verb = "are " if many else "is "
        return f" {verb if ongoing and rng.random() < 0.12 else ''}{text}"
