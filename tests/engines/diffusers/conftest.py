"""A home with tiny models, runs of them, and what plain diffusers makes of the same request."""

from __future__ import annotations

import dataclasses
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
from torch import Tensor

from hinode import pipeline
from hinode.clip import Clip, Frames
from hinode.engines.diffusers.engine import DiffusersEngine
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.testcard.engine import TestcardEngine
from hinode.model.layers import compute_type
from hinode.registry import entries
from hinode.registry.entry import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.families.family import EXTEND, Shape
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME, SOURCE, Reference, Request
from hinode.settings import Settings
from tests.engines.diffusers import tiny_models
from tests.engines.diffusers.tiny_models import TINY_MODELS
from tests.marking import MARKING
from tests.videos import read_video

PROMPT = "a red balloon over the sea"
STEPS = 4
VIDEO_SECONDS, VIDEO_FPS = 1.0, 12

CASES = [(family, mode) for family in TINY_MODELS for mode in FAMILIES[family].pipelines]
"""Every family in every input mode."""


def each_case(*, by: Callable[[str, str], Any], cases: list[tuple[str, str]] = CASES) -> list[Any]:
    """Parameters "family" and "mode" of a test: the first case of each kind is quick, the others are slow.

    Args:
        by: the kind of a case.
        cases: families and input modes.
    """
    kinds: set[Any] = set()
    parameters = []
    for family, mode in cases:
        marks = [pytest.mark.slow] if by(family, mode) in kinds else []
        kinds.add(by(family, mode))
        parameters.append(pytest.param(family, mode, marks=marks, id=f"{family}-{mode or 'text'}"))
    return parameters


def pipeline_kind(family: str, mode: str) -> tuple[str, int]:
    """The pipeline class and the number of denoisers: cases that agree in them run the same code."""
    return FAMILIES[family].pipelines[mode], len(FAMILIES[family].denoisers)


def network_kind(family: str, mode: str) -> Shape:
    """The shape of the network's tensors: families that agree in it have the same network and autoencoder."""
    return FAMILIES[family].shape


def input_kind(family: str, mode: str) -> bool:
    """Whether a case has pictures or a video: for what is the same whichever network samples."""
    return bool(mode)


@dataclass
class ModelHome:
    """A home with tiny models, each written when it is first needed.

    Attributes:
        home: `Settings.home`.
        folder: where the files of the models are.
        first_picture: a picture to start a clip with.
        last_picture: a picture to end a clip with.
        video: a video of one second.
    """

    home: Path
    folder: Path
    first_picture: Path
    last_picture: Path
    video: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, threads=1, device="cpu")

    def checkpoint(self, family: str) -> Path:
        """The folder of a family's tiny model."""
        folder = self.folder / family
        if not folder.is_dir():
            tiny_models.write(family, folder)
        return folder

    def add(self, family: str, name: str | None = None, **changes: Any) -> Entry:
        """Add the tiny model of a family to the registry."""
        values: dict[str, Any] = {
            "name": name or family,
            "engine": "diffusers",
            "family": family,
            "source": str(self.checkpoint(family)),
            "revision": "",
            "profile": "best",
            "loras": (),
            "licence": "Apache-2.0",
            **changes,
        }
        source = Path(values["source"])
        root, files = (source, source.rglob("*")) if source.is_dir() else (source.parent, [source])
        digests = {
            file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if file.is_file()
        }
        entry = Entry(**{"files": digests, **values})
        entries.save(entry, self.home)
        return entry

    def add_entry(self, family: str) -> str:
        """Add an entry of a family with the files of another one, which is enough until weights are read.

        Returns:
            The name of the model.
        """
        name = f"{family}-entry"
        entries.save(dataclasses.replace(self.add("wan2.1-t2v"), name=name, family=family), self.home)
        return name

    def references(self, mode: str) -> tuple[Reference, ...]:
        """The references of an input mode."""
        files = {FIRST_FRAME: self.first_picture, LAST_FRAME: self.last_picture}
        files = {role: files[role] for role in mode.split("+") if role in files}
        if mode and not files:
            files = {SOURCE: self.video}
        return tuple(
            Reference(
                role,
                hashlib.sha256(path.read_bytes()).hexdigest(),
                "video/mp4" if role == SOURCE else "image/png",
                path=str(path),
            )
            for role, path in files.items()
        )

    def request(self, name: str, mode: str = "", **changes: Any) -> Request:
        """A request for as many frames as the tiny model has in tests; an extension adds six frames."""
        family = FAMILIES[entries.find(name, self.home).family]
        tiny_model = TINY_MODELS[family.name]
        references = self.references(mode)
        on_video = any(reference.role == SOURCE for reference in references)
        values: dict[str, Any] = {
            "width": tiny_model.size[0],
            "height": tiny_model.size[1],
            "seconds": VIDEO_SECONDS + 6 / family.fps if mode == EXTEND else tiny_model.frames / family.fps,
            "seed": 5,
            "engine": "diffusers",
            "model": name,
            "steps": STEPS,
            "references": references,
            "operation": mode if on_video else "generate",
            **changes,
        }
        return Request(PROMPT, **values)

    def engine(self, **options: Any) -> DiffusersEngine:
        """A new engine with no model loaded."""
        return DiffusersEngine(self.settings, **options)

    def run(self, name: str, mode: str = "", **changes: Any) -> DiffusersRun:
        return self.engine().start(self.request(name, mode, **changes))

    def clip(self, name: str, mode: str = "", **changes: Any) -> Clip:
        return finish(self.run(name, mode, **changes))


