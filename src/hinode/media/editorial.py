"""Films as OpenTimelineIO: what editing programs open, with every shot as a clip of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hinode.output import replace_file


@dataclass(frozen=True)
class Cut:
    """A clip of a film. All lengths are frames of the film, but those of the file.

    Attributes:
        name: of the shot.
        file: its media, relative to the timeline.
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
        media = schema.ExternalReference(quote(cut.file), span(0, cut.file_frames, float(cut.file_fps)))
        marker = schema.Marker(cut.name, span(cut.start, 1), schema.MarkerColor.ORANGE)
        marker.comment = cut.comment
        source_range, metadata = span(cut.start, cut.frames), {"hinode": dict(cut.facts)}
        track.append(schema.Clip(cut.name, media, source_range, metadata=metadata, markers=[marker]))
    with replace_file(path) as part:
        part.write_text(adapters.write_to_string(timeline, "otio_json"), "utf-8")
