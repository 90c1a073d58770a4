"""Clips by plain diffusers and by the engine `diffusers`, timed in the same way.

    end to end    from the prompt to the bytes of an MP4 on the disk, which both write with the same encoder
    cold          the first clip of a process, from its start: interpreter, imports, weights, compiling
    warm          another clip of the same process with another prompt, so that the prompt is encoded again
    sample        from the first pass of the denoiser to the end of the last step

On a GPU every stage ends when the GPU has finished its work.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT = "a red balloon over the sea"
FAMILY = "wan2.1-t2v"
BASELINE = "plain"
SHIFT = 5.0


@dataclass(frozen=True)
class Geometry:
    """A Wan network with random weights, and the clip that it samples.

    Attributes:
        width: of a frame in pixels.
        height: of a frame in pixels.
        frames: of the clip.
        heads: attention heads.
        head: channels of one head.
        feed_forward: channels inside the feed-forward layers.
        layers: blocks.
        text: channels of the text encoder's output.
        decoder: config of the autoencoder where it differs from that of a tiny model.
    """

    width: int
    height: int
    frames: int
    heads: int
    head: int
    feed_forward: int
    layers: int
    text: int = 32
    decoder: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def tokens(self) -> int:
        """Tokens of one pass: 4 x 16 x 16 pixels are one."""
        return self.latent_frames * (self.width // 16) * (self.height // 16)

    @property
    def latent_frames(self) -> int:
        return 1 + (self.frames - 1) // 4

    def operations(self, width: int | None = None, height: int | None = None, *, layers: int = 0) -> float:
        """Floating-point operations of one pass, a multiplication and an addition counted as two.

        With N tokens, L = 512 tokens of text, d channels and f inside the feed-forward layers, a block takes
        8Nd² for queries, keys, values and output of self-attention and 4N²d for its products; 4Nd² + 4Ld² and
        4NLd for cross-attention; 4Ndf for the feed-forward layers. Norms and embeddings are left out.

        Args:
            width: of the frame, if it is not that of the clip.
            height: the same.
            layers: number of blocks, or 0 for all.
        """
        geometry = dataclasses.replace(self, width=width or self.width, height=height or self.height)
        n, d, f, words = geometry.tokens, self.heads * self.head, self.feed_forward, 512
        block = 12 * n * d * d + 4 * n * n * d + 4 * words * d * d + 4 * n * words * d + 4 * n * d * f
        return float((layers or self.layers) * block)


TINY = Geometry(96, 64, 9, heads=4, head=32, feed_forward=256, layers=4)
WAN_1_3B = Geometry(
    832,
    480,
    81,
    heads=12,
    head=128,
    feed_forward=8960,
    layers=30,
    text=4096,
    decoder={"base_dim": 96, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2},
)
"""Wan 2.1 1.3B: denoiser and autoencoder as published. The text encoder is a small one of the right width,
since a prompt is encoded once."""


def write_checkpoint(geometry: Geometry, folder: Path, device: str = "cpu") -> None:
    """Write a network with random weights in bfloat16, laid out like a published one.

    Args:
        geometry: of the network.
        folder: where to.
        device: where the random numbers are made.
    """
    import diffusers
    import torch

    from tests.engines.diffusers.tiny_models import parts, wan

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            text_encoder = parts.t5(width=geometry.text)
            vae = wan.vae(**geometry.decoder)
            transformer = wan.transformer(
                num_attention_heads=geometry.heads,
                attention_head_dim=geometry.head,
                ffn_dim=geometry.feed_forward,
                num_layers=geometry.layers,
                text_dim=geometry.text,
                freq_dim=256,
                rope_max_seq_len=1024,
            )
    finally:
        torch.set_default_dtype(torch.float32)
    diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=text_encoder,
        vae=vae,
        scheduler=wan.scheduler(SHIFT),
        transformer=transformer,
    ).save_pretrained(folder, max_shard_size="100GB")


def register(name: str, source: Path, home: Path, **changes: Any) -> None:
    """Add a checkpoint to the registry of a home, without computing its digests.

    Args:
        changes: fields of the entry that differ from the default.
    """
    from hinode.registry import entries
    from hinode.registry.entry import Entry

    files = {file.relative_to(source).as_posix(): "0" * 64 for file in source.rglob("*") if file.is_file()}
    entry = Entry(name, "diffusers", FAMILY, str(source), "", files, "best", licence="Apache-2.0", **changes)
    entries.save(entry, home)


def prepare(geometry: Geometry, folder: Path, *, steps: int = 4) -> None:
    """Write a network and register it in `folder/home`: as "full", and as "few-step" with a LoRA that counts
    as distilled to so many steps in the profiles `draft` and `standard`."""
    from hinode.registry.entry import Lora
    from tests.engines.diffusers import tiny_models

    write_checkpoint(geometry, folder / "model")
    file = tiny_models.write_lora(folder / "model", folder / "few-step.safetensors")
    # Hardly any weight: random weights of a LoRA over random weights would only make numbers overflow.
    lora = Lora(str(file), 0.01, ("draft", "standard"), steps)
    register("full", folder / "model", folder / "home")
    register("few-step", folder / "model", folder / "home", loras=(lora,))


def load_baseline(folder: Path, device: str) -> Any:
    """A checkpoint as a pipeline of plain diffusers, in the types that its makers use."""
    import diffusers
    import torch

    from hinode.model.layers import compute_type

    types = {"default": compute_type(torch.device(device)), "vae": torch.float32}
    pipe = diffusers.WanPipeline.from_pretrained(folder, dtype=types, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def run_baseline(
    pipe: Any,
    geometry: Geometry,
    steps: int,
    *,
    prompt: str = PROMPT,
    seed: int = 0,
    on_start: Callable[[], None],
    on_step: Callable[[int], None],
) -> Any:
    """A clip by the documented use of diffusers, with the makers' settings.

    Args:
        on_start: called before the first pass of the denoiser.
        on_step: called after every step with its index.

    Returns:
        Frames uint8 [T, H, W, 3].
    """
    import numpy as np
    import torch

    from hinode.engines.diffusers.run import to_uint8
    from hinode.registry.families import FAMILIES

    started = []

    def before_pass(*_: object) -> None:
        if not started:
            started.append(True)
            on_start()

    def after_step(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        on_step(step)
        return values

    hook = pipe.transformer.register_forward_pre_hook(before_pass)
    output = pipe(
        prompt=prompt,
        negative_prompt="",
        width=geometry.width,
        height=geometry.height,
        num_frames=geometry.frames,
        num_inference_steps=steps,
        guidance_scale=FAMILIES[FAMILY].profiles["best"].guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=after_step,
        output_type="np",
    )
    hook.remove()
    return to_uint8(np.asarray(output.frames)[0])


def make_request(geometry: Geometry, model: str, prompt: str = PROMPT, **options: Any) -> Any:
    """A request for the clip of a geometry."""
    from hinode.registry.families import FAMILIES
    from hinode.request import Request

    seconds = geometry.frames / FAMILIES[FAMILY].fps
    return Request(
        prompt, geometry.width, geometry.height, seconds, engine="diffusers", model=model, **options
    )


def disable_reuse(run: Any) -> None:
    """Have a run compute every pass in full, by a threshold that nothing stays under."""
    profile = dataclasses.replace(run.task.profile, reuse=run.task.profile.reuse and 1e-9)
    run.task = dataclasses.replace(run.task, profile=profile)


@dataclass
class Stopwatch:
    """Wall-clock seconds by stage."""

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    stage: str = "load"
    _since: float = dataclasses.field(default_factory=time.perf_counter)

    def enter(self, stage: str) -> None:
        """End the current stage when the device has finished its work, and start another."""
        synchronise()
        now = time.perf_counter()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now


@dataclass
class ClipMaker:
    """Makes one clip after another.

    Attributes:
        method: "plain" for diffusers alone, or the name of a profile.
        folder: see `prepare`.
        geometry: the clip.
        steps: sampling steps, or 0 for those of the profile.
        model: "full" or "few-step", see `prepare`.
        reuse: whether a profile may reuse blocks between steps.
        device: "cpu" or "cuda".
        threads: processor threads.
    """

    method: str
    folder: Path
    geometry: Geometry
    steps: int = 0
    model: str = "full"
    reuse: bool = True
    device: str = "cpu"
    threads: int = 1
    _loaded: Any = None

    def make(self, prompt: str, path: Path) -> dict[str, Any]:
        """Make one clip, and return what it took."""
        stopwatch = Stopwatch()
        start, processor = time.perf_counter(), time.process_time()
        facts = (self._baseline if self.method == BASELINE else self._engine)(prompt, path, stopwatch)
        stopwatch.enter("end")
        facts |= {"e2e": time.perf_counter() - start, "processor": time.process_time() - processor}
        return {"stages": stopwatch.seconds, **facts}

    def _request(self, prompt: str) -> Any:
        profile = None if self.method == BASELINE else self.method
        return make_request(self.geometry, self.model, prompt, profile=profile, steps=self.steps or None)

    def _baseline(self, prompt: str, path: Path, stopwatch: Stopwatch) -> dict[str, Any]:
        import torch

        from hinode import pipeline
        from hinode.clip import Clip, Provenance
        from hinode.registry.families import FAMILIES

        family, size = FAMILIES[FAMILY], (self.geometry.width, self.geometry.height)
        steps = self.steps or family.profiles["best"].steps
        if self._loaded is None:
            torch.set_num_threads(self.threads)
            self._loaded = load_baseline(self.folder / "model", self.device)
        stopwatch.enter("text")
        frames = run_baseline(
            self._loaded,
            self.geometry,
            steps,
            prompt=prompt,
            on_start=lambda: stopwatch.enter("sample"),
            on_step=lambda step: stopwatch.enter("decode") if step + 1 == steps else None,
        )
        stopwatch.enter("encode")
        clip = Clip(frames, family.fps, Provenance(BASELINE, FAMILY, 0, steps, size))
        pipeline.finish(self._request(prompt), clip, path, "mp4", marking=self._marking)
        return {"steps": steps, "passes": 2 * steps, "reused": 0, "size": size}

    @property
    def _marking(self) -> Any:
        from hinode.settings import Settings
        from hinode.trust.provenance.marking import Marking

        return Marking(Settings(home=self.folder / "home"))

    def _engine(self, prompt: str, path: Path, stopwatch: Stopwatch) -> dict[str, Any]:
        """By the engine, in the way of `hinode generate`."""
        from hinode import pipeline
        from hinode.engines.diffusers.engine import DiffusersEngine
        from hinode.settings import Settings

        if self._loaded is None:
            home = self.folder / "home"
            self._loaded = DiffusersEngine(Settings(home=home, threads=self.threads, device=self.device))
        request = self._request(prompt)
        run = self._loaded.start(request)
        if not self.reuse:
            disable_reuse(run)

        def watch(progress: Any) -> None:
            if progress.stage != stopwatch.stage and (progress.stage, progress.done) != ("decode", 1):
                stopwatch.enter(progress.stage)
            if (progress.stage, progress.done) == ("sample", progress.total):
                stopwatch.enter("decode")

        clip = pipeline.draw(run, watch)
        stopwatch.enter("encode")
        result = pipeline.finish(request, clip, path, "mp4", marking=self._marking)
        cache = run._call.cache if run._call else None
        return {
            "steps": result.provenance.steps,
            "passes": run.task.passes,
            "reused": cache.reused if cache else 0,
            "size": run.task.size,
            "execution": run.model.execution.description,
        }


def synchronise() -> None:
    """Wait for the GPU, if one is in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def measure(maker: ClipMaker, warm: int) -> dict[str, Any]:
    """A cold clip and `warm` warm ones in this process, which has done nothing before."""
    import psutil

    path = maker.folder / f"{maker.method}.mp4"
    # No prompt was encoded before, neither by this process nor by another.
    shutil.rmtree(maker.folder / "home" / "embeddings", ignore_errors=True)
    cold = maker.make(PROMPT, path)
    since_start = time.time() - psutil.Process().create_time()
    clips = [maker.make(f"{PROMPT} at noon {'on' * number}", path) for number in range(warm)]
    import torch

    peak = (
        torch.cuda.max_memory_allocated()
        if maker.device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    )
    return {"cold": since_start, "first": cold, "warm": clips, "peak": peak, "bytes": path.stat().st_size}