def finish(run: DiffusersRun) -> Clip:
    """The clip of a run, driven to its end."""
    for _ in run:
        pass
    return run.clip()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelHome]:
    """A home for the tiny models of all tests; they add models to it and remove none."""
    import diffusers  # noqa: F401
    import transformers  # noqa: F401

    threads = torch.get_num_threads()
    # The libraries are a million objects that stay: without this each garbage collection takes half a second.
    gc.freeze()
    root = tmp_path_factory.mktemp("models")
    levels = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3) * 7
    picture = Image.fromarray((levels % 251).astype(np.uint8))
    picture.save(root / "first.png")
    picture.rotate(180).save(root / "last.png")
    home = ModelHome(
        root / "home", root / "checkpoints", root / "first.png", root / "last.png", root / "video.mp4"
    )
    card = Request("a video", 96, 64, VIDEO_SECONDS, fps=VIDEO_FPS, engine="testcard")
    pipeline.generate(card, TestcardEngine(home.settings), home.video, "mp4", marking=MARKING)
    yield home
    gc.unfreeze()
    torch.set_num_threads(threads)


@pytest.fixture
def decoder_file(models: ModelHome, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a tiny decoder for the tiny model of a family."""

    def write(family: str) -> Path:
        file = tmp_path / f"{family}.safetensors"
        return tiny_models.write_tiny_decoder(family, models.checkpoint(family), file)

    return write


def final_latents(run: DiffusersRun) -> Tensor:
    """The clean latents of a finished run, [C, T, h, w]."""
    assert run._call is not None
    assert run._call.steps is not None
    assert run._call.steps.state is not None
    latents = run._call.steps.state.results[0][0][0]
    shape, frames = run.task.family.shape, run.task.latent_frames
    if latents.ndim == 2:  # one sequence of tokens
        width, height = (side // shape.pixels_per_latent for side in run.task.size)
        tokens = latents[-frames * height * width :]
        return tokens.reshape(frames, height, width, -1).permute(3, 0, 1, 2)
    latents = latents.transpose(0, 1) if shape.frames_first else latents
    return latents[:, -frames:]


def nearly_equal(frames: Frames, expected: Frames) -> bool:
    """Whether frames are the same but for latents that were rounded to bfloat16."""
    difference = np.abs(frames.astype(int) - expected)
    return frames.shape == expected.shape and difference.mean() < 0.5 and difference.max() <= 16


@pytest.fixture(scope="session")
def reference(models: ModelHome) -> Callable[..., Any]:
    """What diffusers itself makes of a run's task, by its documented use.

    Returns all frames that the network samples, float32 [T, H, W, 3] in 0..1; with `sound` also the samples,
    float32 [channels, N].
    """

    def generate(run: DiffusersRun, *, sound: bool = False) -> Any:
        import diffusers

        task, family, profile = run.task, run.task.family, run.task.profile
        kind = getattr(diffusers, task.pipeline)
        types = dict.fromkeys(family.float32, torch.float32) | {"default": compute_type(torch.device("cpu"))}
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
        if task.pipeline != "HunyuanVideo15ImageToVideoPipeline":
            options |= {"width": task.size[0], "height": task.size[1]}
        options |= _references(models, run)
        characters = [reference for reference in task.request.references if reference.role == CHARACTER]
        if characters:
            middle = Image.fromarray(read_video(models.video).frames[6])
            options["reference_images"] = [middle] * len(characters)
        if "VideoToVideo" not in task.pipeline:
            options |= {"num_frames": task.network_frames, "num_inference_steps": profile.steps}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            output = pipe(
                prompt=PROMPT,
                negative_prompt="",
                generator=torch.Generator().manual_seed(task.request.seed),
                output_type="np",
                **options,
            )
        frames: npt.NDArray[np.float32] = np.asarray(output.frames)[0]
        return (frames, output.audio[0].float().numpy()) if sound else frames

    return generate


def _references(models: ModelHome, run: DiffusersRun) -> dict[str, Any]:
    """The references of a run's task as its pipeline is documented to take them."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    task = run.task
    kind, mode, count = task.pipeline, task.input_mode, task.network_frames
    first, last = (
        ImageOps.fit(Image.open(path).convert("RGB"), task.size, Image.Resampling.LANCZOS)
        if role in mode
        else None
        for role, path in ((FIRST_FRAME, models.first_picture), (LAST_FRAME, models.last_picture))
    )
    if mode in ("remix", "edit", "extend"):
        video = video_at(models, task.family.fps, task.size)
        if "VideoToVideo" in kind:
            # Of the steps of the schedule, strength leaves int(5 x 0.8) or int(7 x 0.6).
            steps, strength = {"remix": (5, 0.8), "edit": (7, 0.6)}[mode]
            video = (video + [video[-1]] * count)[:count]
            return {"video": video, "strength": strength, "num_inference_steps": steps}
        if mode == "edit":
            video = (video + [video[-1]] * count)[:count]
            grey_video = [frame.convert("L").convert("RGB") for frame in video]
            return {"video": grey_video, "mask": [Image.new("L", task.size, 255)] * count}
        overlap = {"wan2.1-vace": 13, "ltx-video-0.9.5": 17}[task.family.name]
        if "LTX" in kind:
            return {"conditions": [LTXVideoCondition(video=video[-overlap:], frame_index=0)]}
        pictures = dict(enumerate(video[-overlap:]))
    else:
        pictures = {0: first} if first else {}
        pictures |= {count - 1: last} if last else {}
        if not pictures:
            return {}
        if "LTXCondition" in kind:
            return {
                "conditions": [
                    LTXVideoCondition(image=picture, frame_index=index) for index, picture in pictures.items()
                ]
            }
        if "LTX2Condition" in kind:
            ends = ((first, 0), (last, -1))
            return {
                "conditions": [
                    LTX2VideoCondition(frames=picture, index=index) for picture, index in ends if picture
                ]
            }
        if "VACE" not in kind:
            return {"image": first} | ({"last_image": last} if last else {})
    grey = Image.new("RGB", task.size, (128, 128, 128))
    return {
        "video": [pictures.get(index, grey) for index in range(count)],
        "mask": [Image.new("L", task.size, 0 if index in pictures else 255) for index in range(count)],
    }


def video_at(models: ModelHome, fps: float, size: tuple[int, int]) -> list[Image.Image]:
    """The video at another rate and size; each frame is the one that is visible at that time."""
    frames = read_video(models.video).frames
    times = (index / fps for index in range(round(VIDEO_SECONDS * fps)))
    return [
        ImageOps.fit(Image.fromarray(frames[int(time * VIDEO_FPS + 1e-6)]), size, Image.Resampling.LANCZOS)
        for time in times
    ]
