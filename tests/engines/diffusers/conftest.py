"""Twins on disk, a home that knows them, and what plain diffusers makes of the same request."""

from __future__ import annotations

import gc
import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageOps

from hinode import pipeline
from hinode.clip import Clip
from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.testcard.engine import TestcardEngine
from hinode.media.video import read_video
from hinode.model.layers import compute_type
from hinode.registry import entries
from hinode.registry.entries import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.family import EXTEND
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Reference, Request
from hinode.settings import Settings
from tests.engines.diffusers import twins

PROMPT = "a red balloon over the sea"
STEPS = 4
FILM_SECONDS = 1.0


@dataclass
class Shelf:
    """A home with twins in it, each made when it is first asked for.

    Attributes:
        home: `Settings.home`.
        folder: where the twins' files are.
        photo: a picture to begin a clip with.
        finish: a picture to end a clip with.
        film: a video of a second, with twelve frames.
    """

    home: Path
    folder: Path
    photo: Path
    finish: Path
    film: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, threads=1, device="cpu")

    def twin(self, family: str) -> Path:
        """The folder of a family's twin."""
        folder = self.folder / family
        if not folder.is_dir():
            twins.write(family, folder)
        return folder

    def add(self, family: str, name: str | None = None, **changes: Any) -> Entry:
        """An entry for the twin of a family."""
        folder = self.twin(family)
        values: dict[str, Any] = {
            "name": name or family,
            "engine": "diffusers",
            "family": family,
            "source": str(folder),
            "revision": "",
            "profile": "best",
            "loras": (),
            "licence": "Apache-2.0",
            **changes,
        }
        source = Path(values["source"])
        files = source.rglob("*") if source.is_dir() else [source]
        digests = {
            (file.relative_to(source) if source.is_dir() else Path(file.name)).as_posix(): hashlib.sha256(
                file.read_bytes()
            ).hexdigest()
            for file in files
            if file.is_file()
        }
        entry = Entry(**{"files": digests, **values})
        entries.save(entry, self.home)
        return entry

    def references(self, role: str) -> tuple[Reference, ...]:
        """What a clip is drawn from on one of a family's roads: a key of its `pipelines`."""
        files = {FIRST_FRAME: self.photo, LAST_FRAME: self.finish}
        wanted = {one: files[one] for one in role.split("+") if one in files}
        if role and not wanted:
            wanted = {SOURCE: self.film}
        return tuple(
            Reference(
                one,
                hashlib.sha256(path.read_bytes()).hexdigest(),
                "video/mp4" if one == SOURCE else "image/png",
                path=str(path),
            )
            for one, path in wanted.items()
        )

    def request(self, name: str, role: str = "", **changes: Any) -> Request:
        """A request for as many frames as the twin draws in tests, or for a few more than the film has."""
        family = FAMILIES[entries.find(name, self.home).family]
        twin = twins.TWINS[family.name]
        given = self.references(role)
        works = any(one.role == SOURCE for one in given)
        if role == EXTEND:
            changes = {"seconds": FILM_SECONDS + 6 / family.fps, **changes}
        values: dict[str, Any] = {
            "width": twin.size[0],
            "height": twin.size[1],
            "seconds": twin.frames / family.fps,
            "seed": 5,
            "engine": "diffusers",
            "model": name,
            "steps": STEPS,
            "references": given,
            "operation": role if works else "generate",
            **changes,
        }
        return Request(PROMPT, **values)

    def engine(self, **options: Any) -> DiffusersEngine:
        """An engine with nothing in its memory yet."""
        return DiffusersEngine(self.settings, **options)

    def run(self, name: str, role: str = "", **changes: Any) -> DiffusersRun:
        return self.engine().start(self.request(name, role, **changes))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A home with every twin that the tests ask for; they add models to it and take none away."""
    import diffusers  # noqa: F401
    import transformers  # noqa: F401

    threads = torch.get_num_threads()
    # The libraries are a million objects that stay: without this each sweep for garbage takes half a second.
    gc.freeze()
    root = tmp_path_factory.mktemp("shelf")
    levels = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3) * 7
    photo = Image.fromarray((levels % 251).astype(np.uint8))
    photo.save(root / "photo.png")
    photo.rotate(180).save(root / "finish.png")
    shelf = Shelf(root / "home", root / "twins", root / "photo.png", root / "finish.png", root / "film.mp4")
    card = Request("a film", 96, 64, FILM_SECONDS, fps=12.0, engine="testcard")
    pipeline.generate(card, TestcardEngine(shelf.settings), shelf.film, "mp4")
    yield shelf
    gc.unfreeze()
    torch.set_num_threads(threads)


def drawn(run: DiffusersRun) -> Clip:
    """A run driven to its end."""
    for _ in run:
        pass
    return run.clip()


@pytest.fixture(scope="session")
def plain(shelf: Shelf) -> Callable[..., Any]:
    """What diffusers itself makes of a run's task, float32 [T, H, W, 3] in 0..1, by its documented use: all
    frames that are drawn; with `sound` the samples float32 [channels, N] too."""

    def draw(run: DiffusersRun, *, sound: bool = False) -> Any:
        import diffusers

        task, family, profile = run.task, run.task.family, run.task.profile
        kind = getattr(diffusers, family.pipelines[task.role])
        types = dict.fromkeys(family.exact, torch.float32) | {"default": compute_type(torch.device("cpu"))}
        pipe = kind.from_pretrained(task.entry.source, dtype=types, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        options: dict[str, Any] = dict(family.arguments)
        shift = family.shift(task.size, profile)
        if shift is not None:
            pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, flow_shift=shift)
        if family.guidance_argument:
            options["guidance_scale"] = profile.guidance
        else:
            pipe.guider = pipe.guider.new(guidance_scale=profile.guidance)
        if profile.guidance_2 is not None:
            options["guidance_scale_2"] = profile.guidance_2
        if family.rate_argument:
            options[family.rate_argument] = family.fps
        if kind.__name__ != "HunyuanVideo15ImageToVideoPipeline":
            options |= {"width": task.size[0], "height": task.size[1]}
        options |= _given(shelf, run)
        characters = [one for one in task.request.references if one.role == CHARACTER]
        if characters:
            options["reference_images"] = [Image.fromarray(read_video(shelf.film).frames[6])] * len(
                characters
            )
        if "VideoToVideo" not in kind.__name__:
            options |= {"num_frames": task.drawn, "num_inference_steps": profile.steps}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            made = pipe(
                prompt=PROMPT,
                negative_prompt="",
                generator=torch.Generator().manual_seed(task.request.seed),
                output_type="np",
                **options,
            )
        frames: npt.NDArray[np.float32] = np.asarray(made.frames)[0]
        return (frames, made.audio[0].float().numpy()) if sound else frames

    return draw


def _given(shelf: Shelf, run: DiffusersRun) -> dict[str, Any]:
    """The references of a run's task as its pipeline is documented to take them."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    task = run.task
    kind, role, count = task.pipeline, task.role, task.drawn
    first, last = (
        ImageOps.fit(Image.open(path).convert("RGB"), task.size, Image.Resampling.LANCZOS)
        if place in role
        else None
        for place, path in ((FIRST_FRAME, shelf.photo), (LAST_FRAME, shelf.finish))
    )
    if role in ("remix", "edit", "extend"):
        film = film_at(shelf, task.family.fps, task.size)
        if "VideoToVideo" in kind:
            # Of the ten steps of the schedule, those that strength leaves: int(5 x 0.8), int(7 x 0.6).
            steps, strength = {"remix": (5, 0.8), "edit": (7, 0.6)}[role]
            film = (film + [film[-1]] * count)[:count]
            return {"video": film, "strength": strength, "num_inference_steps": steps}
        if role == "edit":
            film = [frame.convert("L").convert("RGB") for frame in (film + [film[-1]] * count)[:count]]
            return {"video": film, "mask": [Image.new("L", task.size, 255)] * count}
        overlap = {"wan2.1-vace": 13, "ltx-video-0.9.5": 17}[task.family.name]
        if "LTX" in kind:
            return {"conditions": [LTXVideoCondition(video=film[-overlap:], frame_index=0)]}
        known = dict(enumerate(film[-overlap:]))
    else:
        known = {0: first} if first else {}
        known |= {count - 1: last} if last else {}
        if not known:
            return {}
        if "LTXCondition" in kind:
            places = known.items()
            return {"conditions": [LTXVideoCondition(image=one, frame_index=at) for at, one in places]}
        if "LTX2Condition" in kind:
            ends = ((first, 0), (last, -1))
            return {"conditions": [LTX2VideoCondition(frames=one, index=at) for one, at in ends if one]}
        if "VACE" not in kind:
            return {"image": first} | ({"last_image": last} if last else {})
    grey = Image.new("RGB", task.size, (128, 128, 128))
    return {
        "video": [known.get(place, grey) for place in range(count)],
        "mask": [Image.new("L", task.size, 0 if place in known else 255) for place in range(count)],
    }


def film_at(shelf: Shelf, fps: float, size: tuple[int, int]) -> list[Image.Image]:
    """The film at another rate, each frame the one that is seen at that moment, and at another size."""
    frames = read_video(shelf.film).frames
    times = (place / fps for place in range(round(FILM_SECONDS * fps)))
    return [
        ImageOps.fit(Image.fromarray(frames[int(time * 12 + 1e-6)]), size, Image.Resampling.LANCZOS)
        for time in times
    ]
