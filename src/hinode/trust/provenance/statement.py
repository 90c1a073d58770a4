"""What is said about a file: what was done, with which model, from which other files.

The values hold no prompt, path, address or name of a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hinode.clip import Provenance
from hinode.request import CONTEXT_VIDEO, MASK, SOURCE, MediaFile, Reference, Request

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"

SOURCE_TYPES = frozenset(
    [
        "algorithmicMedia",
        "algorithmicallyEnhanced",
        "composite",
        "compositeCapture",
        "compositeSynthetic",
        "compositeWithTrainedAlgorithmicMedia",
        "computationalCapture",
        "dataDrivenMedia",
        "digitalArt",
        "digitalCapture",
        "digitalCreation",
        "humanEdits",
        "minorHumanEdits",
        "multiFrameComputationalCapture",
        "negativeFilm",
        "positiveFilm",
        "print",
        "screenCapture",
        "softwareImage",
        "trainedAlgorithmicMedia",
        "virtualRecording",
    ]
)
"""The names of IPTC's list of digital source types, https://cv.iptc.org/newscodes/digitalsourcetype/."""
GENERATED, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
BY_PROGRAM = "algorithmicMedia"


class Extent(StrEnum):
    """How much of the picture a model has drawn."""

    ALL = "all"
    SOME = "some"
    BY_RULES = "by rules"
    """All of it was drawn, by a program and by no model."""
    NOTHING = "nothing"


class Relation(StrEnum):
    """What an ingredient is to the file; the values are those of C2PA."""

    PARENT = "parentOf"
    COMPONENT = "componentOf"
    INPUT = "inputTo"


@dataclass(frozen=True)
class Ingredient:
    """A file that another was made from.

    Attributes:
        role: one of `request.ROLES`, or "clip".
        digest: SHA-256 of the file in hexadecimal digits.
        media_type: such as "video/mp4".
        relation: what it is to the file.
        path: of the file on this machine, or None if it is not there.
        is_kept: whether some of its pictures are in the file as they are.
        source_type: its digital source type, if that is known and its manifest says none.
    """

    role: str
    digest: str
    media_type: str
    relation: Relation
    path: Path | None = None
    is_kept: bool = False
    source_type: str | None = None


@dataclass(frozen=True)
class Statement:
    """What a manifest says.

    Attributes:
        extent: how much of the picture a model has drawn.
        operation: that of the request, or "convert", "still", "film".
        engine, model: what has drawn, or "" for nothing.
        licence: of the weights, or "".
        ingredients: what the file was made from; at most one is the parent.
        watermark_id: what the invisible watermark in the file carries, or None for a file without one.
        copy_of: SHA-256 of the unsigned file that this one is a copy of, or "".
        created_at: when it was made, in seconds since 1970; None for now.
    """

    extent: Extent
    operation: str = "generate"
    engine: str = ""
    model: str = ""
    licence: str = ""
    ingredients: tuple[Ingredient, ...] = ()
    watermark_id: str | None = None
    copy_of: str = ""
    created_at: float | None = None


def source_type(extent: Extent, kept: Iterable[str | None]) -> str | None:
    """The digital source type of a file, a name of IPTC's list, or None for what no model has touched.

    Args:
        extent: how much a model has drawn.
        kept: source types of the files whose pictures are kept; None for a recording, or what says nothing.
    """
    types = set(kept)
    if extent is Extent.BY_RULES:
        return BY_PROGRAM
    if extent is Extent.ALL or types == {GENERATED}:
        return GENERATED
    if extent is Extent.SOME or types & {GENERATED, COMPOSITE}:
        return COMPOSITE
    return None


def extent_of(request: Request) -> Extent:
    """How much of the picture a model draws for a request, by its segments, its references and operation."""
    keeps = [bool(segment.keep) for segment in request.segments]
    if keeps and all(keeps):
        return Extent.NOTHING
    roles = {reference.role for reference in request.references}
    in_part = any(keeps) or MASK in roles or CONTEXT_VIDEO in roles or request.operation == "extend"
    return Extent.SOME if in_part else Extent.ALL


def state_clip(request: Request, provenance: Provenance, *, watermark_id: str | None = None) -> Statement:
    """The statement on a clip that was made for a request."""
    extent = extent_of(request)
    by_model = extent is not Extent.NOTHING
    return Statement(
        extent,
        request.operation,
        engine=provenance.engine if by_model else "",
        model=provenance.model if by_model else "",
        licence=provenance.licence if by_model else "",
        ingredients=_ingredients(request, extent),
        watermark_id=watermark_id,
    )


def state_preview(request: Request) -> Statement:
    """The statement on a picture of a clip that is being made."""
    extent = extent_of(request)
    model = request.model or ""
    return Statement(extent, request.operation, request.engine, model, "", _ingredients(request, extent))


def state_portrait(character: Reference) -> Statement:
    """The statement on a picture of a character: the picture, or the first frame of the video, that its
    reference, with its path, names."""
    path = Path(character.path) if character.path else None
    parent = (character.role, character.digest, character.media_type, Relation.PARENT)
    return Statement(Extent.NOTHING, "still", ingredients=(Ingredient(*parent, path, is_kept=True),))


def state_copy(
    operation: str, clip: MediaFile, request: Request, *, watermark_id: str | None = None
) -> Statement:
    """The statement on a file that shows the pictures of a clip, such as the clip in another format.

    Args:
        operation: "convert" or "still".
        clip: the file of the clip, with its path.
        request: what the clip was made for; it decides if the clip is older than manifests.
        watermark_id: what the watermark in the pictures carries.
    """
    kind = source_type(extent_of(request), [None])
    path = Path(clip.path) if clip.path else None
    item = Ingredient("clip", clip.digest, clip.media_type, Relation.PARENT, path, True, kind)
    return Statement(Extent.NOTHING, operation, ingredients=(item,), watermark_id=watermark_id)


def _ingredients(request: Request, extent: Extent) -> tuple[Ingredient, ...]:
    kept = {digest for segment in request.segments for digest in (segment.keep, segment.onto) if segment.keep}
    in_part = (SOURCE, CONTEXT_VIDEO) if extent is Extent.SOME else ()
    return ingredients_of(
        (reference, reference.digest in kept or reference.role in in_part)
        for reference in sorted(request.references, key=lambda reference: reference.role != SOURCE)
    )


def ingredients_of(references: Iterable[tuple[Reference, bool]]) -> tuple[Ingredient, ...]:
    """One ingredient for each file: the first one that is worked on, or whose pictures are kept, is the
    parent. Each reference comes with whether its pictures are kept."""
    files: dict[str, tuple[Reference, bool]] = {}
    for reference, is_kept in references:
        files.setdefault(reference.digest, (reference, is_kept))
    ingredients: list[Ingredient] = []
    has_parent = False
    for digest, (reference, is_kept) in files.items():
        relation = Relation.INPUT
        if is_kept or reference.role == SOURCE:
            relation = Relation.COMPONENT if has_parent else Relation.PARENT
            has_parent = True
        path = Path(reference.path) if reference.path else None
        ingredients.append(Ingredient(reference.role, digest, reference.media_type, relation, path, is_kept))
    return tuple(ingredients)
