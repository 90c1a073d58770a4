"""The images, videos and characters of a request: looked up, checked and put into the store."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

from hinode import pipeline
from hinode.api.failures import get_or_404, not_found
from hinode.api.limits import ConcurrencyLimit
from hinode.api.requests import pictures
from hinode.api.requests.models import CreateVideo
from hinode.api.requests.values import ImageReference, VideoReference
from hinode.clip import Frames
from hinode.errors import BadInput, quote
from hinode.jobs.files.characters import Character, Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.job import Job
from hinode.jobs.rights.consents import Consents
from hinode.jobs.rights.uploads import UploadPolicy
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.media import masks
from hinode.media.pictures import FORMATS, MAX_BYTES, measure
from hinode.media.reading import references
from hinode.media.reading.probe import probe
from hinode.outbound import Outbound
from hinode.request import (
    FIRST_FRAME,
    KEYFRAME,
    LAST_FRAME,
    MASK,
    MediaFile,
    Reference,
    Size,
    Trajectory,
)
from hinode.trust.provenance.marking import Marking
from hinode.trust.provenance.statement import state_portrait

IMAGES = {FIRST_FRAME: "input_reference", LAST_FRAME: "last_frame_reference"}
"""Fields for images, by the role of the reference."""
MAX_SOURCE_SECONDS = 120.0
MP4, PNG, JPEG = "video/mp4", "image/png", "image/jpeg"
MAX_FETCHES, MAX_FETCHES_PER_PROJECT = 8, 3
"""Images that are fetched at once, in all and for one project."""
FETCH_SECONDS, ACCEPT = 20.0, ", ".join(FORMATS.values())
DEFAULT_RATE = Fraction(30)
"""Of a video that does not say its own."""
PORTRAIT_SIZE = (640, 640)
MAX_MASK_PIXELS = 2**30
"""Pixels of all frames of a mask that moves: nine seconds of 1920x1080."""
MAX_DECODES, MAX_PROBES = 2, 4
"""Images and videos that are decoded at once: each takes memory and a core."""
MAX_SCREENINGS = 4
"""Files that guards look at at once: the frames of each are in memory, and a guard may be slow."""


@dataclass(frozen=True)
class SourceVideo:
    """A source video of a request; one that was uploaded has no job."""

    file: MediaFile
    job: Job | None = None


def stand_ins(body: CreateVideo, characters: Sequence[Character]) -> tuple[Reference, ...]:
    """The references of `Inputs.resolve`, to check a request before anything is fetched: pictures without
    digests, and the `characters` of the body."""
    return (
        *(Reference(role, "", PNG) for role, field in IMAGES.items() if getattr(body, field) is not None),
        *(character.reference()[0] for character in characters if not character.in_words),
        *(Reference(KEYFRAME, "", PNG, at=keyframe.at) for keyframe in body.keyframes),
    )


@dataclass
class Inputs:
    """Looks up the inputs of requests. Safe to use from several threads."""

    store: Store
    objects: Objects
    uploads: Uploads
    characters: Characters
    outbound: Outbound
    policy: UploadPolicy
    consents: Consents
    marking: Marking

    def __post_init__(self) -> None:
        what, remedy = "too many images are being fetched", "ask again later, or send the image itself"
        self.fetches = ConcurrencyLimit(MAX_FETCHES, MAX_FETCHES_PER_PROJECT, what, remedy)
        self.decodes = threading.BoundedSemaphore(MAX_DECODES)
        self.probes = threading.BoundedSemaphore(MAX_PROBES)
        self.screenings = threading.BoundedSemaphore(MAX_SCREENINGS)

    def resolve(
        self, body: CreateVideo, project_id: str, characters: Sequence[Character]
    ) -> list[tuple[Reference, MediaFile]]:
        """The references of a new video, with their files, which are put into the store; `characters` are
        those of the body.

        Raises:
            BadInput: one of them does not exist, cannot be read, or does not fit.
            OverQuota: too many images are being fetched at the moment.
        """
        resolved = []
        fit, size = body.input_reference_fit, body.size
        for role, field in IMAGES.items():
            image: ImageReference | None = getattr(body, field)
            if image is not None:
                file = self.image(image, size, fit, field, project_id)
                resolved.append((file.reference(role), file))
        resolved.extend(character.reference() for character in characters)
        for keyframe in body.keyframes:
            file = self.image(keyframe.picture, size, fit, "keyframes", project_id)
            resolved.append((file.reference(KEYFRAME, at=keyframe.at), file))
        return resolved

    def character(
        self, character_id: str, prompt: str, project_id: str, field: str, key_id: str | None = None
    ) -> Character:
        """A character that a prompt names, in the store: of the project, or of another one if the consent of
        the person includes whoever asks with `key_id`.

        Raises:
            BadInput: there is none, or the prompt does not name it; the first names `field`.
        """

        def find(project: str, name: str) -> Character | None:
            own = self.characters.get(project, name)
            return own or self.consents.shared(name, self.consents.person(project, key_id))

        character = get_or_404(find, project_id, character_id, "character", field)
        if not self.objects.keep(character.digest):
            raise not_found("character", character_id, field)
        if character.name not in prompt:
            message = f"the prompt does not name the character {quote(character.name, 80)}"
            raise BadInput(message, "write its name into the prompt", field="prompt")
        return character

    def image(
        self, image: ImageReference, size: Size, fit: str | None, field: str, project_id: str
    ) -> MediaFile:
        """An image at the size of a video, in the store. An image of another size is fitted as `fit` says,
        one of `media.pictures.FITS`, or refused.

        Raises:
            BadInput: it does not exist, cannot be read, or has another size.
            OverQuota: too many images are being fetched at the moment.
        """
        with self._image_file(image, field, project_id) as path:
            with self.decodes:
                changed, media_type = pictures.ready(path, size, fit, field)
            digest, count = self.objects.put(path if changed is None else changed)
            file = MediaFile(digest, media_type, count, size)
            if field != MASK:  # it shows where, and not whom
                self._check(file, project_id, field)
        return file

    def picture(
        self, image: ImageReference, field: str, project_id: str, *, of_person: bool = False
    ) -> MediaFile:
        """An image at its own size, in the store; it raises as `image` does. One `of_person` is for a
        character whose consent is checked instead of the rights to uploads."""
        with self._image_file(image, field, project_id) as path:
            with self.decodes:
                size, _ = measure(path, field=field)
                changed, media_type = pictures.ready(path, size, None, field)
            digest, count = self.objects.put(path if changed is None else changed)
            file = MediaFile(digest, media_type, count, size)
            self._check(file, project_id, field, of_person=of_person)
        return file

    def frame(
        self,
        video: MediaFile,
        index: int,
        field: str,
        *,
        fps: Fraction | None = None,
        size: Size | None = None,
    ) -> MediaFile:
        """A frame of a video in the store, as a picture in the store; by default it is counted at the rate of
        the video and has its size.

        Raises:
            BadInput: it has no such frame.
        """
        file = dataclasses.replace(video.reference(), path=str(self.objects.fetch(video.digest)))
        with self.decodes, self.objects.temporary() as path:
            rate = fps or references.rate(file) or DEFAULT_RATE
            count = math.ceil(references.seconds(file) * rate)
            if index >= count:
                message = f"{field}: the video has {count} frames and no frame {index}"
                raise BadInput(message, f"give 0 to {count - 1}", field=field)
            picture = references.FrameReader(file, rate, size or video.size).frame(index)
            Image.fromarray(picture).save(path, "PNG")
            digest, length = self.objects.put(path)
        return MediaFile(digest, PNG, length, size or video.size)

    def portrait(self, character: Character) -> Image.Image:
        """The picture of a character that is known by a picture or a clip, `PORTRAIT_SIZE` at most.

        Raises:
            BadInput: its file cannot be read.
        """
        path = self.objects.fetch(character.digest)
        file = dataclasses.replace(character.reference()[0], path=str(path))
        with self.decodes:
            if file.still:
                image = references.picture(file)
            else:
                facts = probe(path, max_seconds=MAX_SOURCE_SECONDS)
                reader = references.FrameReader(file, references.rate(file) or DEFAULT_RATE, facts.size)
                image = Image.fromarray(reader.frame(0))
            image.thumbnail(PORTRAIT_SIZE)
        return image

    @contextmanager
    def _image_file(self, image: ImageReference, field: str, project_id: str) -> Iterator[Path]:
        """The path of an image, while the block lasts."""
        if image.file is not None:
            yield image.file.path
        elif image.file_id is not None:
            yield self._upload(image.file_id, project_id, field)
        else:
            with self.objects.temporary() as path:
                self._fetch(image.image_url or "", path, field, project_id)
                yield path

    def _fetch(self, url: str, path: Path, field: str, project_id: str) -> None:
        if url[:5].lower() == "data:":
            path.write_bytes(pictures.from_data_url(url, field))
            return
        with self.fetches.acquire(project_id), path.open("wb") as file:
            self.outbound.fetch(
                url, file.write, max_bytes=MAX_BYTES, seconds=FETCH_SECONDS, accept=ACCEPT, field=field
            )

    def _upload(self, upload_id: str, project_id: str, field: str) -> Path:
        upload = get_or_404(self.uploads.get, project_id, upload_id, "file", field)
        if not self.objects.keep(upload.digest):
            raise not_found("file", upload_id, field)
        return self.objects.fetch(upload.digest)

    def moving_mask(self, mask: MediaFile, track: Trajectory, seconds: float, fps: Fraction) -> MediaFile:
        """A mask that follows a track, as a video in the store; see `media.masks.write_moving`.

        Args:
            mask: a picture in the store.

        Raises:
            BadInput: it would be too large.
        """
        width, height = mask.size
        if masks.frame_count(seconds, fps) * width * height > MAX_MASK_PIXELS:
            message = f"a mask that moves for {seconds:g} s at {width}x{height} is too large"
            raise BadInput(message, "leave mask_path out, or edit a shorter video", field="mask_path")
        with self.objects.temporary(".mp4") as path:
            with self.decodes:
                masks.write_moving(path, self.objects.fetch(mask.digest), track, seconds, fps)
            digest, count = self.objects.put(path)
        return MediaFile(digest, MP4, count, mask.size, seconds, fps)

    def source(self, video: VideoReference, project_id: str, field: str) -> SourceVideo:
        """The source video in a field of a request.

        Raises:
            BadInput: it does not exist, is not finished, or cannot be read.
        """
        if video.file is not None:
            return SourceVideo(self.video_file(video.file.path, project_id, field))
        name = video.id or video.file_id or ""
        if name.startswith("file-"):
            return SourceVideo(self.video_file(self._upload(name, project_id, field), project_id, field))
        return self.finished_video(name, project_id, field)

    def finished_video(self, video_id: str, project_id: str, field: str) -> SourceVideo:
        """A finished video of the project.

        Raises:
            BadInput: it does not exist, is not finished, or its file has expired.
        """
        job = get_or_404(self.store.job, project_id, video_id, "video", field)
        if job.status is not Status.COMPLETED:
            message = f"video {quote(video_id, 80)} {'has failed' if job.final else 'is not finished yet'}"
            remedy = "name another one" if job.final else "wait until its status is completed"
            raise BadInput(message, remedy, field=field)
        file = self.store.artifacts(video_id).get("video")
        if file is None or not self.objects.keep(file.digest):
            message = f"the file of video {quote(video_id, 80)} is not there any more"
            raise BadInput(message, "make the video again", field=field)
        request = job.request
        size = request["width"], request["height"]
        file = dataclasses.replace(file, size=size, seconds=job.seconds, prompt=request["prompt"])
        return SourceVideo(file, job)

    def video_file(self, path: Path, project_id: str, field: str, *, of_person: bool = False) -> MediaFile:
        """Put a video file of a project into the store; for `of_person` see `picture`.

        Raises:
            BadInput: it is not a usable MP4.
            RightsRefusal: it may not be used.
        """
        with self.probes:
            facts = probe(path, max_seconds=MAX_SOURCE_SECONDS)
        digest, count = self.objects.put(path)
        file = MediaFile(digest, MP4, count, facts.size, facts.seconds, facts.fps)
        self._check(file, project_id, field, of_person=of_person)
        return file

    def _check(self, file: MediaFile, project_id: str, field: str, *, of_person: bool = False) -> None:
        """Check the rights to a file in the store, and show it to the guards.

        Raises:
            RightsRefusal, ModerationBlocked: it may not be used.
        """
        file = dataclasses.replace(file, path=str(self.objects.fetch(file.digest)))
        if of_person:
            self.policy.check_staydown(file.digest, Path(file.path), field)
        else:
            self.policy.check(project_id, file, Path(file.path), field)

        def evidence(frames: Frames) -> MediaFile:
            picture = pipeline.evidence(frames, state_portrait(file.reference(field)), marking=self.marking)
            digest, count = self.objects.put(picture)
            return MediaFile(digest, JPEG, count)

        with self.screenings:
            self.store.gate.check_file(project_id, file, field, evidence)
