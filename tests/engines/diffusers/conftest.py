"""Twins on disk, a home that knows them, and what plain diffusers makes of the same request."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageOps

from hinode.clip import Clip
from hinode.engines import registry
from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.families import FAMILIES
from hinode.engines.native import compute_type
from hinode.engines.registry import Entry
from hinode.request import FIRST_FRAME, Reference, Request
from hinode.settings import Settings
from tests.engines.diffusers import twins

PROMPT = "a red balloon over the sea"
STEPS = 4


@dataclass
class Shelf:
    """A home with twins in it, each made when it is first asked for.

    Attributes:
        home: `Settings.home`.
        folder: where the twins' files are.
        photo: a picture to begin a clip with.
    """

    home: Path
    folder: Path
    photo: Path

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
        registry.save(entry, self.home)
        return entry

    def request(self, name: str, role: str = "", **changes: Any) -> Request:
        """A request for as many frames as the twin draws in tests."""
        family = FAMILIES[registry.find(name, self.home).family]
        twin = twins.TWINS[family.name]
        digest = hashlib.sha256(self.photo.read_bytes()).hexdigest()
        reference = Reference(FIRST_FRAME, digest, "image/png", "", str(self.photo))
        values: dict[str, Any] = {
            "width": twin.size[0],
            "height": twin.size[1],
            "seconds": twin.frames / family.fps,
            "seed": 5,
            "engine": "diffusers",
            "model": name,
            "steps": STEPS,
            "references": (reference,) if role == FIRST_FRAME else (),
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
    Image.fromarray((levels % 251).astype(np.uint8)).save(root / "photo.png")
    yield Shelf(root / "home", root / "twins", root / "photo.png")
    gc.unfreeze()
    torch.set_num_threads(threads)


def drawn(run: DiffusersRun) -> Clip:
    """A run driven to its end."""
    for _ in run:
        pass
    return run.clip()


@pytest.fixture(scope="session")
def plain(shelf: Shelf) -> Callable[..., npt.NDArray[np.float32]]:
    """What diffusers itself makes of a run's task, float32 [T, H, W, 3] in 0..1, by its documented use."""

    def draw(run: DiffusersRun) -> npt.NDArray[np.float32]:
        import diffusers

        task, family, profile = run.task, run.task.family, run.task.profile
        kind = getattr(diffusers, family.pipelines[task.role])
        types = dict.fromkeys(family.exact, torch.float32) | {"default": compute_type(torch.device("cpu"))}
        pipe = kind.from_pretrained(task.entry.source, dtype=types, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        options: dict[str, Any] = dict(family.arguments)
        shift = family.shift(task.size)
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
        if task.role:
            photo = ImageOps.fit(Image.open(shelf.photo).convert("RGB"), task.size, Image.Resampling.LANCZOS)
            if kind.__name__ == "WanVACEPipeline":
                grey = Image.new("RGB", task.size, (128, 128, 128))
                black, white = (Image.new("L", task.size, level) for level in (0, 255))
                options["video"] = [photo] + [grey] * (task.drawn - 1)
                options["mask"] = [black] + [white] * (task.drawn - 1)
            else:
                options["image"] = photo
        made = pipe(
            prompt=PROMPT,
            negative_prompt="",
            num_frames=task.drawn,
            num_inference_steps=profile.steps,
            generator=torch.Generator().manual_seed(task.request.seed),
            output_type="np",
            **options,
        )
        frames: npt.NDArray[np.float32] = np.asarray(made.frames)[0][: task.frames]
        return frames

    return draw
