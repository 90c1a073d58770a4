"""Videos out of videos, beyond what Sora's API had: loops, blends, retakes, re-cuts and storyboards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hinode.api import schema, wire
from hinode.api.context import AppContext, Context, CurrentIdentity
from hinode.api.described import described
from hinode.api.requests import controls, fields
from hinode.api.requests.admission import Admission
from hinode.api.requests.fields import Fields
from hinode.api.requests.inputs import ResolvedInputs, VideoSource
from hinode.api.routes.videos.videos import submit
from hinode.directing import operations
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.request import SOURCE, MediaFile, Segment
from hinode.request import Request as Plan

router = APIRouter(prefix="/v1/videos", tags=["Directing"])

MAX_SHOTS = 64
SECONDS, BLEND_SECONDS = 4.0, 1.0
"""Length of a loop from words, and of a transition, if nothing is said."""


class Director:
    """Writes drafts of directed clips; what each method raises is what `Admission.create` does."""

    def __init__(self, admission: Admission, project_id: str, key_id: str | None) -> None:
        """
        Args:
            admission: looks at them.
            project_id: whose they are.
            key_id: with which key they are asked for.
        """
        self.admission = admission
        self.project_id = project_id
        self.key_id = key_id
        self._sources: list[VideoSource] = []
        self._named: dict[str, MediaFile] = {}

    def loop(self, given: Fields) -> Sequence[Draft]:
        """A clip whose end goes over into its beginning, from words or by closing a video."""
        source = None if given.get("video") is None else self._video(given.get("video"), "video")
        seconds = given.number("seconds")
        usual = SECONDS if source is None else source.seconds
        base = self._base(given, "loop", usual if seconds is None else seconds)
        return self._drafts(given, operations.looped(base, source, seconds))

    def blend(self, given: Fields) -> Sequence[Draft]:
        """Two videos, the first going over into the second."""
        entries = fields.unpacked(given.get("videos"))
        if not isinstance(entries, list) or len(entries) != 2:
            raise BadInput(
                "videos does not name two videos",
                'give a list such as [{"id": "video_…"}, {"id": "video_…"}]',
                field="videos",
            )
        one, other = (self._video(entry, "videos") for entry in entries)
        strength = given.number("strength")
        request = operations.blended(
            self._base(given, "blend", one.seconds),
            one,
            other,
            controls.seconds(given, "seconds", BLEND_SECONDS),
            leave=given.number("from"),
            enter=given.number("to"),
            curve=controls.curve(given),
            strength=operations.BLENDED if strength is None else strength,
        )
        return self._drafts(given, request)

    def retake(self, given: Fields) -> Sequence[Draft]:
        """A span of a video drawn anew, joined to what stands before and after it."""
        source = self._video(given.get("video"), "video")
        begin, end = controls.seconds(given, "from", 0.0), controls.seconds(given, "to", source.seconds)
        base = self._base(given, "retake", source.seconds)
        return self._drafts(given, operations.retaken(base, source, begin, end))

    def recut(self, given: Fields) -> Sequence[Draft]:
        """The best span of a video, with new footage before and after it."""
        source = self._video(given.get("video"), "video")
        begin, end = controls.seconds(given, "from", 0.0), controls.seconds(given, "to", source.seconds)
        before, after = controls.seconds(given, "before", 0.0), controls.seconds(given, "after", 0.0)
        base = self._base(given, "recut", source.seconds)
        return self._drafts(given, operations.recut(base, source, begin, end, before, after))

    def storyboard(self, given: Fields) -> Sequence[Draft]:
        """Shots, one after another."""
        shots = fields.unpacked(given.get("shots"))
        if not isinstance(shots, list) or not 1 <= len(shots) <= MAX_SHOTS:
            raise BadInput(
                "shots is no list of shots",
                f'give 1 to {MAX_SHOTS}, such as [{{"prompt": "…", "seconds": 2}}]',
                field="shots",
            )
        segments = [self._shot(number, entry) for number, entry in enumerate(shots, start=1)]
        if given.text("prompt") is None:
            words = " / ".join(segment.prompt for segment in segments if segment.prompt)
            given = Fields({**given.values, "prompt": words or "a film"})
        seconds = round(sum(segment.seconds for segment in segments), 6)
        base = self._base(given, "storyboard", seconds)
        references = tuple(source.file.reference(SOURCE) for source in self._sources)
        return self._drafts(given, dataclasses.replace(base, segments=tuple(segments), references=references))

    def _shot(self, number: int, entry: Any) -> Segment:
        shot = Fields(entry if isinstance(entry, dict) else {})
        length = shot.number("seconds")
        if length is None or not length > 0:
            raise BadInput(f"shot {number} has no seconds", "give more than 0", field="shots")
        cut = number > 1 and shot.switch("cut") is not False
        if shot.get("video") is not None:
            source = self._video(shot.get("video"), "shots")
            start = controls.seconds(shot, "from", 0.0)
            if start + length > source.seconds + 0.05:
                raise BadInput(
                    f"shot {number} ends at {start + length:g} s of a video that has {source.seconds:g}",
                    "stay within the video",
                    field="shots",
                )
            return Segment(length, keep=source.digest, start=start, cut=cut)
        prompt = shot.text("prompt")
        if not prompt or not prompt.strip():
            raise BadInput(f"shot {number} has no prompt", "say in words what to show", field="shots")
        return Segment(length, prompt=prompt, cut=cut)

    def _video(self, value: Any, field: str) -> MediaFile:
        """A video that a field names or brings."""
        value = fields.unpacked(value)
        name = value.get("id") if isinstance(value, dict) else value
        if isinstance(name, str) and name in self._named:
            return self._named[name]
        found = self.admission.inputs.source_of(value, self.project_id, field)
        if all(found.file.digest != one.file.digest for one in self._sources):
            self._sources.append(found)
        if isinstance(name, str):
            self._named[name] = found.file
        return found.file

    def _base(self, given: Fields, operation: str, seconds: float) -> Plan:
        """The request without its segments; what it does not say is as with the first of its videos."""
        first = self._sources[0] if self._sources else None
        if given.text("prompt") is None and first is not None and first.job is not None:
            given = Fields({**given.values, "prompt": first.job.request["prompt"]})
        base = self.admission.plan(given, operation, first, seconds)
        return dataclasses.replace(base, strength=None)

    def _drafts(self, given: Fields, request: Plan) -> Sequence[Draft]:
        files = {
            SOURCE if number == 1 else f"{SOURCE}_{number}": source.file
            for number, source in enumerate(self._sources, start=1)
        }
        inputs = ResolvedInputs(request.references, files)
        first = self._sources[0] if self._sources else None
        return self.admission.directed(given, request, inputs, first, self.project_id, self.key_id)


Method = Callable[[Director, Fields], Sequence[Draft]]


async def _direct(request: Request, here: Context, caller: Any, method: Method) -> JSONResponse:
    def drafts(given: Fields, project_id: str, key_id: str | None) -> Sequence[Draft]:
        return method(Director(here.admission, project_id, key_id), given)

    return await submit(request, here, caller, drafts)


@router.post("/loops", response_model=wire.Video, openapi_extra=described(schema.LoopVideo, *schema.BOTH))
async def loop_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Make a video that can be shown over and over: from words, or by closing one that is there."""
    return await _direct(request, here, caller, Director.loop)


@router.post("/blends", response_model=wire.Video, openapi_extra=described(schema.BlendVideos, *schema.BOTH))
async def blend_videos(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Connect two videos by a transition that is drawn."""
    return await _direct(request, here, caller, Director.blend)


@router.post("/retakes", response_model=wire.Video, openapi_extra=described(schema.RetakeVideo, *schema.BOTH))
async def retake_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Draw a span of a video anew."""
    return await _direct(request, here, caller, Director.retake)


@router.post("/recuts", response_model=wire.Video, openapi_extra=described(schema.RecutVideo, *schema.BOTH))
async def recut_video(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Keep the best span of a video, and draw what comes before and after it."""
    return await _direct(request, here, caller, Director.recut)


@router.post(
    "/storyboards", response_model=wire.Video, openapi_extra=described(schema.Storyboard, *schema.BOTH)
)
async def make_storyboard(request: Request, here: AppContext, caller: CurrentIdentity) -> JSONResponse:
    """Make a film of several shots."""
    return await _direct(request, here, caller, Director.storyboard)
