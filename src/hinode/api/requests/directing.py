"""Drafts of clips that are put together from videos, beyond what Sora's API had: loops, blends, retakes,
re-cuts and storyboards."""

from __future__ import annotations

import dataclasses

from hinode.api.catalogue import Model
from hinode.api.requests.admission import Admission, Owner, base_request, job_files
from hinode.api.requests.inputs import Inputs, SourceVideo
from hinode.api.requests.models import (
    BlendVideos,
    LoopVideo,
    RecutVideo,
    RetakeVideo,
    Shot,
    Storyboard,
)
from hinode.api.requests.values import VideoReference
from hinode.directing import operations
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.request import MediaFile, Request, Segment

DEFAULT_SIZE = (720, 1280)
LOOP_SECONDS = 4.0
"""Length of a loop that closes no video, by default."""
TOLERANCE_SECONDS = 0.05
"""How far a shot may reach beyond the end of its video, since lengths are rounded."""

Body = LoopVideo | BlendVideos | RetakeVideo | RecutVideo | Storyboard


class _Sources:
    """The videos that a clip is cut from, each looked up once."""

    def __init__(self, inputs: Inputs, project_id: str) -> None:
        self.inputs = inputs
        self.project_id = project_id
        self._videos: dict[VideoReference, SourceVideo] = {}

    def file(self, video: VideoReference, field: str) -> MediaFile:
        """The file of a video that a field names or brings."""
        if video not in self._videos:
            self._videos[video] = self.inputs.source(video, self.project_id, field)
        return self._videos[video].file

    @property
    def first(self) -> SourceVideo | None:
        """The first of them; what the body does not say is as with this one."""
        return next(iter(self._videos.values()), None)

    @property
    def files(self) -> list[MediaFile]:
        """Their files, each once."""
        return list({source.file.digest: source.file for source in self._videos.values()}.values())


class Director:
    """Writes the drafts; what each method raises is what `Admission.create` raises."""

    def __init__(self, admission: Admission) -> None:
        """
        Args:
            admission: checks the requests.
        """
        self.admission = admission

    def loop(self, body: LoopVideo, owner: Owner) -> list[Draft]:
        """A clip whose end leads to its beginning, from words or by closing a video."""
        sources = self._sources(owner)
        video = None if body.video is None else sources.file(body.video, "video")
        default = LOOP_SECONDS if video is None else video.seconds
        model, base = self._base(body, "loop", sources, body.seconds or default)
        return self._drafts(body, operations.looped(base, video, body.seconds), model, sources, owner)

    def blend(self, body: BlendVideos, owner: Owner) -> list[Draft]:
        """Two videos, connected by a transition."""
        sources = self._sources(owner)
        first, second = (sources.file(video, "videos") for video in body.videos)
        model, base = self._base(body, "blend", sources, first.seconds)
        request = operations.blended(
            base,
            first,
            second,
            body.seconds,
            leave=body.start,
            enter=body.end,
            curve=body.curve,
            strength=operations.BLENDED if body.strength is None else body.strength,
        )
        return self._drafts(body, request, model, sources, owner)

    def retake(self, body: RetakeVideo, owner: Owner) -> list[Draft]:
        """A video of which a span is drawn again."""
        sources = self._sources(owner)
        video = sources.file(body.video, "video")
        model, base = self._base(body, "retake", sources, video.seconds)
        end = video.seconds if body.end is None else body.end
        return self._drafts(body, operations.retaken(base, video, body.start, end), model, sources, owner)

    def recut(self, body: RecutVideo, owner: Owner) -> list[Draft]:
        """A span of a video, with new parts before and after it."""
        sources = self._sources(owner)
        video = sources.file(body.video, "video")
        model, base = self._base(body, "recut", sources, video.seconds)
        end = video.seconds if body.end is None else body.end
        request = operations.recut(base, video, body.start, end, body.before, body.after)
        return self._drafts(body, request, model, sources, owner)

    def storyboard(self, body: Storyboard, owner: Owner) -> list[Draft]:
        """Shots, one after another."""
        sources = self._sources(owner)
        segments = tuple(_segment(number, shot, sources) for number, shot in enumerate(body.shots, start=1))
        if body.prompt is None:
            prompts = [segment.prompt for segment in segments if segment.prompt]
            body = body.model_copy(update={"prompt": " / ".join(prompts) or "a film"})
        seconds = round(sum(segment.seconds for segment in segments), 6)
        model, base = self._base(body, "storyboard", sources, seconds)
        references = tuple(file.reference() for file in sources.files)
        request = dataclasses.replace(base, segments=segments, references=references)
        return self._drafts(body, request, model, sources, owner)

    def _sources(self, owner: Owner) -> _Sources:
        return _Sources(self.admission.inputs, owner.project_id)

    def _base(self, body: Body, operation: str, sources: _Sources, seconds: float) -> tuple[Model, Request]:
        """The model and the request without segments and references."""
        first = sources.first
        prompt = body.prompt or (first.file.prompt if first else "")
        if not prompt:
            raise BadInput("prompt is missing", "say in words what to show", field="prompt")
        size = body.size if isinstance(body, LoopVideo | Storyboard) else None
        if first is not None:
            if size not in (None, first.file.size):
                raise BadInput(
                    "the size is not that of the video, which is {}x{}".format(*first.file.size),
                    "leave it out",
                    field="size",
                )
            size = first.file.size
        model = self.admission.model(body, first)
        return model, base_request(body, model, operation, prompt, size or DEFAULT_SIZE, seconds)

    def _drafts(
        self, body: Body, request: Request, model: Model, sources: _Sources, owner: Owner
    ) -> list[Draft]:
        self.admission.check(body, request, model)
        files = job_files((file.reference(), file) for file in sources.files)
        return self.admission.drafts(body, request, model, files, owner, sources.first)


def _segment(number: int, shot: Shot, sources: _Sources) -> Segment:
    cut = number > 1 and shot.cut
    if shot.video is None:
        assert shot.prompt is not None, "the model has checked that"
        return Segment(shot.seconds, prompt=shot.prompt, cut=cut)
    video, start = sources.file(shot.video, "shots"), shot.start or 0.0
    if start + shot.seconds > video.seconds + TOLERANCE_SECONDS:
        raise BadInput(
            f"shot {number} ends at {start + shot.seconds:g} s of a video that has {video.seconds:g}",
            "stay within the video",
            field="shots",
        )
    return Segment(shot.seconds, keep=video.digest, start=start, cut=cut)
