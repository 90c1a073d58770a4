"""A storyboard made into files: the film, streamed to the encoder, and its timeline for editing programs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from hinode import __version__
from hinode.clip import Frames
from hinode.directing.films.cache import RenderedShot, ShotCache
from hinode.directing.films.compiler import compile_storyboard
from hinode.directing.films.files import load_files
from hinode.directing.films.run import FilmRun
from hinode.directing.films.storyboard import Storyboard
from hinode.engines.native import catalog
from hinode.engines.protocol import Engine, Progress, drive
from hinode.licensing import licences
from hinode.media.reading.references import FrameReader
from hinode.media.sound import LEFT_OUT, describe_sound
from hinode.media.timeline import Timeline
from hinode.media.writing import editorial, formats
from hinode.media.writing.label import Label
from hinode.request import GUIDE_VIDEO
from hinode.settings import Settings
from hinode.trust.provenance.statement import Extent, Statement, ingredients_of
from hinode.trust.watermark.laying import Outcome, Watermarking
from hinode.trust.watermark.visible import aigc

if TYPE_CHECKING:
    from hinode.trust.provenance.marking import Marking

Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Film:
    """A finished film.

    Attributes:
        timeline: the OpenTimelineIO file beside it.
        shots: what was drawn for it, in its order, transitions included.
        anew: ids of those that were drawn this time.
        outdated: ids of shots that were left as they are though the storyboard would have them drawn again.
        watermark: what became of the invisible mark.
        sound: what can be heard, such as "stereo, 48000 Hz"; "left out" if the format cannot hold any, and
            None for a film without sound.
    """

    path: Path
    timeline: Path
    seconds: float
    fps: float
    frames: int
    shots: tuple[RenderedShot, ...]
    anew: tuple[str, ...]
    outdated: tuple[str, ...]
    bytes: int
    watermark: Outcome
    sound: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The film in plain JSON values."""
        values = {**dataclasses.asdict(self), "path": str(self.path), "timeline": str(self.timeline)}
        return values | {"watermark": self.watermark.as_json()}


def render_film(
    board: Storyboard,
    folder: Path,
    cache: Path,
    path: Path,
    format: str,
    engine: Engine,
    settings: Settings,
    *,
    only: Collection[str] = (),
    watch: Watch = lambda progress: None,
    marking: Marking,
) -> Film:
    """Make a storyboard into a film; what was drawn stays in the cache, however it ends.

    Args:
        folder: where the files that it names are.
        cache: folder of the finished shots.
        path, format: see `formats.write`.
        engine: draws, directed.
        only: see `FilmRun`.
        marking: how the film, and the files of its shots, are marked.

    Raises:
        BadInput: it cannot be made; found out before anything is drawn.
        EngineError: the engine failed.
        OutputError: something could not be written.
    """
    capabilities = engine.capabilities(board.model)
    weights = capabilities.model
    if capabilities.engine == catalog.ENGINE:
        weights = catalog.find(capabilities.model, settings.models).fingerprint()
    shots = ShotCache(cache)
    with TemporaryDirectory(prefix="hinode-") as scratch:
        files = load_files(board, folder, capabilities, Path(scratch))
        run = FilmRun(compile_storyboard(board, capabilities, files), engine, shots, weights, only=only)
        formats.check(format, path, run.plan.size, run.timeline.fps)
        drive(run, watch, run.checkpoint, save_seconds=settings.checkpoint_seconds)
        return _write(run, path, format, watch, marking)


def _write(run: FilmRun, path: Path, format: str, watch: Watch, marking: Marking) -> Film:
    board, timeline = run.plan.board, run.timeline.timeline
    shots = _in_order(run)
    rendered = {shot.id: shot for shot in shots}
    clips: dict[str, Path] = {}

    def finished(name: str, reader: FrameReader) -> None:
        if name in rendered:
            clips[name] = _write_clip(run, rendered[name], reader, path.with_suffix(".clips"), marking)

    def frames() -> Iterator[Frames]:
        watch(Progress("encode", 0, timeline.frames))
        for done, frame in enumerate(run.frames(finished), start=1):
            yield frame
            watch(Progress("encode", done, timeline.frames))

    soundtrack = run.sound()
    sound = soundtrack if format in formats.SOUNDING else None
    watermarking = Watermarking.of(marking.settings)
    facts = {"shots": [shot.key for shot in shots], "size": run.plan.size, "fps": str(timeline.fps)}
    laid = watermarking.lay(facts, frames(), run.plan.size, run.coverage, sound, float(timeline.fps))
    label = _label(run, shots, embed_prompt=marking.embed_prompt)
    if watermarking.aigc_producer:
        label = dataclasses.replace(label, tags={"AIGC": aigc(watermarking.aigc_producer, laid.id.hex())})
    outcomes: list[Outcome] = []

    def seal(part: Path) -> None:
        outcomes.append(laid.outcome(part if format == "mp4" else None))
        statement = dataclasses.replace(_state_film(run, shots), watermark_id=outcomes[0].id or None)
        marking.sign(part, statement)

    formats.write(format, path, laid.frames(), run.plan.size, timeline, label, laid.sound, seal)
    otio = path.with_suffix(".otio")
    videos = {shot.id: run.video(shot.id) for shot in board.shots}
    paths = {name: Path(video.reference.path) for name, video in videos.items()}
    paths |= clips
    parent = otio.resolve().parent
    names = {name: Path(os.path.relpath(file, parent)).as_posix() for name, file in paths.items()}
    editorial.write_otio(
        otio,
        board.title or path.stem,
        timeline.fps,
        run.timeline.cuts(videos, names, run.shots, run.transitions),
        {"generator": f"hinode {__version__}", "film": path.name, "seed": board.seed, "size": board.size},
    )
    return Film(
        path=path,
        timeline=otio,
        seconds=float(timeline.seconds),
        fps=float(timeline.fps),
        frames=timeline.frames,
        shots=shots,
        anew=tuple(run.rendered),
        outdated=tuple(run.outdated),
        watermark=outcomes[0],
        sound=LEFT_OUT if sound is None and soundtrack is not None else describe_sound(sound),
        bytes=sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
    )