def measure_in_child(maker: ClipMaker, warm: int) -> dict[str, Any]:
    """`measure` in a process of its own; if that fails, so does the benchmark."""
    values = {**dataclasses.asdict(maker), "folder": str(maker.folder), "_loaded": None}
    output = _run_child({"maker": values, "warm": warm})
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def prepare_in_child(geometry: Geometry, folder: Path) -> None:
    """`prepare` in a process of its own, which leaves nothing in the memory of this one."""
    _run_child({"geometry": dataclasses.asdict(geometry), "folder": str(folder)})


def _run_child(task: dict[str, Any]) -> str:
    command = [sys.executable, "-m", "benchmarks.diffusers_speed", json.dumps(task)]
    child = subprocess.run(command, check=False, capture_output=True, text=True)
    if child.returncode:
        sys.exit(f"a process of the benchmark failed:\n{child.stderr[-4000:]}")
    return child.stdout


def main(task: dict[str, Any]) -> None:
    """What a child process does: prepare a network, or measure with one."""
    if "maker" not in task:
        prepare(Geometry(**task["geometry"]), Path(task["folder"]))
        return
    values = task["maker"]
    values |= {"geometry": Geometry(**values["geometry"]), "folder": Path(values["folder"])}
    print(json.dumps(measure(ClipMaker(**values), task["warm"])))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
