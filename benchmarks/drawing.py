"""Clips by plain diffusers and by the engine `diffusers`, timed in one way.

    end to end    from the prompt to the bytes of an MP4 on the disk, which both write with the same encoder
    cold          the first clip of a process, from its start: interpreter, imports, weights, compiling
    warm          another clip of the same process with another prompt, so that the prompt is read again
    sample        from the first pass of the denoiser to the end of the last step

On a GPU every stage ends when the GPU has done its work.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT = "a red balloon over the sea"
FAMILY = "wan2.1-t2v"
PLAIN = "plain"
SHIFT = 3.0


@dataclass(frozen=True)
class Geometry:
    """A Wan network with random weights, and the clip that it draws.

    Attributes:
        width: of a frame in pixels.
        height: of a frame in pixels.
        frames: of the clip.
        heads: attention heads.
        head: channels of one head.
        feed_forward: channels inside the feed-forward layers.
        layers: blocks.
        text: channels of what the text encoder gives.
        decoder: settings of the autoencoder that differ from those of a toy.
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
        return (1 + (self.frames - 1) // 4) * (self.width // 16) * (self.height // 16)

    def operations(self, width: int | None = None, height: int | None = None, *, layers: int = 0) -> float:
        """Floating-point operations of one pass, a multiplication and an addition counted as two.

        With N tokens, L = 512 tokens of text, d channels and f inside the feed-forward layers, a block takes
        8Nd² for queries, keys, values and output of self-attention and 4N²d for its products; 4Nd² + 4Ld² and
        4NLd for cross-attention; 4Ndf for the feed-forward layers. Norms and embeddings are left out.

        Args:
            width: of the frame, if it is not that of the clip.
            height: the same.
            layers: how many blocks, or 0 for all.
        """
        drawn = dataclasses.replace(self, width=width or self.width, height=height or self.height)
        n, d, f, words = drawn.tokens, self.heads * self.head, self.feed_forward, 512
        block = 12 * n * d * d + 4 * n * n * d + 4 * words * d * d + 4 * n * words * d + 4 * n * d * f
        return float((layers or self.layers) * block)


TOY = Geometry(96, 64, 9, heads=4, head=32, feed_forward=256, layers=4)
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
"""Wan 2.1 1.3B: denoiser and autoencoder as they are published. The text encoder is a small one of the right
width, since a prompt is read once."""


def build(geometry: Geometry, folder: Path) -> None:
    """Write such a network with random weights in bfloat16, laid out as a published one, and a LoRA."""
    import diffusers
    import torch

    from tests.engines.diffusers import parts, toy_wan, twins

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    diffusers.WanPipeline(
        tokenizer=parts.tokenizer(),
        text_encoder=parts.t5(width=geometry.text),
        vae=toy_wan.wan_vae(**geometry.decoder),
        scheduler=toy_wan.unipc(SHIFT),
        transformer=toy_wan.wan_transformer(
            num_attention_heads=geometry.heads,
            attention_head_dim=geometry.head,
            ffn_dim=geometry.feed_forward,
            num_layers=geometry.layers,
            text_dim=geometry.text,
            freq_dim=256,
            rope_max_seq_len=1024,
        ),
    ).save_pretrained(folder / "model", max_shard_size="100GB")
    torch.set_default_dtype(torch.float32)
    twins.write_lora(folder / "model", folder / "few.safetensors")


def enter(folder: Path, *, few: int = 4) -> None:
    """Make the network known in the home `folder/home`: as "whole", and as "few" with a LoRA that counts as
    distilled to so many steps in the profiles `draft` and `standard`."""
    from hinode.registry import entries

    source = folder / "model"
    files = {file.relative_to(source).as_posix(): "0" * 64 for file in source.rglob("*") if file.is_file()}
    whole = entries.Entry("whole", "diffusers", FAMILY, str(source), "", files, "best", (), "Apache-2.0")
    # Next to no weight: random weights of a LoRA over random weights would only make numbers overflow.
    lora = entries.Lora(str(folder / "few.safetensors"), 0.01, ("draft", "standard"), few)
    for entry in (whole, dataclasses.replace(whole, name="few", loras=(lora,))):
        entries.save(entry, folder / "home")


@dataclass
class Watch:
    """Wall-clock seconds by stage."""

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    stage: str = "load"
    _since: float = dataclasses.field(default_factory=time.perf_counter)

    def turn(self, stage: str) -> None:
        """One stage ends when the device has done its work, and another begins."""
        synchronise()
        now = time.perf_counter()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now


@dataclass
class Drawer:
    """Draws one clip after another.

    Attributes:
        how: "plain" for diffusers alone, or the name of a profile.
        folder: where `build` wrote.
        geometry: the clip.
        steps: sampling steps, or 0 for those of the profile.
        model: "whole" or "few", see `enter`.
        reuse: whether a profile may reuse blocks between steps.
        device: "cpu" or "cuda".
        threads: processor threads.
    """

    how: str
    folder: Path
    geometry: Geometry
    steps: int = 0
    model: str = "whole"
    reuse: bool = True
    device: str = "cpu"
    threads: int = 1
    _made: Any = None

    def draw(self, prompt: str, path: Path) -> dict[str, Any]:
        """One clip, and what it took."""
        watch = Watch()
        start, processor = time.perf_counter(), time.process_time()
        told = (self._plainly if self.how == PLAIN else self._by_engine)(prompt, path, watch)
        watch.turn("end")
        told |= {"e2e": time.perf_counter() - start, "processor": time.process_time() - processor}
        return {"stages": watch.seconds, **told}

    def request(self, prompt: str) -> Any:
        """What is asked for."""
        from hinode.registry.families import FAMILIES
        from hinode.request import Request

        return Request(
            prompt,
            self.geometry.width,
            self.geometry.height,
            self.geometry.frames / FAMILIES[FAMILY].fps,
            engine="diffusers",
            model=self.model,
            profile=None if self.how == PLAIN else self.how,
            steps=self.steps or None,
        )

    def _plainly(self, prompt: str, path: Path, watch: Watch) -> dict[str, Any]:
        """By the documented use of diffusers, with the makers' settings."""
        import numpy as np
        import torch

        from hinode import pipeline
        from hinode.clip import Clip, Provenance
        from hinode.engines.diffusers.run import pixels
        from hinode.registry.families import FAMILIES

        family, geometry = FAMILIES[FAMILY], self.geometry
        steps = self.steps or family.profiles["best"].steps
        pipe = self._made = self._made or self._plain_pipeline()
        begun: list[bool] = []

        def first(*given: object) -> None:
            if not begun:
                begun.append(True)
                watch.turn("sample")

        def stepped(pipe: Any, step: int, moment: Any, values: dict[str, Any]) -> dict[str, Any]:
            if step + 1 == steps:
                watch.turn("decode")
            return values

        hook = pipe.transformer.register_forward_pre_hook(first)
        watch.turn("text")
        made = pipe(
            prompt=prompt,
            negative_prompt="",
            width=geometry.width,
            height=geometry.height,
            num_frames=geometry.frames,
            num_inference_steps=steps,
            guidance_scale=family.profiles["best"].guidance,
            generator=torch.Generator("cpu").manual_seed(0),
            callback_on_step_end=stepped,
            output_type="np",
        )
        hook.remove()
        frames = pixels(np.asarray(made.frames)[0])
        watch.turn("encode")
        provenance = Provenance(PLAIN, FAMILY, 0, steps, (geometry.width, geometry.height))
        pipeline.finish(self.request(prompt), Clip(frames, family.fps, provenance), path, "mp4")
        return {"steps": steps, "passes": 2 * steps, "reused": 0, "drawn": (geometry.width, geometry.height)}

    def _plain_pipeline(self) -> Any:
        import diffusers
        import torch

        from hinode.model.layers import compute_type

        torch.set_num_threads(self.threads)
        kind = compute_type(torch.device(self.device))
        source = self.folder / "model"
        pipe = diffusers.WanPipeline.from_pretrained(
            source, dtype={"default": kind, "vae": torch.float32}, local_files_only=True
        )
        pipe.set_progress_bar_config(disable=True)
        return pipe.to(self.device)

    def _by_engine(self, prompt: str, path: Path, watch: Watch) -> dict[str, Any]:
        """By the engine, on the road that `hinode generate` takes."""
        from hinode import pipeline
        from hinode.engines.diffusers.engine import DiffusersEngine
        from hinode.settings import Settings

        if self._made is None:
            home = self.folder / "home"
            self._made = DiffusersEngine(Settings(home=home, threads=self.threads, device=self.device))
        request = self.request(prompt)
        run = self._made.start(request)
        if not self.reuse:
            # A threshold that nothing stays under: every pass is computed in full.
            profile = dataclasses.replace(run.task.profile, reuse=run.task.profile.reuse and 1e-9)
            run.task = dataclasses.replace(run.task, profile=profile)

        def told(progress: Any) -> None:
            if progress.stage != watch.stage and (progress.stage, progress.done) != ("decode", 1):
                watch.turn(progress.stage)
            if (progress.stage, progress.done) == ("sample", progress.total):
                watch.turn("decode")

        clip = pipeline.draw(run, told)
        watch.turn("encode")
        result = pipeline.finish(request, clip, path, "mp4")
        reuse = run._call.reuse if run._call else None
        return {
            "steps": result.steps,
            "passes": run.task.passes,
            "reused": reuse.reused if reuse else 0,
            "drawn": run.task.size,
            "ways": run.model.ways.words,
        }


def synchronise() -> None:
    """Wait for the GPU, if one is in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def measured(drawer: Drawer, warm: int) -> dict[str, Any]:
    """A cold clip and `warm` warm ones in this process, which has done nothing before."""
    import psutil

    path = drawer.folder / f"{drawer.how}.mp4"
    # No prompt was read before, neither by this process nor by another.
    shutil.rmtree(drawer.folder / "home" / "embeddings", ignore_errors=True)
    cold = drawer.draw(PROMPT, path)
    since = time.time() - psutil.Process().create_time()
    clips = [drawer.draw(f"{PROMPT} at noon {'on' * number}", path) for number in range(warm)]
    import torch

    peak = (
        torch.cuda.max_memory_allocated()
        if drawer.device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    )
    return {"cold": since, "first": cold, "warm": clips, "peak": peak, "bytes": path.stat().st_size}


def in_child(drawer: Drawer, warm: int) -> dict[str, Any]:
    """`measured` in a process of its own; if that fails, so does the benchmark."""
    values = {**dataclasses.asdict(drawer), "folder": str(drawer.folder), "_made": None}
    words = [sys.executable, "-m", "benchmarks.drawing", json.dumps({"drawer": values, "warm": warm})]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"drawing {drawer.how} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def built(geometry: Geometry, folder: Path) -> None:
    """`build` and `enter` in a process of their own, which leaves nothing in the memory of this one."""
    about = json.dumps({"build": dataclasses.asdict(geometry), "folder": str(folder)})
    subprocess.run([sys.executable, "-m", "benchmarks.drawing", about], check=True, stderr=subprocess.DEVNULL)


def main(about: dict[str, Any]) -> None:
    """What a process of the benchmarks does: build a network, or draw with one."""
    if "build" in about:
        build(Geometry(**about["build"]), Path(about["folder"]))
        enter(Path(about["folder"]))
        return
    values = about["drawer"]
    values["geometry"] = Geometry(**values["geometry"])
    drawer = Drawer(**{**values, "folder": Path(values["folder"])})
    print(json.dumps(measured(drawer, about["warm"])))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
