"""From the body of a request to drafts of jobs, which are complete and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hinode import directing
from hinode.api.catalogue import Catalogue, Model
from hinode.api.requests.inputs import PNG, Inputs, SourceVideo, stand_ins
from hinode.api.requests.models import (
    CreateVideo,
    EditVideo,
    ExtendVideo,
    ReframeVideo,
    RemixVideo,
    VideoRequest,
)
from hinode.api.requests.terms import terms_of
from hinode.api.requests.values import VideoReference
from hinode.directing import operations, source_facts
from hinode.directing.operations import check_keyframes
from hinode.errors import BadInput
from hinode.jobs.admission.pool_routes import PoolRoutes
from hinode.jobs.files.characters import WORDS, Character
from hinode.jobs.job import Draft
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.media.timeline import frame_rate
from hinode.media.writing.video import check_size
from hinode.request import (
    FROM_ONE,
    MASK,
    MAX_SEED,
    Capabilities,
    MediaFile,
    Reference,
    Request,
    Segment,
    Size,
)

DEFAULT_SIZE = (720, 1280)
MAX_EXTENSIONS, MAX_EXTENDED_SECONDS = 6, 120.0
"""How often a video may be extended, and up to how many seconds, as with Sora."""
PREVIEW_SECONDS, PREVIEW_PIXELS = 5.0, 640 * 360
REFRAME = "reframe"
"""Operation of the step from a video to the one composed anew in a lineage."""
RANDOM_SEEDS = 2**31  # so that a script in any language reads them exactly

Files = Sequence[tuple[Reference, MediaFile]]
"""Files of a request, each with the reference to it."""


@dataclass(frozen=True)
class Owner:
    """The owner of the jobs of a request; `key_id` is that of its API key, if it has one."""

    project_id: str
    key_id: str | None


@dataclass(frozen=True)
class Admission:
    """What requests are checked with; `seed` gives the seed of a request that has none."""

    catalogue: Catalogue
    inputs: Inputs
    routes: PoolRoutes
    seed: Callable[[], int] = lambda: secrets.randbelow(RANDOM_SEEDS)


class Drafter:
    """Drafts the jobs of one body. Its source videos are looked up once; the first gives what the body lacks.

    Every method raises BadInput if a part of the body is wrong.
    """

    def __init__(
        self, admission: Admission, body: VideoRequest, owner: Owner, source: SourceVideo | None = None
    ) -> None:
        """`source` is a source video that the body does not name."""
        self.admission = admission
        self.body = body
        self.owner = owner
        self._videos: dict[VideoReference | None, SourceVideo] = {} if source is None else {None: source}
        self.context: tuple[str, ...] = ()  # texts that the request belongs to, such as a storyboard
        self.continues: tuple[str, ...] = ()  # ids of videos that it goes on from, besides its sources

    def source(self, video: VideoReference, field: str) -> SourceVideo:
        """The source video in a field."""
        if video not in self._videos:
            self._videos[video] = self.admission.inputs.source(video, self.owner.project_id, field)
        return self._videos[video]

    def file(self, video: VideoReference, field: str) -> MediaFile:
        """The file of the source video in a field."""
        return self.source(video, field).file

    @property
    def first(self) -> SourceVideo | None:
        """The first source video, if there is one."""
        return next(iter(self._videos.values()), None)

    @property
    def files(self) -> Files:
        """The files of the source videos, each once, with references to them."""
        files = {source.file.digest: source.file for source in self._videos.values()}
        return [(file.reference(), file) for file in files.values()]

    @property
    def model(self) -> Model:
        """The model that the body names, else that of the first source video, else the default."""
        default = self.first.job.requested_model if self.first and self.first.job else None
        return self.admission.catalogue.find(self.body.model or default)

    def base(self, operation: str, prompt: str | None, seconds: float, size: Size | None = None) -> Request:
        """A request with the fields of every body; it has no references or segments, and is not checked."""
        body, model, source = self.body, self.model, self.first
        prompt = prompt or (source.file.prompt if source else "")
        if not prompt:
            raise BadInput("prompt is missing", "say in words what to show", field="prompt")
        if source is not None:
            if size not in (None, source.file.size):
                message = "the size is not that of the video, which is {}x{}".format(*source.file.size)
                raise BadInput(message, "leave it out", field="size")
            size = source.file.size
        width, height = size or DEFAULT_SIZE
        return Request(
            prompt=prompt,
            width=width,
            height=height,
            seconds=seconds,
            fps=body.fps,
            seed=body.seed or 0,
            engine=model.engine,
            model=model.model,
            steps=body.steps,
            profile=body.profile,
            operation=operation,
            negative_prompt=body.negative_prompt,
            path=tuple(point.values for point in body.path),
            camera=tuple(point.values for point in body.camera),
            sound=body.sound,
            plan=json.dumps(body.plan) if body.plan else "",
        )

    def check(self, request: Request) -> None:
        """Check and screen a request before its images are fetched and decoded; their references need no
        digests yet."""
        body, model = self.body, self.model
        owner, gate = self.owner, self.admission.inputs.store.gate
        sources = (*self._parents, *self.continues)
        gate.check(owner.project_id, owner.key_id, request, sources=sources, context=self.context)
        if model.pool is not None:
            self.admission.routes.check(model.pool, request, self.owner.project_id, self._check)
        else:
            self.admission.routes.check_engine(self.owner.project_id, model.engine)
            self._check(request, model.engine_capabilities)
        check_size(request.size)
        if request.plan:
            from hinode.engines.native.plans.planning import read_plan  # needs torch

            read_plan(request.plan, request.seconds)
        last_seed = (body.seed or 0) + body.n - 1
        if last_seed > MAX_SEED:
            message = f"the last of {body.n} seeds, {last_seed}, is out of range"
            raise BadInput(message, f"give {MAX_SEED - body.n + 1} at most", field="seed")
        small = request.seconds <= PREVIEW_SECONDS and request.width * request.height <= PREVIEW_PIXELS
        if body.priority == "preview" and not small:
            raise BadInput(
                "the video is too large for a preview",
                f"ask for at most {PREVIEW_SECONDS:g} seconds and {PREVIEW_PIXELS:,} pixels, such as 640x360",
                field="priority",
            )

    def _check(self, request: Request, capabilities: Capabilities) -> None:
        """Check a request for a model; `capabilities` are those of its engine alone."""
        source = self.first
        source_seconds = source.file.seconds if source and request.operation in FROM_ONE else None
        directing.check(request, capabilities, source_seconds)
        check_keyframes(request.references, capabilities.native_fps[0], request.seconds)

    @property
    def _parents(self) -> tuple[str, ...]:
        """Ids of the source videos that have jobs."""
        return tuple(video.job.id for video in self._videos.values() if video.job)

    def drafts(self, request: Request, files: Files) -> list[Draft]:
        """A draft for each of the `n` videos of a checked request, whose `files` are in the store."""
        body, source = self.body, self.first
        source_id = source.job.id if source and source.job else None
        priority, model, inputs = Priority[body.priority.upper()], self.model, _by_role(files)
        facts = request.identity() | {"seed": body.seed, "n": body.n, "model": model.name}
        facts |= {"source": source_id, "priority": priority}
        facts.pop("engine", None)
        terms = terms_of(body, request, model, seed=body.seed, n=body.n, priority=priority)
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        routing = None
        if model.pool is not None:
            routes, owner = self.admission.routes, self.owner.project_id
            request, routing = routes.begin(model.pool, request, owner, priority, self._check)
        return [
            Draft(
                project_id=self.owner.project_id,
                key_id=self.owner.key_id,
                # Several videos of one seed take the seeds that follow it.
                request=dataclasses.replace(
                    request, seed=self.admission.seed() if body.seed is None else body.seed + index
                ),
                requested_model=model.name,
                priority=priority,
                inputs=inputs,
                source_id=source_id,
                parents=self._parents,
                request_hash=digest,
                routing=routing,
                terms=terms,
            )
            for index in range(body.n)
        ]

    def source_drafts(self, request: Request) -> list[Draft]:
        """Check a request for a video from nothing but source videos, and draft its jobs."""
        self.check(request)
        return self.drafts(request, self.files)


def create(admission: Admission, body: CreateVideo, owner: Owner) -> list[Draft]:
    """Drafts of new videos, `n` of them.

    Raises:
        BadInput: a part of the request is wrong.
        HinodeError: it cannot be checked now.
    """
    drafter, inputs = Drafter(admission, body, owner), admission.inputs
    characters = [
        inputs.character(reference.id, body.prompt, owner.project_id, "characters", owner.key_id)
        for reference in body.characters
    ]
    prompt = with_descriptions(body.prompt, characters)
    request = drafter.base("generate", prompt, body.seconds, body.size)
    request = dataclasses.replace(request, strength=body.strength, references=stand_ins(body, characters))
    drafter.check(request)
    files = inputs.resolve(body, owner.project_id, characters)
    return drafter.drafts(with_files(request, files), files)


def remix(admission: Admission, body: RemixVideo, owner: Owner, video_id: str) -> list[Draft]:
    """Drafts of new versions of a video of the project; it raises the same as `create`."""
    source = admission.inputs.finished_video(video_id, owner.project_id, "video_id")
    drafter = Drafter(admission, body, owner, source)
    return drafter.source_drafts(_from_video(drafter, body, "remix", source.file.seconds))


def reframe(admission: Admission, body: ReframeVideo, owner: Owner, video_id: str) -> list[Draft]:
    """Drafts of a video of the project at another size; it raises the same as `create`."""
    source = admission.inputs.finished_video(video_id, owner.project_id, "video_id")
    assert source.job is not None, "a video of the project has a job"
    plan = body.plan or (source.job.provenance or {}).get("plan")
    width, height = body.size
    if body.fit == "crop" or (body.fit is None and not plan):
        if body.plan:
            raise BadInput("frames that are cropped follow no plan", "leave plan out, or fit", field="fit")
        drafter = Drafter(admission, body, owner, source)
        base = drafter.base("storyboard", None, source.file.seconds)
        cropped = operations.crop(dataclasses.replace(base, width=width, height=height), source.file)
        return [dataclasses.replace(draft, relation=REFRAME) for draft in drafter.source_drafts(cropped)]
    if not plan:
        message = "the video was not drawn from a plan, so it cannot be composed anew"
        raise BadInput(message, "crop it: leave fit out", field="fit")
    original = source.job.request
    seed = original["seed"] if body.seed is None else body.seed
    profile = body.profile or original.get("profile")
    changed = body.model_copy(update={"plan": plan, "seed": seed, "profile": profile})
    drafter = Drafter(admission, changed, owner, source)
    request = drafter.base("generate", None, source.file.seconds)
    request = dataclasses.replace(request, width=width, height=height)
    drafter.check(request)
    return [dataclasses.replace(draft, relation=REFRAME) for draft in drafter.drafts(request, ())]


def edit(admission: Admission, body: EditVideo, owner: Owner) -> list[Draft]:
    """Drafts of changed versions of a video; it raises the same as `create`."""
    drafter = Drafter(admission, body, owner)
    video = drafter.file(body.video, "video")
    request = _from_video(drafter, body, "edit", video.seconds)
    if body.mask is None:
        return drafter.source_drafts(request)
    placeholder = MediaFile("", PNG, 0)
    drafter.check(with_files(request, [*drafter.files, (placeholder.reference(MASK), placeholder)]))
    mask = admission.inputs.image(body.mask, video.size, body.input_reference_fit, MASK, owner.project_id)
    if body.mask_path:
        fps = frame_rate(body.fps or float(video.fps or 0) or drafter.model.engine_capabilities.native_fps[0])
        track = tuple(point.values for point in body.mask_path)
        mask = admission.inputs.moving_mask(mask, track, video.seconds, fps)
    files = [*drafter.files, (mask.reference(MASK), mask)]
    return drafter.drafts(with_files(request, files), files)


def extend(admission: Admission, body: ExtendVideo, owner: Owner) -> list[Draft]:
    """Drafts of continuations of a video; it raises the same as `create`."""
    drafter = Drafter(admission, body, owner)
    source = drafter.source(body.video, "video")
    seconds = source.file.seconds + body.seconds
    _check_extension(source, seconds, admission.inputs.store, owner.project_id)
    request = _from_video(drafter, body, "extend", seconds)
    if body.backward:
        parts = Segment(seconds - source.file.seconds), Segment(source.file.seconds, keep=source.file.digest)
        request = dataclasses.replace(request, segments=parts)
    return drafter.source_drafts(request)


def _from_video(
    drafter: Drafter, body: RemixVideo | EditVideo | ExtendVideo, operation: str, seconds: float
) -> Request:
    request = with_files(drafter.base(operation, body.prompt, seconds), drafter.files)
    return dataclasses.replace(request, strength=body.strength)


def with_files(request: Request, files: Files) -> Request:
    """A request with references to files, without characters in words, which its prompt describes."""
    references = tuple(reference for reference, file in files if file.media_type != WORDS)
    return dataclasses.replace(request, references=references)


def with_descriptions(prompt: str, characters: Iterable[Character]) -> str:
    """A prompt with the descriptions of the characters that are words, in place of their names."""
    for character in characters:
        if character.in_words:
            prompt = source_facts.name_in_words(prompt, character.name, character.description)
    return prompt


def _by_role(files: Files) -> dict[str, MediaFile]:
    """The files of references by role; the second character is "character_2", and so on."""
    counts: Counter[str] = Counter()
    result = {}
    for reference, file in files:
        role = reference.role
        counts[role] += 1
        result[role if counts[role] == 1 else f"{role}_{counts[role]}"] = file
    return result


def _check_extension(source: SourceVideo, seconds: float, store: Store, project_id: str) -> None:
    if seconds > MAX_EXTENDED_SECONDS:
        message = f"the old and the new part have {seconds:g} seconds together"
        remedy = f"give so few seconds that they have {MAX_EXTENDED_SECONDS:g} at most"
        raise BadInput(message, remedy, field="seconds")
    job, extensions = source.job, 0
    while job is not None and job.operation == "extend":
        extensions += 1
        if extensions >= MAX_EXTENSIONS:
            message = f"the video has been extended {MAX_EXTENSIONS} times, which is the maximum"
            raise BadInput(message, "extend one that has been extended less often", field="video")
        job = store.job(project_id, job.source_id) if job.source_id else None
