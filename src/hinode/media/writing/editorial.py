"""Films as OpenTimelineIO: what editing programs open, with every shot as a clip of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from hinode.errors import BadInput
from hinode.media.timeline import read_rate
from hinode.output import replace_file

MAX_DEPTH = 64
"""Levels of lists and objects in a file that is read."""


@dataclass(frozen=True)
class Cut:
    """A clip of a film. All lengths are frames of the film, but those of the file.

    Attributes:
        name: of the shot.
        file: its media, relative to the timeline; "" for a shot without any.
        file_frames: how many frames the file has.
        file_fps: its frames per second.
        start: first frame that is shown, counted in frames of the film from the beginning of the file.
        frames: how many are shown.
        overlap: frames for which it and the clip before fade into each other; half of them are of `frames`,
            and the clip before has the other half.
        facts: what else is known, in JSON values.
        comment: said at a marker on its first frame.
    """

    name: str
    file: str
    file_frames: int
    file_fps: Fraction
    start: int
    frames: int
    overlap: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


def write_otio(path: Path, title: str, fps: Fraction, cuts: Sequence[Cut], facts: Mapping[str, Any]) -> None:
    """Write a timeline with one video track: the clips of a film in order, and what is known of the film in
    JSON values. The path ends in .otio.

    Raises:
        OutputError: the file cannot be written.
    """
    text = format_otio(title, fps, cuts, facts)
    with replace_file(path) as part:
        part.write_text(text, "utf-8")


def format_otio(title: str, fps: Fraction, cuts: Sequence[Cut], facts: Mapping[str, Any]) -> str:
    """The text of `write_otio`."""
    from opentimelineio import adapters, schema
    from opentimelineio.opentime import RationalTime, TimeRange

    rate = float(fps)

    def span(start: int, count: int, at: float = rate) -> Any:
        return TimeRange(RationalTime(start, at), RationalTime(count, at))

    timeline = schema.Timeline(title, metadata={"hinode": dict(facts)})
    track = schema.Track("V1", kind=schema.TrackKind.Video)
    timeline.tracks.append(track)
    for cut in cuts:
        if cut.overlap:
            before = RationalTime(cut.overlap // 2, rate)
            after = RationalTime(cut.overlap, rate) - before
            dissolve = schema.TransitionTypes.SMPTE_Dissolve
            track.append(schema.Transition(f"fade to {cut.name}", dissolve, before, after))
        available = span(0, cut.file_frames, float(cut.file_fps))
        media = (
            schema.ExternalReference(quote(cut.file), available)
            if cut.file
            else schema.MissingReference(available_range=available)
        )
        marker = schema.Marker(cut.name, span(cut.start, 1), schema.MarkerColor.ORANGE)
        marker.comment = cut.comment
        source_range, metadata = span(cut.start, cut.frames), {"hinode": dict(cut.facts)}
        track.append(schema.Clip(cut.name, media, source_range, metadata=metadata, markers=[marker]))
    text: str = adapters.write_to_string(timeline, "otio_json")
    return text


@dataclass(frozen=True)
class Editorial:
    """What an OpenTimelineIO file says: the clips of its first video track, in frames of the film.

    `facts` are those that `format_otio` was given, or empty.
    """

    title: str
    fps: Fraction
    cuts: tuple[Cut, ...]
    facts: Mapping[str, Any]


def read_otio(text: bytes, field: str) -> Editorial:
    """Read what `format_otio` or an editing program wrote; gaps are left out.

    A rate is what is nearest to the rate of the first clip; lengths at another rate are rounded to frames of
    the film once each, lengths at its own rate never.

    Raises:
        BadInput: it is no timeline with a clip, or no longer one after `MAX_DEPTH` levels; names `field`.
    """
    from opentimelineio import adapters, exceptions, schema

    try:
        value = json.loads(text)
        if _depth(value) > MAX_DEPTH:
            raise ValueError("nested too deeply")
        root = adapters.read_from_string(text.decode(), "otio_json")
        timeline = root if isinstance(root, schema.Timeline) else None
        tracks = [] if timeline is None else list(timeline.video_tracks())
        track = next((track for track in tracks if track.find_clips()), None)
        if timeline is None or track is None:
            raise ValueError("no clips")
        return _read_track(timeline, track)
    except (exceptions.OTIOError, ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        message = "the text is no OpenTimelineIO timeline with a video track that has clips"
        raise BadInput(message, "save it as .otio in the editing program", field=field) from error


def _read_track(timeline: Any, track: Any) -> Editorial:
    from opentimelineio import schema

    rate = read_rate(track.find_clips()[0].trimmed_range().duration.rate)

    def frames(time: Any) -> int:
        return round(Fraction(time.value) / read_rate(time.rate) * rate)

    cuts: list[Cut] = []
    overlap: tuple[int, int] | None = None
    for item in track:
        if isinstance(item, schema.Transition):
            overlap = frames(item.in_offset), frames(item.out_offset)
            continue
        if not isinstance(item, schema.Clip):
            overlap = None
            continue
        time_range, media = item.trimmed_range(), item.media_reference
        url = media.target_url if isinstance(media, schema.ExternalReference) else ""
        available = getattr(media, "available_range", None)
        cuts.append(
            Cut(
                name=item.name or "",
                file=unquote(url or ""),
                file_frames=frames(available.duration) if available else 0,
                file_fps=rate,
                start=frames(time_range.start_time) - (frames(available.start_time) if available else 0),
                frames=max(1, frames(time_range.duration)),
                overlap=sum(overlap) if overlap and cuts else 0,
                facts=_facts(item),
            )
        )
        overlap = None
    return Editorial(timeline.name or "", rate, tuple(cuts), _facts(timeline))


def _facts(item: Any) -> dict[str, Any]:
    """What `format_otio` wrote about an item, in plain values."""
    text = json.dumps(item.metadata.get("hinode"), default=_to_builtin)
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def _to_builtin(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _depth(value: Any) -> int:
    """Levels of lists and objects: the reader is recursive, in a language whose stack ends the process."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
