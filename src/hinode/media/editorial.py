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
    """Write a timeline with one video track.

    Args:
        path: the file, named .otio; one that is there is replaced.
        title: of the film.
        fps: frames per second of the film.
        cuts: its clips in order.
        facts: what is known of the film, in JSON values.

    Raises:
        OutputError: the file cannot be written.
    """
    import opentimelineio as otio

    rate = float(fps)

    def span(start: int, count: int, at: float = rate) -> Any:
        return otio.opentime.TimeRange(
            otio.opentime.RationalTime(start, at), otio.opentime.RationalTime(count, at)
        )

    timeline = otio.schema.Timeline(title, metadata={"hinode": dict(facts)})
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for cut in cuts:
        if cut.overlap:
            before = cut.overlap // 2
            track.append(
                otio.schema.Transition(
                    f"fade to {cut.name}",
                    otio.schema.TransitionTypes.SMPTE_Dissolve,
                    in_offset=otio.opentime.RationalTime(before, rate),
                    out_offset=otio.opentime.RationalTime(cut.overlap - before, rate),
                )
            )
        media = otio.schema.ExternalReference(quote(cut.file), span(0, cut.file_frames, float(cut.file_fps)))
        marker = otio.schema.Marker(
            name=cut.name, marked_range=span(cut.start, 1), color=otio.schema.MarkerColor.ORANGE
        )
        marker.comment = cut.comment
        track.append(
            otio.schema.Clip(
                cut.name,
                media,
                span(cut.start, cut.frames),
                metadata={"hinode": dict(cut.facts)},
                markers=[marker],
            )
        )
    with replace_file(path) as part:
        part.write_text(otio.adapters.write_to_string(timeline, "otio_json"), "utf-8")
