"""From the fields of a request to drafts of jobs: everything is looked at here before a job is accepted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Any

from hinode.api.catalogue import Catalogue, Model
from hinode.api.requests import controls
from hinode.api.requests.fields import Fields
from hinode.api.requests.inputs import Inputs, ResolvedInputs, VideoSource
from hinode.errors import BadInput, join_names, quote
from hinode.jobs.admit import Draft
from hinode.jobs.states import Priority
from hinode.media.video import check_size
from hinode.request import MASK, SOURCE, Reference, Request, Segment, Size, parse_size

DEFAULT_SECONDS = 4.0
DEFAULT_SIZE = (720, 1280)
MAX_VIDEOS = 10
MAX_EXTENSIONS, MAX_EXTENDED_SECONDS = 6, 120.0
"""How often a video may be extended, and how long it may become by it, as it was with Sora."""
PREVIEW_SECONDS, PREVIEW_PIXELS = 5.0, 640 * 360
RANDOM_SEEDS = 2**31  # so that a script in any language reads them exactly


class Admission:
    """Looks at requests and writes drafts. Safe to use from several threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        inputs: Inputs,
        seed: Callable[[], int] = lambda: secrets.randbelow(RANDOM_SEEDS),
    ) -> None:
        """
        Args:
            catalogue: the models.
            inputs: finds what requests refer to.
            seed: of a video for which none is given.
        """
        self.catalogue = catalogue
        self.inputs = inputs
        self.seed = seed

    def create(self, given: Fields, project_id: str, key_id: str | None) -> list[Draft]:
        """Drafts of the videos that a request to create asks for, one or more.

        Raises:
            BadInput: something about it is not right.
            HinodeError: it cannot be looked at now.
        """
        model = self.catalogue.find(_name(given))
        size = _size(given) or DEFAULT_SIZE
        seconds = _or(given.number("seconds"), DEFAULT_SECONDS)
        plan = _plan(given, model, "generate", size, seconds)
        wants = self.inputs.wanted(given, plan, model.capabilities)
        check_size(size)
        inputs = self.inputs.taken(given, plan, wants, project_id)
        return self._drafts(given, plan, model, inputs, project_id, key_id)

    def remix(self, given: Fields, video_id: str, project_id: str, key_id: str | None) -> list[Draft]:
        """Drafts of new versions of a video of this project; see `create` for what is raised."""
        return self._from(
            given, "remix", self.inputs.made(video_id, project_id, "video_id"), project_id, key_id
        )

    def edit(self, given: Fields, project_id: str, key_id: str | None) -> list[Draft]:
        """Drafts of changed versions of a video, named or sent; see `create` for what is raised."""
        return self._from(given, "edit", self.inputs.source(given, project_id), project_id, key_id)

    def extend(self, given: Fields, project_id: str, key_id: str | None) -> list[Draft]:
        """Drafts of continuations of a video, named or sent; see `create` for what is raised."""
        return self._from(given, "extend", self.inputs.source(given, project_id), project_id, key_id)

    def _from(
        self, given: Fields, operation: str, source: VideoSource, project_id: str, key_id: str | None
    ) -> list[Draft]:
        model = self._model(given, source)
        seconds = source.file.seconds
        if operation == "extend":
            more = given.number("seconds")
            if more is None:
                raise BadInput(
                    "it is not said how much is to be added",
                    "give the seconds of the new part",
                    field="seconds",
                )
            if not more > 0:
                raise BadInput(f"{more:g} seconds cannot be added", "give more than 0", field="seconds")
            seconds += more
            self._check_extended(source, seconds, project_id)
        plan = _plan(given, model, operation, source.file.size, seconds)
        reference = source.file.reference(SOURCE)
        if operation == "extend" and given.switch("backward"):
            kept = Segment(source.file.seconds, keep=reference.digest)
            plan = dataclasses.replace(plan, segments=(Segment(seconds - source.file.seconds), kept))
        masked = operation == "edit" and given.get(MASK) is not None
        stand_ins = (reference, *((Reference(MASK, "", "image/png"),) * masked))
        dataclasses.replace(plan, references=stand_ins).check(model.capabilities, source.file.seconds)
        check_size(source.file.size)
        inputs = ResolvedInputs((reference,), {SOURCE: source.file})
        mask = self.inputs.mask(given, source.file.size, project_id) if masked else None
        if mask is not None:
            inputs = ResolvedInputs((reference, mask.reference(MASK)), {SOURCE: source.file, MASK: mask})
        source_id = source.job.id if source.job else None
        return self._drafts(
            given, plan, model, inputs, project_id, key_id, source_id, source_seconds=source.file.seconds
        )

    def plan(self, given: Fields, operation: str, source: VideoSource | None, seconds: float) -> Request:
        """What a body asks for beside the videos that it is made from; not checked yet.

        Args:
            given: the body.
            operation: what is to be done.
            source: the first of the videos, whose size and model count if no other is named.
            seconds: length of the clip.

        Raises:
            BadInput: a field cannot be read, or there is no such model.
        """
        size = (source.file.size if source else None) or _size(given) or DEFAULT_SIZE
        return _plan(given, self._model(given, source), operation, size, seconds)

    def directed(
        self,
        given: Fields,
        plan: Request,
        inputs: ResolvedInputs,
        source: VideoSource | None,
        project_id: str,
        key_id: str | None,
    ) -> list[Draft]:
        """Drafts of a clip that is put together from segments; see `create` for what is raised.

        Args:
            given: the body.
            plan: the request, from `plan`, with its segments.
            inputs: the videos that it is cut from.
            source: the first of them.
            project_id: whose the clip is.
            key_id: with which key it is asked for.
        """
        check_size(plan.size)
        source_id = source.job.id if source and source.job else None
        return self._drafts(given, plan, self._model(given, source), inputs, project_id, key_id, source_id)

    def _model(self, given: Fields, source: VideoSource | None) -> Model:
        """The model that is named, else that of the video, else the usual one."""
        return self.catalogue.find(
            _name(given) or (source.job.asked_model if source and source.job else None)
        )

    def _check_extended(self, source: VideoSource, seconds: float, project_id: str) -> None:
        if seconds > MAX_EXTENDED_SECONDS:
            raise BadInput(
                f"old and new part together have {seconds:g} seconds",
                f"give so many seconds that they have {MAX_EXTENDED_SECONDS:g} at most",
                field="seconds",
            )
        job, extensions = source.job, 0
        while job is not None and job.operation == "extend":
            extensions += 1
            if extensions >= MAX_EXTENSIONS:
                raise BadInput(
                    f"the video has been extended {MAX_EXTENSIONS} times, which is the most",
                    "extend one that has been extended less often",
                    field="video",
                )
            job = self.inputs.store.job(project_id, job.source_id) if job.source_id else None

    def _drafts(
        self,
        given: Fields,
        plan: Request,
        model: Model,
        inputs: ResolvedInputs,
        project_id: str,
        key_id: str | None,
        source_id: str | None = None,
        source_seconds: float | None = None,
    ) -> list[Draft]:
        count = _or(given.whole("n"), 1)
        if not 1 <= count <= MAX_VIDEOS:
            raise BadInput(f"{count} videos at once cannot be made", f"give 1 to {MAX_VIDEOS}", field="n")
        seed = given.whole("seed")
        priority = _priority(given, plan)
        plan = dataclasses.replace(plan, references=inputs.references)
        plan.check(model.capabilities, source_seconds)
        self.catalogue.check(plan, source_seconds)
        asked = {**fields_of(plan), "seed": seed, "n": count, "model": model.name}
        asked |= {"source": source_id, "priority": priority}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        drafts = []
        for index in range(count):
            # Several from one seed are the seeds that follow it.
            request = dataclasses.replace(plan, seed=self.seed() if seed is None else seed + index)
            request.check(model.capabilities, source_seconds)
            drafts.append(
                Draft(
                    project_id=project_id,
                    key_id=key_id,
                    request=request,
                    asked_model=model.name,
                    priority=priority,
                    inputs=inputs.files,
                    source_id=source_id,
                    request_hash=digest,
                )
            )
        return drafts


