"""The protocol of each kind of server, as data.

The comment of an entry says what was read about that server, in its own source or pages at versions between
August and November 2026, and what is only assumed. Only Hinode's dialect is tested against a real server: the
others need GPUs. A path such as "data.0.url" leads through the objects of an answer or of a JSON body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Phase(StrEnum):
    """The status of a job."""

    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


_STATUSES = {
    Phase.WORKING: "queued pending in_queue waiting scheduled submitted created accepted starting started "
    "loading preparing preprocessing in_progress processing running generating rendering postprocessing "
    "uploading finalizing retrying cancelling canceling",
    Phase.DONE: "completed complete succeeded success successful done finished ready",
    Phase.FAILED: "failed failure error errored cancelled canceled aborted rejected expired timeout "
    "timed_out deleted",
}
PHASES = {status: phase for phase, statuses in _STATUSES.items() for status in statuses.split()}
"""The meaning of the servers' words for a status."""

REFUSALS = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "contentfilter",
        "responsibleaipolicyviolation",
        "safety",
        "input_moderation",
    }
)
"""Codes of a moderation, in lower case: no server of this kind will make the clip, now or later."""

UNKNOWN_MODELS = (
    "model mismatch",
    "model_not_found",
    "invalid model name",
    "unknown model",
    "no such model",
)
"""What a refusal says, in lower case, if the server does not have the model that is configured."""


@dataclass(frozen=True)
class Dialect:
    """One protocol for requests of videos.

    Attributes:
        name: as `upstreams.toml` calls it.
        create: path to POST to, by operation.
        fields: their names for our fields: prompt, model, size or width and height, seconds or frames, fps,
            seed, steps, negative_prompt, sound, first_frame, last_frame, source. What is missing here cannot
            be requested.
        form: how the request is written; "either" is multipart if there is a file to send, else JSON. Where
            only JSON is read, a picture is a field in base64.
        constants: fields that are always sent.
        text_fields: fields of ours that they want as text.
        json_fields: further fields of theirs that multipart drops.
        job: path of a job, with "{id}" in it, or "" if creating answers with the video itself.
        content: path of the finished file, or "" if it is in the job.
        inline: where the file is in the job, in base64, or "".
        link: where the job names another address of the file, or "".
        progress: where a job has its progress in percent, or "" if it never reports it.
        provenance: where a job has how the clip came to be, or "".
        cancel: method and path that cancel a job, or None.
        cancel_stops: whether that really stops the work.
        cancelling: status codes which say that the work is being stopped.
        idempotent: whether an `Idempotency-Key` keeps a repeated request from making a second job.
        listing: path of its latest jobs with their prompts, or "".
        health: path that answers if the server is up.
        max_seed: larger seeds are wrapped.
        fps: frame rates that it draws at if nothing is configured, the default first.
        lengths: seconds that it draws, or empty if it draws any length.
        seconds: range of the length of a clip if nothing is configured.
        whole_seconds: whether lengths have to be whole.
        whole_fps: whether rates have to be whole.
        silent: whether it makes sound only if the request asks for it.
        sizes: sizes that it draws at if nothing is configured; empty means all.
    """

    name: str
    create: Mapping[str, str]
    fields: Mapping[str, str]
    form: Literal["json", "multipart", "either"] = "either"
    constants: Mapping[str, str] = field(default_factory=dict)
    text_fields: tuple[str, ...] = ()
    json_fields: tuple[str, ...] = ()
    job: str = "/v1/videos/{id}"
    content: str = "/v1/videos/{id}/content"
    inline: str = ""
    link: str = ""
    progress: str = "progress"
    provenance: str = ""
    cancel: tuple[str, str] | None = None
    cancel_stops: bool = False
    cancelling: tuple[int, ...] = ()
    idempotent: bool = False
    listing: str = ""
    health: str = "/health"
    max_seed: int = 2**63 - 1
    fps: tuple[float, ...] = (24.0,)
    lengths: tuple[float, ...] = ()
    seconds: tuple[float, float] = (0.0, 20.0)
    whole_seconds: bool = False
    whole_fps: bool = False
    silent: bool = False
    sizes: tuple[tuple[int, int], ...] = ()


_GENERATE = {"generate": "/v1/videos"}
_OPERATIONS = {**_GENERATE, "edit": "/v1/videos/edits", "extend": "/v1/videos/extensions"}
_DELETE = ("DELETE", "/v1/videos/{id}")


def _fields(names: str, **renamed: str) -> dict[str, str]:
    """Fields that they call as we do, separated by spaces, and their names for others."""
    return {**{name: name for name in names.split()}, **renamed}


_DIFFUSION = _fields(
    "prompt model size fps seed negative_prompt",
    frames="num_frames",
    steps="num_inference_steps",
    first_frame="input_reference",
)

