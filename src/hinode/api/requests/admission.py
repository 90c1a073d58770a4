"""From the body of a request to drafts of jobs, which are complete and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hinode import directing
from hinode.api.catalogue import Catalogue, Model
from hinode.api.requests.inputs import PNG, Inputs, SourceVideo, stand_ins
from hinode.api.requests.models import CreateVideo, EditVideo, ExtendVideo, RemixVideo, VideoRequest
from hinode.errors import BadInput
from hinode.jobs.admit import Draft
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.media.video import check_size
from hinode.request import MASK, MAX_SEED, SOURCE, MediaFile, Reference, Request, Segment, Size

MAX_EXTENSIONS, MAX_EXTENDED_SECONDS = 6, 120.0
"""How often a video may be extended, and up to how many seconds, as with Sora."""
PREVIEW_SECONDS, PREVIEW_PIXELS = 5.0, 640 * 360
RANDOM_SEEDS = 2**31  # so that a script in any language reads them exactly


@dataclass(frozen=True)
class Owner:
    """The owner of the jobs of a request; `key_id` is that of its API key, if it has one."""

    project_id: str
    key_id: str | None


class Admission:
    """Checks requests and drafts their jobs. Safe to use from several threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        inputs: Inputs,
        seed: Callable[[], int] = lambda: secrets.randbelow(RANDOM_SEEDS),
    ) -> None:
        """`seed` gives the seed of a request that has none."""
        self.catalogue = catalogue
        self.inputs = inputs
        self.seed = seed

    def create(self, body: CreateVideo, owner: Owner) -> list[Draft]:
        """Drafts of new videos, `n` of them.

        Raises:
            BadInput: a part of the request is wrong.
            HinodeError: it cannot be checked now.
        """
        model = self.model(body)
        request = base_request(body, model, "generate", body.prompt, body.size, body.seconds)
        request = dataclasses.replace(request, strength=body.strength, references=stand_ins(body))
        self.check(body, request, model)
        resolved = self.inputs.resolve(body, owner.project_id)
        request = dataclasses.replace(request, references=tuple(reference for reference, _ in resolved))
        return self.drafts(body, request, model, job_files(resolved), owner)

    def remix(self, body: RemixVideo, owner: Owner, video_id: str) -> list[Draft]:
        """Drafts of new versions of a video of the project; it raises the same as `create`."""
        source = self.inputs.finished_video(video_id, owner.project_id, "video_id")
        model, request = self._from_video(body, "remix", source, source.file.seconds)
        self.check(body, request, model, source.file.seconds)
        return self.drafts(body, request, model, {SOURCE: source.file}, owner, source)

    def edit(self, body: EditVideo, owner: Owner) -> list[Draft]:
        """Drafts of changed versions of a video; it raises the same as `create`."""
        source = self.inputs.source(body.video, owner.project_id, "video")
        model, request = self._from_video(body, "edit", source, source.file.seconds)
        files = {SOURCE: source.file}
        if body.mask is None:
            self.check(body, request, model, source.file.seconds)
        else:
            mask = Reference(MASK, "", PNG)
            self.check(body, _with(request, mask), model, source.file.seconds)
            size, fit = source.file.size, body.input_reference_fit
            files[MASK] = self.inputs.image(body.mask, size, fit, MASK, owner.project_id)
            request = _with(request, files[MASK].reference(MASK))
        return self.drafts(body, request, model, files, owner, source)

    def extend(self, body: ExtendVideo, owner: Owner) -> list[Draft]:
        """Drafts of continuations of a video; it raises the same as `create`."""
        source = self.inputs.source(body.video, owner.project_id, "video")
        seconds = source.file.seconds + body.seconds
        _check_extension(source, seconds, self.inputs.store, owner.project_id)
        model, request = self._from_video(body, "extend", source, seconds)
        if body.backward:
            source_part = Segment(source.file.seconds, keep=source.file.digest)
            new_part = Segment(seconds - source.file.seconds)
            request = dataclasses.replace(request, segments=(new_part, source_part))
        self.check(body, request, model, source.file.seconds)
        return self.drafts(body, request, model, {SOURCE: source.file}, owner, source)

    def _from_video(
        self, body: RemixVideo | EditVideo | ExtendVideo, operation: str, source: SourceVideo, seconds: float
    ) -> tuple[Model, Request]:
        model = self.model(body, source)
        request = base_request(body, model, operation, body.prompt, source.file.size, seconds)
        references = (source.file.reference(),)
        return model, dataclasses.replace(request, strength=body.strength, references=references)

    def model(self, body: VideoRequest, source: SourceVideo | None = None) -> Model:
        """The model that the body names, else that of the source, else the default."""
        default = source.job.asked_model if source and source.job else None
        return self.catalogue.find(body.model or default)

    def check(
        self, body: VideoRequest, request: Request, model: Model, source_seconds: float | None = None
    ) -> None:
        """Check a request before its images are fetched and decoded; their references need no digests yet.

        Raises:
            BadInput: a part of the request is wrong.
        """
        directing.check(request, model.engine_capabilities, source_seconds)
        check_size(request.size)
        last_seed = (body.seed or 0) + body.n - 1
        if last_seed > MAX_SEED:
            raise BadInput(
                f"the last of {body.n} seeds, {last_seed}, is out of range",
                f"give {MAX_SEED - body.n + 1} at most",
                field="seed",
            )
        small = request.seconds <= PREVIEW_SECONDS and request.width * request.height <= PREVIEW_PIXELS
        if body.priority == "preview" and not small:
            raise BadInput(
                "the video is too large for a preview",
                f"ask for at most {PREVIEW_SECONDS:g} seconds and {PREVIEW_PIXELS:,} pixels, such as 640x360",
                field="priority",
            )

    def drafts(
        self,
        body: VideoRequest,
        request: Request,
        model: Model,
        files: dict[str, MediaFile],
        owner: Owner,
        source: SourceVideo | None = None,
    ) -> list[Draft]:
        """A draft for each of the `n` videos of a body, from a checked request with all references. `files`
        are in the store, by role and number (see `job_files`)."""
        source_id = source.job.id if source and source.job else None
        priority = Priority[body.priority.upper()]
        facts = request.identity()
        facts.pop("engine", None)
        facts |= {"seed": body.seed, "n": body.n, "model": model.name, "source": source_id}
        facts["priority"] = priority
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return [
            Draft(
                project_id=owner.project_id,
                key_id=owner.key_id,
                # Several videos of one seed take the seeds that follow it.
                request=dataclasses.replace(
                    request, seed=self.seed() if body.seed is None else body.seed + index
                ),
                asked_model=model.name,
                priority=priority,
                inputs=files,
                source_id=source_id,
                request_hash=digest,
            )
            for index in range(body.n)
        ]