def fields_of(plan: Request) -> dict[str, Any]:
    """What a request comes down to, in JSON values; files are told by their digests."""
    return {key: value for key, value in plan.identity().items() if key not in ("engine", "model", "seed")}


def _plan(given: Fields, model: Model, operation: str, size: Size, seconds: float) -> Request:
    """The request without what it refers to; not checked yet."""
    prompt = given.text("prompt")
    if prompt is None:
        raise BadInput("there is no prompt", "say in words what to show", field="prompt")
    return Request(
        prompt=prompt,
        width=size[0],
        height=size[1],
        seconds=seconds,
        fps=given.number("fps"),
        seed=_or(given.whole("seed"), 0),
        engine=model.engine,
        model=model.model,
        steps=given.whole("steps"),
        profile=given.text("profile"),
        operation=operation,
        negative_prompt=given.text("negative_prompt") or "",
        **controls.controls(given),
        sound=given.switch("sound"),
    )


def _priority(given: Fields, plan: Request) -> Priority:
    """The class of work. Previews go before everything else, so only what is small can be one."""
    text = given.text("priority") or Priority.INTERACTIVE.name
    if text.upper() not in Priority.__members__:
        names = tuple(name.lower() for name in Priority.__members__)
        raise BadInput(
            f"there is no priority {quote(text)}", f"choose {join_names(names, 'or')}", field="priority"
        )
    priority = Priority[text.upper()]
    small = plan.seconds <= PREVIEW_SECONDS and plan.width * plan.height <= PREVIEW_PIXELS
    if priority is Priority.PREVIEW and not small:
        raise BadInput(
            "the video is too large for a preview",
            f"ask for at most {PREVIEW_SECONDS:g} seconds and {PREVIEW_PIXELS:,} pixels, such as 640x360",
            field="priority",
        )
    return priority


def _name(given: Fields) -> str | None:
    """The name of the model, if it is one that could be."""
    name = given.text("model")
    if name is not None and not (len(name) <= 200 and name.isprintable()):
        raise BadInput(f"there is no model {quote(name)}", "GET /v1/models lists them", field="model")
    return name


def _size(given: Fields) -> Size | None:
    text = given.text("size")
    return None if text is None else parse_size(text)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
