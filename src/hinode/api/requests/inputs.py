"""The images, videos and characters that a request names or brings, found, checked and put into the store."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.api import failures, wire
from hinode.api.limits import ConcurrencyLimit
from hinode.api.requests import fields, pictures
from hinode.api.requests.fields import Fields, Part
from hinode.errors import BadInput, quote
from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.job import Artifact, Job
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.media.probe import Probe, probe
from hinode.outbound import Outbound
from hinode.request import (
    CHARACTER,
    FIRST_FRAME,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    MAX_CHARACTERS,
    SOURCE,
    Capabilities,
    Reference,
    Request,
    Size,
)

IMAGES = {FIRST_FRAME: "input_reference", LAST_FRAME: "last_frame_reference"}
KEYFRAMES = "keyframes"
"""Fields that bring an image, by the role that it has."""
MAX_SOURCE_SECONDS = 120.0
MP4 = "video/mp4"
MAX_FETCHES, MAX_FETCHES_PER_PROJECT = 8, 3
"""Images that are fetched from elsewhere at once, in all and for one project."""
FETCH_SECONDS = 20.0
MAX_DECODES, MAX_PROBES = 2, 4
"""Images and videos that are looked at together: each takes memory and a processor."""


@dataclass(frozen=True)
class VideoSource:
    """The video that another one is to be made from.

    Attributes:
        artifact: its file.
        size: width and height.
        seconds: its length.
        job: what made it, if it was made here.
    """

    artifact: Artifact
    size: Size
    seconds: float
    job: Job | None = None


@dataclass(frozen=True)
class ResolvedInputs:
    """References of a request, and their files among those of its job."""

    references: tuple[Reference, ...] = ()
    artifacts: tuple[Artifact, ...] = ()


class Inputs:
    """Finds what requests refer to. Safe to use from several threads."""

    def __init__(
        self, store: Store, objects: Objects, uploads: Uploads, characters: Characters, outbound: Outbound
    ) -> None:
        self.store = store
        self.objects = objects
        self.uploads = uploads
        self.characters = characters
        self.outbound = outbound
        self._fetches = ConcurrencyLimit(
            MAX_FETCHES,
            MAX_FETCHES_PER_PROJECT,
            what="too many images are being fetched from elsewhere",
            remedy="ask again, or send the image itself",
        )
        self._decodes = threading.BoundedSemaphore(MAX_DECODES)
        self._probes = threading.BoundedSemaphore(MAX_PROBES)

    # For a new clip

    def wanted(self, given: Fields, plan: Request, capabilities: Capabilities) -> list[str]:
        """Roles of the references that a request brings, checked before any of them is fetched or decoded.

        Raises:
            BadInput: the model cannot take them, or cannot do the rest of the plan.
        """
        roles = [role for role, field in IMAGES.items() if given.get(field) is not None]
        roles += [CHARACTER] * len(_character_ids(given))
        stand_ins = [Reference(role, "", "") for role in roles]
        keyframes = _keyframes(given)
        roles += [KEYFRAME] * len(keyframes)
        stand_ins += [Reference(KEYFRAME, "", "", at=moment) for moment, _ in keyframes]
        dataclasses.replace(plan, references=tuple(stand_ins)).check(capabilities)
        return roles

    def taken(self, given: Fields, plan: Request, roles: list[str], project_id: str) -> ResolvedInputs:
        """Find, check and keep what `wanted` said that the request brings.

        Raises:
            BadInput: something is not there, cannot be read, or does not fit.
            OverQuota: too many images are being fetched at the moment.
        """
        references, artifacts = [], []
        # Each input has its own role among the job's files: the second character is "character_2".
        for number, name in enumerate(_character_ids(given), start=1):
            one = self.characters.get(project_id, name) if wire.is_id(name) else None
            if one is None or not self.objects.keep(one.digest):
                raise failures.not_found("character", name, "characters")
            if one.name not in plan.prompt:
                raise BadInput(
                    f"the prompt does not name the character {quote(one.name, 80)}",
                    "write the name into the prompt as it is",
                    field="prompt",
                )
            references.append(Reference(CHARACTER, one.digest, one.media_type, one.name))
            role = CHARACTER if number == 1 else f"{CHARACTER}_{number}"
            artifacts.append(Artifact(role, one.digest, one.media_type, one.bytes))
        for number, (moment, image) in enumerate(_keyframes(given) if KEYFRAME in roles else (), start=1):
            picture = self._picture(given, image, KEYFRAMES, f"{KEYFRAME}_{number}", plan.size, project_id)
            references.append(Reference(KEYFRAME, picture.digest, picture.media_type, at=moment))
            artifacts.append(picture)
        for role in (LAST_FRAME, FIRST_FRAME):
            if role in roles:
                field = IMAGES[role]
                picture = self._picture(given, given.get(field), field, role, plan.size, project_id)
                references.insert(0, Reference(role, picture.digest, picture.media_type))
                artifacts.insert(0, picture)
        return ResolvedInputs(tuple(references), tuple(artifacts))

    def mask(self, given: Fields, size: Size, project_id: str) -> Artifact | None:
        """The image that says which part of a video is drawn anew, in the store, at the size of the video;
        None if there is none.

        Raises:
            BadInput: it cannot be read, or has another size.
        """
        value = given.get(MASK)
        return None if value is None else self._picture(given, value, MASK, MASK, size, project_id)

    def _picture(
        self, given: Fields, value: Any, field: str, role: str, size: Size, project_id: str
    ) -> Artifact:
        """An image that a video is made from, in the store, at the size of the video."""
        fit = pictures.check_fit(given.text("input_reference_fit"))
        with self._image_file(fields.unpacked(value), field, project_id) as path:
            with self._decodes:
                changed, media_type = pictures.ready(path, size, fit, field)
            digest, count = self.objects.put(path if changed is None else changed)
        return Artifact(role, digest, media_type, count)

    @contextmanager
    def _image_file(self, value: Any, field: str, project_id: str) -> Iterator[Path]:
        """Where the image that a field brings is, in whichever way it is given."""
        if isinstance(value, Part):
            yield value.path
            return
        if isinstance(value, str):  # a bare link or id, as some clients send it
            value = {"file_id" if value.startswith("file-") else "image_url": value}
        known = ("file_id", "image_url")
        named = [key for key in known if isinstance(value, dict) and value.get(key) not in (None, "")]
        if len(named) != 1 or not isinstance(value[named[0]], str):
            raise BadInput(
                f"{field} does not name one image",
                "give a file, or an object with either file_id or image_url",
                field=field,
            )
        text: str = value[named[0]]
        if named[0] == "file_id":
            yield self._upload(text, project_id, field)
        elif text[:5].lower() == "data:":
            with self.objects.temporary() as path:
                path.write_bytes(pictures.from_data_url(text, field))
                yield path
        else:
            with self.objects.temporary() as path, self._fetches.one(project_id):
                with path.open("wb") as file:
                    self.outbound.fetch(
                        text,
                        file.write,
                        most_bytes=pictures.MAX_BYTES,
                        seconds=FETCH_SECONDS,
                        accept=", ".join(pictures.FORMATS.values()),
                        field=field,
                    )
                yield path

    def _upload(self, name: str, project_id: str, field: str) -> Path:
        upload = self.uploads.get(project_id, name) if wire.is_id(name) else None
        if upload is None or not self.objects.keep(upload.digest):
            raise failures.not_found("file", name, field)
        return self.objects.path(upload.digest)

    # For a clip that is made from another

    def source(self, given: Fields, project_id: str) -> VideoSource:
        """The video that a request names or brings.

        Raises:
            BadInput: it is not there, not finished, or cannot be read.
        """
        return self.source_of(fields.unpacked(given.get("video")), project_id, "video")

    def source_of(self, value: Any, project_id: str, field: str) -> VideoSource:
        """The video that a value of a field names or is; see `source`."""
        if isinstance(value, Part):
            artifact, found = self.video_file(value)
            return VideoSource(artifact, found.size, found.seconds)
        name = value.get("id") or value.get("file_id") if isinstance(value, dict) else value
        if not isinstance(name, str) or not name:
            raise BadInput(
                "it is not said which video is meant",
                'give an object such as {"id": "video_…"}, or an MP4 file',
                field=field,
            )
        if name.startswith("file-"):
            path = self._upload(name, project_id, field)
            found = self._probed(path)
            digest, size = self.objects.put(path)
            return VideoSource(Artifact(SOURCE, digest, MP4, size), found.size, found.seconds)
        return self.made(name, project_id, field)

    def made(self, name: str, project_id: str, field: str) -> VideoSource:
        """A finished video of the project.

        Raises:
            BadInput: there is none, it is not finished, or its file has expired; `field` is what to name.
        """
        job = self.store.job(project_id, name) if wire.is_id(name) else None
        if job is None:
            raise failures.not_found("video", name, field)
        if job.status is not Status.COMPLETED:
            is_over = job.final
            raise BadInput(
                f"video {quote(name, 80)} {'has failed' if is_over else 'is not finished yet'}",
                "name another one" if is_over else "wait until its status is completed",
                field=field,
            )
        artifact = self.store.artifacts(name).get("video")
        if artifact is None or not self.objects.keep(artifact.digest):
            raise BadInput(
                f"the file of video {quote(name, 80)} has expired", "make the video again", field=field
            )
        size = job.request["width"], job.request["height"]
        return VideoSource(artifact, size, job.seconds, job)

    def video_file(self, part: Part) -> tuple[Artifact, Probe]:
        """Keep a video file that came with a request.

        Raises:
            BadInput: it is not an MP4 that can be worked on.
        """
        found = self._probed(part.path)
        digest, size = self.objects.put(part.path)
        return Artifact(SOURCE, digest, MP4, size), found

    def _probed(self, path: Path) -> Probe:
        with self._probes:
            return probe(path, max_seconds=MAX_SOURCE_SECONDS)


def _keyframes(given: Fields) -> list[tuple[float, Any]]:
    """Moments and images of the keyframes."""
    value = fields.unpacked(given.get(KEYFRAMES))
    if value is None:
        return []
    entries = value if isinstance(value, list) else [value]
    found = []
    for entry in entries:
        moment = Fields(entry).number("at") if isinstance(entry, dict) else None
        if moment is None or moment < 0:
            raise BadInput(
                "keyframes does not say at which moment an image is shown",
                'give a list such as [{"at": 1.5, "file_id": "file-…"}]',
                field=KEYFRAMES,
            )
        found.append((moment, entry.get("image") or entry))
    return found


def _character_ids(given: Fields) -> list[str]:
    value = fields.unpacked(given.get("characters"))
    if value is None:
        return []
    entries = value if isinstance(value, list) else [value]
    names = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
    if not all(isinstance(name, str) and name for name in names):
        raise BadInput(
            "characters does not name characters",
            'give a list such as [{"id": "char_…"}]',
            field="characters",
        )
    if len(names) > MAX_CHARACTERS:
        raise BadInput(
            f"there are {len(names)} characters", f"give {MAX_CHARACTERS} at most", field="characters"
        )
    return [str(name) for name in names]