_DIALECTS = (
    Dialect(
        # docs/reference/api.md
        name="hinode",
        create=_OPERATIONS,
        fields=_fields(
            "prompt model size seconds fps seed steps negative_prompt sound",
            first_frame="input_reference",
            source="video",
        ),
        text_fields=("seconds",),
        provenance="making",
        cancel=("POST", "/v1/videos/{id}/cancel"),
        cancel_stops=True,
        idempotent=True,
        health="/readyz",
        fps=(),
        seconds=(0.0, 120.0),
    ),
    Dialect(
        # Read: OpenAI's own specification and clients. They always send multipart, know no seed, no steps and
        # no cancellation, and DELETE is for jobs that are over. A list of
        # videos has their prompts. Assumed: that hosted providers with this API
        # accept the same; some refuse fields that are not Sora's, so no others are sent.
        name="openai",
        create=_OPERATIONS,
        fields=_fields("prompt model size seconds", first_frame="input_reference", source="video"),
        form="multipart",
        text_fields=("seconds",),
        link="url",
        cancel=_DELETE,
        listing="/v1/videos?limit=50&order=desc",
        health="/v1/models",
        fps=(30.0,),
        lengths=(4.0, 8.0, 12.0),
        seconds=(0.0, 12.0),
        whole_seconds=True,
        sizes=((1280, 720), (720, 1280)),
    ),
    Dialect(
        # Read: entrypoints/openai/video_api.py and protocol.py. JSON takes every field of its request;
        # multipart needs a picture in the older versions, so a request without one goes as JSON. A job's
        # record is dropped by DELETE and its GPU goes on. With a bucket configured, /content answers 400 and
        # the job has a `url`. Assumed: that multipart takes seed, steps and negative prompt as fields, as its
        # descendants do.
        name="sglang",
        create=_GENERATE,
        fields=_DIFFUSION | {"sound": "generate_sound"},
        silent=True,
        link="url",
        cancel=_DELETE,
    ),
    Dialect(
        # Read: docs/serving/videos_api.md and protocol/videos.py. Multipart only; `seconds` has to be whole,
        # so frames are sent instead; steps 1 to 200. DELETE aborts the engine at its next boundary. Progress
        # stays at 0 until it is 100, so it is not read. A failed job answers GET with a status that is not
        # 200, its body being the job. DELETE of a job that does not end within 2 s answers 409 and goes on
        # stopping it.
        name="vllm-omni",
        create=_GENERATE,
        fields=_DIFFUSION | {"sound": "generate_sound"},
        silent=True,
        form="multipart",
        progress="",
        cancel=_DELETE,
        cancel_stops=True,
        cancelling=(409,),
    ),
    Dialect(
        # Read: entrypoints/openai/video_api.py and protocol.py. JSON, or multipart with a file, in which all
        # fields below are known. Rates are int. No progress, and DELETE drops the record alone.
        name="fastvideo",
        create=_GENERATE,
        fields=_DIFFUSION,
        json_fields=("guidance_scale_2", "true_cfg_scale", "output_path"),
        whole_fps=True,
        progress="",
        cancel=_DELETE,
    ),
    Dialect(
        # Read: examples/server/api.md, routes_sdcpp.cpp and async_jobs.cpp. The file comes in base64 with the
        # finished job, as AVI (Motion JPEG), WebM or WebP; AVI is the one that every build has. Cancelling
        # works on a queued job; one that is being made answered 409 in the version that was read, while newer
        # ones may stop it. 429 when the queue is full, 410 for a job that was there once. The server draws
        # with the model that it was started with. Progress is not in the job.
        name="stable-diffusion.cpp",
        create={"generate": "/sdcpp/v1/vid_gen"},
        fields=_fields(
            "prompt width height fps seed negative_prompt",
            frames="video_frames",
            steps="sample_params.sample_steps",
            first_frame="init_image",
            last_frame="end_image",
        ),
        form="json",
        constants={"output_format": "avi"},
        job="/sdcpp/v1/jobs/{id}",
        content="",
        inline="result.b64_json",
        progress="",
        cancel=("POST", "/sdcpp/v1/jobs/{id}/cancel"),
        health="/sdcpp/v1/capabilities",
        fps=(16.0,),
    ),
    Dialect(
        # Read: core/http/endpoints/localai/video.go and core/schema/localai.go. One POST that answers when
        # the video is finished; in base64 if that is asked for, which leaves no file behind on the server.
        # Seeds and rates are int32. Hanging up does not stop the backend in the version that was read.
        name="localai",
        create={"generate": "/video"},
        fields=_fields(
            "prompt model width height fps seed negative_prompt",
            frames="num_frames",
            steps="step",
            first_frame="start_image",
            last_frame="end_image",
        ),
        form="json",
        constants={"response_format": "b64_json"},
        job="",
        content="",
        inline="data.0.b64_json",
        progress="",
        health="/readyz",
        whole_fps=True,
        max_seed=2**31 - 1,
        fps=(16.0,),
    ),
)
DIALECTS = {dialect.name: dialect for dialect in _DIALECTS}
