"""Drafts of loops, blends, retakes, recuts and storyboards, which Sora's API does not have.

Each function raises the same as `admission.create`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from hinode.api.requests.admission import Admission, Drafter, Owner, with_files
from hinode.api.requests.models import BlendVideos, LoopVideo, RecutVideo, RetakeVideo, Storyboard
from hinode.directing import operations
from hinode.directing.films import continuity, parser
from hinode.directing.films.storyboard import VIDEO
from hinode.errors import BadInput, quote
from hinode.jobs.job import Draft
from hinode.request import Segment

LOOP_SECONDS = 4.0
"""Default length of a loop without a video."""
TOLERANCE_SECONDS = 0.05
"""How far a shot may extend beyond the end of its video, since lengths are rounded."""
USE_COMMAND = "render the film with the command hinode storyboard"
UNSUPPORTED_FIELDS = {
    "camera": "set the camera of the whole film",
    "path": "set the path of the whole film",
    "seed": "set the seed of the whole film",
    "keyframes": f"leave them out, or {USE_COMMAND}",
    "references": f"leave them out, or {USE_COMMAND}",
}
"""Fields that a shot cannot have of its own in one job, and what to do instead."""


def loop(admission: Admission, body: LoopVideo, owner: Owner) -> list[Draft]:
    """A clip whose end leads to its beginning, from a prompt or a video."""
    drafter = Drafter(admission, body, owner)
    video = None if body.video is None else drafter.file(body.video, "video")
    default = LOOP_SECONDS if video is None else video.seconds
    base = drafter.base("loop", body.prompt, body.seconds or default, body.size)
    return drafter.source_drafts(operations.loop(base, video, body.seconds))


def blend(admission: Admission, body: BlendVideos, owner: Owner) -> list[Draft]:
    """Two videos with a transition."""
    drafter = Drafter(admission, body, owner)
    first, second = (drafter.file(video, "videos") for video in body.videos)
    base = drafter.base("blend", body.prompt, first.seconds)
    strength = operations.BLEND_STRENGTH if body.strength is None else body.strength
    request = operations.blend(
        base,
        first,
        second,
        body.seconds,
        leave=body.start,
        enter=body.end,
        curve=body.curve,
        strength=strength,
    )
    return drafter.source_drafts(request)


def retake(admission: Admission, body: RetakeVideo, owner: Owner) -> list[Draft]:
    """A video with a span rendered again."""
    drafter = Drafter(admission, body, owner)
    video = drafter.file(body.video, "video")
    base = drafter.base("retake", body.prompt, video.seconds)
    end = video.seconds if body.end is None else body.end
    return drafter.source_drafts(operations.retake(base, video, body.start, end))


def recut(admission: Admission, body: RecutVideo, owner: Owner) -> list[Draft]:
    """A span of a video, with new parts before and after it."""
    drafter = Drafter(admission, body, owner)
    video = drafter.file(body.video, "video")
    base = drafter.base("recut", body.prompt, video.seconds)
    end = video.seconds if body.end is None else body.end
    return drafter.source_drafts(operations.recut(base, video, body.start, end, body.before, body.after))


def storyboard(admission: Admission, body: Storyboard, owner: Owner) -> list[Draft]:
    """A film of several shots."""
    parser.check(body)
    for fault in _faults(body):
        raise _refusal(*fault)
    model = "/".join(filter(None, (body.engine, body.model))) or None
    drafter = Drafter(admission, body.model_copy(update={"model": model}), owner)
    segments = tuple(_segment(body, index, drafter) for index in range(len(body.shots)))
    prompts = [segment.prompt for segment in segments if segment.prompt]
    prompt = body.prompt or body.title or " / ".join(prompts) or "a film"
    seconds = round(sum(segment.seconds for segment in segments), 6)
    base = drafter.base("storyboard", prompt, seconds)
    width, height = body.size or base.size  # videos of other sizes are cropped
    base = dataclasses.replace(base, width=width, height=height, segments=segments)
    request = with_files(base, drafter.files)
    return drafter.source_drafts(request)


def _refusal(field: str, message: str, remedy: str) -> BadInput:
    return BadInput(f"{field}: {message}", remedy, field=field)


def _faults(body: Storyboard) -> Iterator[tuple[str, str, str]]:
    """The field, the cause and the remedy of what the one job of a film cannot do."""
    for name, character in body.characters.items():
        if not isinstance(character, str):
            yield f"characters.{name}", "the API reads no character from a file", "describe it in words"
    for index, shot in enumerate(body.shots):
        transition, source = body.transition(index), body.source(index)
        for name, remedy in UNSUPPORTED_FIELDS.items():
            if getattr(shot, name) not in (None, ()):
                yield f"shots.{shot.id}.{name}", "one job renders all shots of the film", remedy
        if transition.overlap:
            message = f"one job renders no {transition.kind}"
            yield f"shots.{shot.id}.transition", message, f"choose cut or continue, or {USE_COMMAND}"
        if source is not None and (index == 0 or source != body.shots[index - 1].id):
            message = "a shot can continue only the shot before it"
            yield f"shots.{shot.id}.from", message, f"change the order of the shots, or {USE_COMMAND}"
        if shot.video is not None and shot.video.lower().endswith(VIDEO):
            message = f"the server has no file {quote(shot.video)}"
            yield f"shots.{shot.id}.video", message, "upload it to /v1/files and give its id"


def _segment(body: Storyboard, index: int, drafter: Drafter) -> Segment:
    shot = body.shots[index]
    cut = index > 0 and body.transition(index).kind == "cut" and body.source(index) is None
    if shot.video is None:
        characters = {name: words for name, words in body.characters.items() if isinstance(words, str)}
        return Segment(shot.seconds, prompt=continuity.scene_prompt(body, shot, characters), cut=cut)
    video = drafter.file(body.video(shot.video), f"shots.{shot.id}.video")
    if shot.start + shot.seconds > video.seconds + TOLERANCE_SECONDS:
        message = f"it ends at {shot.start + shot.seconds:g} s of a video that has {video.seconds:g} s"
        raise _refusal(f"shots.{shot.id}.seconds", message, "stay within the video")
    return Segment(shot.seconds, keep=video.digest, start=shot.start, cut=cut)
