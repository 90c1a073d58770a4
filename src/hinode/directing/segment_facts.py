"""What the prompts of a clip's segments need not say, because it is shown beside them."""

from __future__ import annotations

from hinode.directing import source_facts
from hinode.directing.layout import Layout
from hinode.directing.source_facts import LASTING, Facts
from hinode.engines.native.expansion import expand_prompt
from hinode.world.prompts.prompt import parse


def detect(layout: Layout) -> list[Facts]:
    """For each segment, the facts that hold where its prompt leaves them open.

    They are those of the video that it goes on from, leads to or is drawn over, of a picture in it, or of the
    segment before it. A segment that begins anew has those of the first prompt that says them.

    Raises:
        BadInput: a reference cannot be read.
    """
    request, segments = layout.request, layout.segments
    if layout.edits:
        assert request.source is not None, "an edit has a source"
        return [source_facts.detect(request.source, end=False, min_confidence=0.0)]
    facts: list[Facts] = [{} for _ in segments]
    if not source_facts.completes(request, layout.capabilities):
        return facts
    spoken = [_read(segment.prompt) for segment in segments]
    film: Facts = {}
    colors: dict[str, str] = {}
    for shot_facts in spoken:
        film = shot_facts | film
        if shot_facts.keys() >= {"subject", "color"}:
            colors.setdefault(shot_facts["subject"], shot_facts["color"])
    before: Facts = {}
    for index, segment in enumerate(segments):
        if segment.keep:
            continue
        around = _look(layout, index)
        if around is None:
            around = before if index > 0 and not segment.cut else film
        subject = spoken[index].get("subject") or around.get("subject", "")
        color = around.get("color") if subject == around.get("subject") else None
        context = around | {"subject": subject, "color": color or colors.get(subject, "")}
        facts[index] = {name: value for name, value in context.items() if value}
        text = segment.prompt or request.prompt
        before = _read(expand_prompt(text, request.seed, motion=not request.path, defaults=facts[index]))
    return facts


def _look(layout: Layout, index: int) -> Facts | None:
    """What the video or picture beside, under or in a segment shows; None if there is none."""
    segments, references = layout.segments, layout.request.references
    segment = segments[index]
    previous = segments[index - 1] if index > 0 and not segment.cut else None
    following = next((after for after in segments[index + 1 : index + 2] if not after.cut), None)
    files = {reference.digest: reference for reference in references}
    if previous is not None and previous.keep and not segment.onto:
        span = previous.start, previous.start + previous.seconds
        return source_facts.detect(files[previous.keep], end=True, span=span)
    if following is not None and following.keep and (previous is None or segment.onto):
        span = following.start, following.start + following.seconds
        return source_facts.detect(files[following.keep], end=False, span=span)
    if segment.guide:
        return source_facts.detect(files[segment.guide], end=False)
    begin, end = (edge / float(layout.fps) for edge in layout.edges[index : index + 2])
    picture = source_facts.first_picture(picture for picture in references if begin <= picture.at < end)
    return None if picture is None else source_facts.detect(picture, end=False)


def _read(text: str) -> Facts:
    """The lasting facts that a prompt states."""
    return {name: value for name, value in parse(text).facts().items() if name in LASTING}
