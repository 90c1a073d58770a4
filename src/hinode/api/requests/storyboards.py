"""Drafts of the shots of a storyboard, and of the film of its shots.

Each function raises the same as `admission.create`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from hinode.api.requests.admission import Admission, Drafter, Owner, with_descriptions, with_files
from hinode.api.requests.inputs import PNG
from hinode.api.requests.models import MAX_VIDEOS, Limited, Priority, VideoRequest
from hinode.api.requests.values import ImageReference, VideoReference
from hinode.directing import camera, operations
from hinode.directing.films import continuity
from hinode.directing.films import storyboard as language
from hinode.errors import BadInput, join_names
from hinode.jobs.files.characters import Character
from hinode.jobs.job import Draft
from hinode.jobs.storyboards.document import Document, DocumentReference, DocumentShot
from hinode.jobs.storyboards.files import to_script
from hinode.jobs.storyboards.storyboards import Storyboard, find_shot
from hinode.parsing import INTEGER, parse
from hinode.request import (
    FIRST_FRAME,
    KEYFRAME,
    LAST_FRAME,
    MAX_SEED,
    MediaFile,
    Reference,
    Request,
    Segment,
    Trajectory,
    parse_size,
)

ROLES = {"first_frame": FIRST_FRAME, "last_frame": LAST_FRAME, "keyframe": KEYFRAME}


class RenderShot(Limited):
    """How a shot is rendered."""

    takes: Annotated[int, Field(ge=1, le=MAX_VIDEOS), INTEGER] = Field(1, description="How many videos.")
    profile: str | None = Field(None, description="Instead of that of the storyboard.")
    model: str | None = Field(None, description="Instead of that of the storyboard.")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), INTEGER] | None = Field(
        None, description="Instead of that of the shot; without any it is a new one."
    )
    priority: Priority = "interactive"


class MakeFilm(Limited):
    """How a film of the shots is made."""

    profile: str | None = Field(None, description="Of the transitions that are drawn.")
    priority: Priority = "interactive"


def render_shot(
    admission: Admission, body: RenderShot, owner: Owner, board: Storyboard, shot_id: str
) -> list[Draft]:
    """Takes of one shot; the others are not touched."""
    document = board.document
    index = find_shot(document, shot_id)
    shot = document.shots[index]
    field = f"shots.{shot.id}"
    if shot.locked:
        raise _refusal(f"{field}.locked", "the shot is locked", "unlock it first")
    if not shot.prompt.strip():
        raise _refusal(f"{field}.prompt", "a shot that is drawn needs one", "add it")
    seeds = (body.seed, shot.seed, document.seed)
    drafter = _drafter(
        admission,
        owner,
        document,
        n=body.takes,
        seed=next((seed for seed in seeds if seed is not None), None),
        model=body.model or document.model,
        profile=body.profile or document.profile,
        priority=body.priority,
        **body.limits,
    )
    before = _shot_before(document, index)
    drafter.continues = (before.video_id,) if before and before.video_id else ()
    drafter.context = tuple(filter(None, (part.prompt.strip() for part in document.shots)))
    characters = [
        admission.inputs.character(name, shot.prompt, owner.project_id, f"{field}.characters", owner.key_id)
        for name in shot.characters
    ]
    request = _shot_request(drafter, board, index, characters)
    drafter.check(dataclasses.replace(request, references=tuple(_stand_ins(document, index, characters))))
    files = list(_files(drafter, document, index, characters))
    guide = next((reference for reference in shot.references if reference.role == "guide"), None)
    if guide is not None:
        video = drafter.file(VideoReference(id=guide.file, file_id=None), f"{field}.references")
        segment = Segment(request.seconds, guide=video.digest, strength=guide.strength)
        request = dataclasses.replace(request, operation="remix", segments=(segment,))
        files = [*drafter.files, *files]
    request = with_files(request, files)
    drafter.check(request)
    drafts = drafter.drafts(request, files)
    return [
        dataclasses.replace(draft, source_id=draft.source_id or (before.video_id if before else None))
        for draft in drafts
    ]


def _drafter(admission: Admission, owner: Owner, document: Document, **fields: Any) -> Drafter:
    """Drafts at the rate of a storyboard."""
    return Drafter(admission, parse(VideoRequest, {"fps": float(document.rate), **fields}), owner)


def _shot_request(
    drafter: Drafter, board: Storyboard, index: int, characters: Sequence[Character]
) -> Request:
    """What a shot is drawn from, without files: words that agree with the other shots, camera and path."""
    document, shot, capabilities = board.document, board.document.shots[index], drafter.model.capabilities
    script = to_script(document, board.title, {})
    script["shots"][index]["prompt"] = with_descriptions(shot.prompt.strip(), characters)
    # The other shots are read too, whoever they name, for what they say of the place and the subjects.
    names = {match[2] for part in document.shots if part.id != shot.id
             for match in language.MENTION.finditer(part.prompt)}  # fmt: skip
    cast = {name: name for name in (*names, *(character.name for character in characters))}
    film = parse(language.Storyboard, script, what="the storyboard")
    prompt = continuity.complete_prompts(film, {**cast, **document.characters}, capabilities)[index]
    seconds, field = document.seconds(shot.frames), f"shots.{shot.id}"
    moves: Trajectory = ()
    addition = ""
    try:
        if shot.camera is not None:
            moves, addition = camera.parse_camera(_without_files(shot.camera), seconds, capabilities)
        path = camera.parse_path(_without_files(shot.path)) if shot.path else ()
    except BadInput as error:
        raise _refusal(f"{field}.{error.field}", error.message, error.remedy) from error
    base = drafter.base("generate", prompt + addition, seconds, parse_size(document.size))
    return dataclasses.replace(base, camera=moves, path=path)


def _without_files(value: object) -> object:
    """Moments, or names of moves; the command reads files too, which a server must not."""
    if isinstance(value, str) and value.lower().endswith(".json"):
        raise BadInput("the server reads no file here", "write the moments themselves", field="camera")
    return value


def _shot_before(document: Document, index: int) -> DocumentShot | None:
    """The shot that a shot goes on from, if it does."""
    if index == 0 or document.shots[index].transition.kind != "continue":
        return None
    return document.shots[index - 1]


def _references(document: Document, shot: DocumentShot) -> Iterator[tuple[DocumentReference, str, float]]:
    """The pictures of a shot, each with its role and its moment."""
    for part in shot.references:
        if part.role in ROLES:
            at = document.seconds(part.frame) if part.role == "keyframe" else 0.0
            yield part, ROLES[part.role], at


def _stand_ins(document: Document, index: int, characters: Sequence[Character]) -> Iterator[Reference]:
    """The pictures of a shot without digests, and its characters, to check a request before anything is
    decoded."""
    shot = document.shots[index]
    if _shot_before(document, index) is not None:
        yield Reference(FIRST_FRAME, "", PNG)
    for _, role, at in _references(document, shot):
        yield Reference(role, "", PNG, at=at)
    for character in characters:
        if not character.in_words:
            yield character.reference()[0]


def _files(
    drafter: Drafter, document: Document, index: int, characters: Sequence[Character]
) -> Iterator[tuple[Reference, MediaFile]]:
    """The pictures and the characters of a shot, in the store."""
    inputs, project_id = drafter.admission.inputs, drafter.owner.project_id
    shot, size = document.shots[index], parse_size(document.size)
    before, field = _shot_before(document, index), f"shots.{shot.id}"
    if before is not None:
        if before.video_id is None:
            message = f"it goes on from the shot {before.id}, which has no video yet"
            raise _refusal(f"{field}.transition", message, "render that one first, or cut to this one")
        video = inputs.finished_video(before.video_id, project_id, f"shots.{before.id}.video_id").file
        frame = before.start + before.frames - 1
        file = inputs.frame(video, frame, f"{field}.transition", fps=document.rate, size=size)
        yield file.reference(FIRST_FRAME), file
    for part, role, at in _references(document, shot):
        image = ImageReference(file_id=part.file, image_url=None)
        file = inputs.image(image, size, part.fit, f"{field}.references", project_id)
        yield file.reference(role, at=at), file
    yield from (character.reference() for character in characters)


def film(admission: Admission, body: MakeFilm, owner: Owner, board: Storyboard) -> list[Draft]:
    """A film of the videos of all shots, whose frames stay what they are."""
    document = board.document
    missing = tuple(shot.id for shot in document.shots if shot.video_id is None)
    if missing or not document.shots:
        field = f"shots.{missing[0]}.video_id" if missing else "shots"
        shots = f"the shot{'s' if len(missing) > 1 else ''} {join_names(missing)}" if missing else "the film"
        message = f"{shots} {'have' if len(missing) > 1 else 'has'} no {'video yet' if missing else 'shots'}"
        raise BadInput(message, "render them first" if missing else "add one", field=field)
    has_blends = any(shot.transition.kind == "blend" for shot in document.shots[1:])
    drafter = _drafter(
        admission,
        owner,
        document,
        model=document.model,
        profile=(body.profile or document.profile) if has_blends else None,
        priority=body.priority,
        **body.limits,
    )
    segments = tuple(_segments(drafter, document))
    if not has_blends and "storyboard" not in drafter.model.capabilities.operations:
        # Nothing is drawn, so that any model will do that is asked to join.
        default = drafter.body.model_copy(update={"model": admission.catalogue.find(None).name})
        drafter = Drafter(admission, default, owner)
        segments = tuple(_segments(drafter, document))
    prompts = (shot.prompt.strip() or shot.title for shot in document.shots)
    prompt = board.title or " / ".join(filter(None, prompts)) or "a film"
    base = drafter.base("storyboard", prompt, document.seconds(document.frames))
    width, height = parse_size(document.size)
    request = dataclasses.replace(base, width=width, height=height, segments=segments)
    return drafter.source_drafts(with_files(request, drafter.files))


def _segments(drafter: Drafter, document: Document) -> Iterator[Segment]:
    """The parts of a film: what is seen of each video, and the transitions between two."""
    overlaps, seconds, before = document.checked_overlaps(), document.seconds, None
    for index, shot in enumerate(document.shots):
        field = f"shots.{shot.id}.video_id"
        video = drafter.file(VideoReference(id=shot.video_id, file_id=None), field)
        available = round(video.seconds * float(document.rate))
        if shot.start + shot.frames > available:
            message = f"it shows frames up to {shot.start + shot.frames} of a video that has {available}"
            raise _refusal(f"shots.{shot.id}.frames", message, "make the shot shorter, or take another video")
        overlap = overlaps[index]
        if overlap and before is not None:
            last = document.shots[index - 1]
            leave = seconds(last.start + last.frames - overlap)
            between = Segment(
                seconds(overlap), start=leave, onto=video.digest, onto_start=seconds(shot.start)
            )
            if shot.transition.kind == "fade":
                yield dataclasses.replace(between, keep=before.digest)
            else:
                yield dataclasses.replace(
                    between,
                    guide=before.digest,
                    strength=operations.BLEND_STRENGTH,
                    curve=operations.CURVES["smooth"],
                    prompt=shot.prompt,
                )
        own = shot.frames - overlap - overlaps[index + 1]
        if own:
            yield Segment(seconds(own), keep=video.digest, start=seconds(shot.start + overlap))
        before = video


def _refusal(field: str, message: str, remedy: str) -> BadInput:
    return BadInput(f"{field}: {message}", remedy, field=field)