def base_request(
    body: VideoRequest, model: Model, operation: str, prompt: str, size: Size, seconds: float
) -> Request:
    """A request with the fields of every body; it has no references or segments, and is not checked."""
    return Request(
        prompt=prompt,
        width=size[0],
        height=size[1],
        seconds=seconds,
        fps=body.fps,
        seed=body.seed or 0,
        engine=model.engine,
        model=model.model,
        steps=body.steps,
        profile=body.profile,
        operation=operation,
        negative_prompt=body.negative_prompt,
        expand=body.expand,
        path=tuple(point.values for point in body.path),
        camera=tuple(point.values for point in body.camera),
        sound=body.sound,
    )


def job_files(resolved: Iterable[tuple[Reference, MediaFile]]) -> dict[str, MediaFile]:
    """The files of references by role; the second character is "character_2", and so on."""
    counts: Counter[str] = Counter()
    files = {}
    for reference, file in resolved:
        role = reference.role
        counts[role] += 1
        files[role if counts[role] == 1 else f"{role}_{counts[role]}"] = file
    return files


def _with(request: Request, reference: Reference) -> Request:
    return dataclasses.replace(request, references=(*request.references, reference))


def _check_extension(source: SourceVideo, seconds: float, store: Store, project_id: str) -> None:
    if seconds > MAX_EXTENDED_SECONDS:
        raise BadInput(
            f"the old and the new part have {seconds:g} seconds together",
            f"give so few seconds that they have {MAX_EXTENDED_SECONDS:g} at most",
            field="seconds",
        )
    job, extensions = source.job, 0
    while job is not None and job.operation == "extend":
        extensions += 1
        if extensions >= MAX_EXTENSIONS:
            raise BadInput(
                f"the video has been extended {MAX_EXTENSIONS} times, which is the maximum",
                "extend one that has been extended less often",
                field="video",
            )
        job = store.job(project_id, job.source_id) if job.source_id else None