def _write_clip(
    run: FilmRun, shot: RenderedShot, reader: FrameReader, folder: Path, marking: Marking
) -> Path:
    """The file of a shot for editing programs, at the size and rate of the film; it is written once.

    All of the shot is in it, also what is faded, so that a cut can be moved.
    """
    timeline, (width, height) = run.timeline, run.plan.size
    watermarking = Watermarking.of(marking.settings)
    size = width - width % 2, height - height % 2  # an MP4 has even sides
    facts = repr((shot.key, size, timeline.fps, shot.upscaler, __version__, watermarking))
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    # A plus would not stay as it is in the URLs of timelines.
    path = folder / f"{shot.id.replace('+', '~')}.{digest}.mp4"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        count = timeline.count(shot.frames, shot.rate)
        length = Timeline(timeline.fps, Fraction(count) / timeline.fps)
        frames = (np.ascontiguousarray(reader.frame(index)[: size[1], : size[0]]) for index in range(count))
        laid = watermarking.lay({"shot": shot.key, "size": size}, frames, size, fps=float(timeline.fps))
        label = Label(shot.prompt if marking.embed_prompt else "")
        model, engine = shot.model, run.plan.board.engine

        def seal(part: Path) -> None:
            mark = laid.outcome(part).id or None
            statement = Statement(Extent.ALL, "film", engine, model, shot.licence, watermark_id=mark)
            marking.sign(part, statement)

        formats.write("mp4", path, laid.frames(), size, length, label, seal=seal)
    return path


def _in_order(run: FilmRun) -> tuple[RenderedShot, ...]:
    """Everything that was drawn, in the order of the film."""
    ids = [shot.id for shot in run.plan.board.shots]
    places = [shots.get(name) for name in ids for shots in (run.transitions, run.shots)]
    return tuple(shot for shot in places if shot is not None)


def _state_film(run: FilmRun, shots: tuple[RenderedShot, ...]) -> Statement:
    """What the manifest of the film says: whose pictures are in it, and what else it was made from."""
    board, files = run.plan.board, run.plan.files
    kept = {shot.video for shot in board.shots if shot.video is not None}
    extent = Extent.ALL if not kept else Extent.SOME if shots else Extent.NOTHING
    references = [
        *((video.reference(), True) for name, video in files.videos.items() if name in kept),
        *((video.reference(GUIDE_VIDEO), False) for name, video in files.videos.items() if name not in kept),
        *((picture, False) for pictures in files.pictures.values() for picture in pictures),
    ]
    return Statement(
        extent,
        "film",
        engine=board.engine if shots else "",
        model=shots[0].model if shots else "",
        licence=shots[0].licence if shots else "",
        ingredients=ingredients_of(references),
    )


def _label(run: FilmRun, shots: tuple[RenderedShot, ...], *, embed_prompt: bool) -> Label:
    board, first, count = run.plan.board, shots[0], len(run.plan.board.shots)
    prompts = [shot.prompt for shot in board.shots if shot.prompt]
    return Label(
        title=(board.title or prompts[0]) if embed_prompt else "",
        comment=f"Made by the model {first.model} in Hinode {__version__} from a storyboard of {count} "
        f"{'shot' if count == 1 else 'shots'}." + licences.remark(first.licence),
        facts={
            "generator": f"hinode {__version__}",
            **({"prompt": board.title} if embed_prompt else {}),
            "engine": board.engine,
            "model": first.model,
            "seed": board.seed,
            "size": board.size,
            "shots": [
                {
                    "id": shot.id,
                    **({"prompt": shot.prompt} if embed_prompt else {}),
                    "seed": shot.seed,
                }
                for shot in shots
            ],
            **licences.stamp(first.licence),
        },
    )
