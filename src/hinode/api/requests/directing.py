"""Drafts of loops, blends, retakes, recuts and storyboards, which Sora's API does not have.

Each function raises the same as `Admission.create`.
"""

from __future__ import annotations

import dataclasses

from hinode.api.catalogue import Model
from hinode.api.requests.admission import Admission, Owner, base_request, job_files
from hinode.api.requests.inputs import SourceVideo
from hinode.api.requests.models import (
    BlendVideos,
    LoopVideo,
    RecutVideo,
    RetakeVideo,
    Shot,
    Storyboard,
    VideoRequest,
)
from hinode.api.requests.values import VideoReference
from hinode.directing import operations
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.request import MediaFile, Request, Segment

DEFAULT_SIZE = (720, 1280)
LOOP_SECONDS = 4.0
"""Default length of a loop without a video."""
TOLERANCE_SECONDS = 0.05
"""How far a shot may extend beyond the end of its video, since lengths are rounded."""


def loop(admission: Admission, body: LoopVideo, owner: Owner) -> list[Draft]:
    """A clip whose end leads to its beginning, from a prompt or a video."""
    sources = _Sources(admission, body, owner)
    video = None if body.video is None else sources.file(body.video, "video")
    default = LOOP_SECONDS if video is None else video.seconds
    base = sources.base("loop", body.prompt, body.seconds or default, body.size)
    return sources.drafts(operations.loop(base, video, body.seconds))


def blend(admission: Admission, body: BlendVideos, owner: Owner) -> list[Draft]:
    """Two videos with a transition."""
    sources = _Sources(admission, body, owner)
    first, second = (sources.file(video, "videos") for video in body.videos)
    request = operations.blend(
        sources.base("blend", body.prompt, first.seconds),
        first,
        second,
        body.seconds,
        leave=body.start,
        enter=body.end,
        curve=body.curve,
        strength=operations.BLEND_STRENGTH if body.strength is None else body.strength,
    )
    return sources.drafts(request)


def retake(admission: Admission, body: RetakeVideo, owner: Owner) -> list[Draft]:
    """A video with a span rendered again."""
    sources = _Sources(admission, body, owner)
    video = sources.file(body.video, "video")
    base = sources.base("retake", body.prompt, video.seconds)
    end = video.seconds if body.end is None else body.end
    return sources.drafts(operations.retake(base, video, body.start, end))


def recut(admission: Admission, body: RecutVideo, owner: Owner) -> list[Draft]:
    """A span of a video, with new parts before and after it."""
    sources = _Sources(admission, body, owner)
    video = sources.file(body.video, "video")
    base = sources.base("recut", body.prompt, video.seconds)
    end = video.seconds if body.end is None else body.end
    return sources.drafts(operations.recut(base, video, body.start, end, body.before, body.after))


def storyboard(admission: Admission, body: Storyboard, owner: Owner) -> list[Draft]:
    """A film of several shots."""
    sources = _Sources(admission, body, owner)
    segments = tuple(_segment(number, shot, sources) for number, shot in enumerate(body.shots, start=1))
    prompts = [segment.prompt for segment in segments if segment.prompt]
    prompt = body.prompt or " / ".join(prompts) or "a film"
    seconds = round(sum(segment.seconds for segment in segments), 6)
    base = sources.base("storyboard", prompt, seconds, body.size)
    references = tuple(file.reference() for file in sources.files)
    return sources.drafts(dataclasses.replace(base, segments=segments, references=references))


class _Sources:
    """The source videos of a clip, each looked up once; the first one gives what the body lacks."""

    def __init__(self, admission: Admission, body: VideoRequest, owner: Owner) -> None:
        self.admission = admission
        self.body = body
        self.owner = owner
        self._videos: dict[VideoReference, SourceVideo] = {}

    def file(self, video: VideoReference, field: str) -> MediaFile:
        """The file of the video in a field."""
        if video not in self._videos:
            self._videos[video] = self.admission.inputs.source(video, self.owner.project_id, field)
        return self._videos[video].file

    @property
    def files(self) -> list[MediaFile]:
        """All files, each once."""
        return list({source.file.digest: source.file for source in self._videos.values()}.values())

    @property
    def first(self) -> SourceVideo | None:
        return next(iter(self._videos.values()), None)

    @property
    def model(self) -> Model:
        return self.admission.model(self.body, self.first)

    def base(
        self, operation: str, prompt: str | None, seconds: float, size: tuple[int, int] | None = None
    ) -> Request:
        """The request without segments and references."""
        first = self.first
        prompt = prompt or (first.file.prompt if first else "")
        if not prompt:
            raise BadInput("prompt is missing", "say in words what to show", field="prompt")
        if first is not None:
            if size not in (None, first.file.size):
                raise BadInput(
                    "the size is not that of the video, which is {}x{}".format(*first.file.size),
                    "leave it out",
                    field="size",
                )
            size = first.file.size
        return base_request(self.body, self.model, operation, prompt, size or DEFAULT_SIZE, seconds)

    def drafts(self, request: Request) -> list[Draft]:
        """Check a request and draft its jobs."""
        model = self.model
        self.admission.check(self.body, request, model)
        files = job_files((file.reference(), file) for file in self.files)
        return self.admission.drafts(self.body, request, model, files, self.owner, self.first)


def _segment(number: int, shot: Shot, sources: _Sources) -> Segment:
    cut = number > 1 and shot.cut
    if shot.video is None:
        return Segment(shot.seconds, prompt=shot.prompt or "", cut=cut)
    video, start = sources.file(shot.video, "shots"), shot.start or 0.0
    if start + shot.seconds > video.seconds + TOLERANCE_SECONDS:
        raise BadInput(
            f"shot {number} ends at {start + shot.seconds:g} s of a video that has {video.seconds:g}",
            "stay within the video",
            field="shots",
        )
    return Segment(shot.seconds, keep=video.digest, start=start, cut=cut)
