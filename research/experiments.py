"""Experiments: small networks trained at equal arithmetic, so that one choice at a time can be judged.

An arm is one training run, as data. Its schedule follows the floating-point operations spent and not the
clock, so a busy machine gives the same result, and every arm of a family sees the same scenes from the same
seed. What it found is one JSON file; an arm whose file is there is not run again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hinode.engines.native.engine import to_frames
from hinode.engines.native.smoothing import smooth_patch_seams
from hinode.errors import BadInput
from hinode.evaluation.directing.measures import inside as within
from hinode.evaluation.evaluate import BATCH, Case, Observation, noise_of, read_cases, tally, to_bytes, truth
from hinode.model.dit import Condition, DiT, DiTConfig
from hinode.model.flow import Sampler, Sampling
from hinode.model.tokens import SpacetimePatches
from hinode.training import data
from hinode.training.cost import flops
from hinode.training.recipes import Bucket, Recipe, Stage
from hinode.training.trainer import STATE_FILE, Trainer, stop_on_signal
from hinode.world.caption import DENSITIES, words
from hinode.world.judge import judge as look_at
from hinode.world.judge import load_judge, places
from hinode.world.render import render
from research import autoencoder, components

BASE = 1e12
"""Floating-point operations of a run at 1x compute."""

CAPTION_WORDS = 32
"""Longest caption, and the one length that all are padded to: one shape of text, one compiled graph."""

CLIP, IMAGE = Bucket(17, 8, 64, 64, 8), Bucket(1, 8, 64, 64, 32)
WIDE, TALL = Bucket(1, 8, 112, 64, 18), Bucket(1, 8, 64, 112, 18)
CUT = tuple(dataclasses.replace(IMAGE, cut_from=(one.width, one.height)) for one in (WIDE, TALL))
FRAMES = {"square": IMAGE, "wide": WIDE, "tall": TALL}
HALF = 0.16  # of a subject's size, in short sides: nearer to an edge than this it is cut
MOVING = ("motion", "camera")  # attributes that a single frame cannot show
SAMPLING = Sampling(steps=8, guided=(0.0, 1.0))
SHOWN, MOMENTS = 6, (2, 8, 14)  # clips and frames of each that are kept as a picture
SAVE_SECONDS, TELL_SECONDS = 120.0, 30.0


def _size(fine_width: int, width: int, depth: int, text_width: int, text_depth: int) -> DiTConfig:
    return DiTConfig(
        vocabulary=0,
        words=CAPTION_WORDS,
        fine_width=fine_width,
        width=width,
        depth=depth,
        text_width=text_width,
        text_depth=text_depth,
        conditioning=text_width,
    )


SIZES = {
    "xs": _size(64, 64, 3, 64, 1),
    "s": _size(64, 128, 4, 128, 1),
    "m": _size(128, 192, 5, 192, 1),
    "l": _size(192, 256, 8, 256, 2),
}
"""The family of networks: the same hourglass at four sizes, the largest nano's."""


@dataclass(frozen=True)
class Arm:
    """One training run of an experiment."""

    name: str
    size: str  # of `SIZES`
    compute: float  # in units of `BASE`, everything that is trained for this arm included
    seed: int = 1
    space: str = "pixel"  # or "latent": that of a small video autoencoder; or "components": principal ones
    kept: int = 0  # how many of those
    free_tokenizer: float = 0  # in units of `BASE`: what its autoencoder had beside the arm's own compute
    target: str = "x"  # or "v": what the network's output means
    density: str = "mixed"  # of the captions: as the recipes mix them, or one of `DENSITIES`
    shapes: str = "clips"  # or "images", "native", "cut": single frames
    prompts: tuple[str, ...] = ("scaling",)  # files of benchmarks/prompts

    @property
    def budget(self) -> float:
        """Floating-point operations."""
        return self.compute * BASE

    @property
    def moving(self) -> bool:
        """Whether it learns and draws clips, and not single frames."""
        return self.shapes == "clips"

    @property
    def bucket(self) -> Bucket:
        """What it is validated on and draws."""
        return CLIP if self.moving else IMAGE


def scaling(size: str, compute: float, seed: int = 1) -> Arm:
    """A point of the scaling curve."""
    return Arm(f"scaling-{size}-{compute:g}x" + (f"-seed{seed}" if seed > 1 else ""), size, compute, seed)


FAMILIES: dict[str, tuple[Arm, ...]] = {
    "scaling": tuple(scaling(size, compute) for compute in (1, 4, 16) for size in SIZES),
    "spaces": (
        Arm("spaces-latent-x", "s", 16, space="latent"),
        Arm("spaces-pixel-v", "s", 16, target="v"),
        Arm("spaces-latent-free-x", "s", 16, space="latent", free_tokenizer=8),
        Arm("spaces-latent-x-32x", "s", 32, space="latent"),
        *(
            Arm(f"spaces-components{kept}-{compute}x", "s", compute, space="components", kept=kept)
            for kept in (32, 128)
            for compute in (16, 32)
        ),
    ),
    "captions": tuple(
        Arm(f"captions-{density}", "s", 8, density=density, shapes="images", prompts=("captions",))
        for density in ("mixed", *DENSITIES)
    ),
    "framing": tuple(
        Arm(f"framing-{shapes}", "s", 8, shapes=shapes, prompts=("captions",)) for shapes in ("native", "cut")
    ),
    "seeds": tuple(scaling(size, compute, 2) for compute in (1, 4, 16) for size in SIZES),
    "grid": (scaling("s", 32), scaling("xs", 32)),
}
"""All experiments, in the order of their worth. Of E0, the arm pixel-x is the one of the scaling curve."""


class VelocityDiT(DiT):
    """The same network with its output read as velocity instead of clean latents.

    The clean latents that follow from it are z + (1 - t) v, so loss and sampler stay as they are.
    """

    def forward(
        self,
        z: Tensor,
        t: Tensor,
        condition: Condition,
        fps: float,
        guidance: Tensor | None = None,
        hinted: Tensor | None = None,
    ) -> Tensor:
        velocity = super().forward(z, t, condition, fps, guidance, hinted)
        return z + (1 - t)[..., None, None, None] * velocity


def mixes(arm: Arm) -> tuple[Stage, ...]:
    """What an arm is trained on. Clips begin with single frames, which teach the most for their cost."""
    if arm.shapes == "clips":
        return Stage(0.35, ((IMAGE, 1.0),)), Stage(1.0, ((IMAGE, 0.1), (CLIP, 0.9)))
    kinds = {"images": (IMAGE,), "native": (WIDE, TALL), "cut": CUT}[arm.shapes]
    return (Stage(1.0, tuple((bucket, 1.0) for bucket in kinds)),)


def recipe(arm: Arm, config: DiTConfig) -> Recipe:
    """The recipe of an arm. Data follow from its name and seed, so they are the same for all arms."""
    per_step = 3 * CLIP.batch * flops(config, CLIP.frames, CLIP.height, CLIP.width, CAPTION_WORDS)
    given = {} if arm.density == "mixed" else {"densities": ((arm.density, 1.0),)}
    return Recipe(
        name="experiment",
        model=config,
        minutes=0,  # the schedule follows the arithmetic
        stages=mixes(arm),
        validation=dataclasses.replace(arm.bucket, batch=16),
        shapes=(arm.bucket,),
        sampling=SAMPLING,
        learning_rate=4e-3,
        warmup_steps=max(5, round(0.05 * arm.budget / per_step)),
        known=0.0,
        paths=0.0,
        cameras=0.0,
        seed=arm.seed,
        compile=arm.size == "s" and arm.compute >= 8,  # where it is worth its minutes
        **given,  # type: ignore[arg-type]
    )


def run_arm(arm: Arm, results: Path, work: Path, prompts: Path, tell: Callable[[str], None] = print) -> bool:
    """Train an arm, measure it and write results/NAME.json and results/NAME.png.

    work: folder for its state, from which a stopped run goes on. prompts: folder of the prompt files. Returns
    False if it was stopped before its end; at once True if its result is there already.
    """
    target, out = results / f"{arm.name}.json", work / arm.name
    if target.is_file():
        return True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)
    config = SIZES[arm.size]
    tokenizer_cost = 0.0
    if arm.space == "latent":
        path = work / "autoencoder.safetensors"
        if arm.free_tokenizer:
            path = path.with_stem("autoencoder-free")
        allowed = arm.free_tokenizer * BASE or autoencoder.SHARE * arm.budget
        tokenizer_cost = autoencoder.train(path, allowed, tell=tell)
        config = autoencoder.latent_config(config, path)
    if arm.space == "components":
        path = work / "components.safetensors"
        tokenizer_cost = components.fit(path)
        config = components.component_config(config, path, arm.kept)
    network = VelocityDiT if arm.target == "v" else DiT
    trainer = Trainer(recipe(arm, config), out, device, network=network)
    trainer.restore()
    counted = 0.0 if arm.free_tokenizer else tokenizer_cost
    seconds = _train(arm, trainer, counted, tell)
    if seconds is None:
        return False

    tell(f"{arm.name}: drawing")
    began = time.monotonic()
    found: dict[str, Any] = {
        "arm": dataclasses.asdict(arm),
        "parameters": trainer.model.parameters_count(),
        "flops": spent(trainer, counted),
        "flops_tokenizer": tokenizer_cost,
        "flops_forward": flops(trainer.model.config, arm.bucket.frames, 64, 64, CAPTION_WORDS),
        "steps": trainer.progress.step,
        "clips": trainer.progress.clips,
        "images": trainer.progress.images,
        **trainer.validate(),
        "learning_rate": trainer.recipe.learning_rate,
        "sampling": dataclasses.asdict(SAMPLING),
        "prompts": {name: _sha(prompts / f"{name}.jsonl") for name in arm.prompts},
        "judge": _sha(Path(str(files("hinode").joinpath("weights", "judge.safetensors")))),
        "git": _commit(),
        "torch": torch.__version__,
        "scores": {},
    }
    for name in arm.prompts:
        cases = cases_of(prompts / f"{name}.jsonl", arm.moving)
        frames = draw(trainer, cases, arm.bucket)
        found["scores"][name] = score(frames, cases, arm.bucket.fps)
        keep_picture(frames, results / f"{arm.name}.png")
        if arm.space != "pixel":
            found["reconstruction"] = reconstruction(trainer.tokenizer, cases)
        if arm.shapes in ("native", "cut"):
            full = cases[DENSITIES.index("full") :: len(DENSITIES)]
            drawn = {shape: draw(trainer, full, bucket) for shape, bucket in FRAMES.items()}
            found["framing"] = {shape: framing(frames, full) for shape, frames in drawn.items()}
            found["training_inside"] = inside(training_pictures(trainer))
    found["seconds"] = {"training": round(seconds), "measuring": round(time.monotonic() - began)}
    trainer.export()
    beside = target.with_name(target.name + ".part")
    beside.write_text(json.dumps(found) + "\n")
    beside.replace(target)
    (out / STATE_FILE).unlink(missing_ok=True)
    whole = found["scores"][arm.prompts[0]]
    tell(f"{arm.name}: validation {found['validation']}, facts {whole['facts']}, {seconds:.0f} s")
    return True


def spent(trainer: Trainer, tokenizer_cost: float) -> float:
    """All arithmetic of a run so far: the network's, and training and use of the tokeniser."""
    tokenizer, progress = trainer.tokenizer, trainer.progress
    encode = getattr(tokenizer, "encode_flops", lambda frames, height, width: 0)
    used = progress.images * encode(1, 64, 64) + progress.clips * encode(CLIP.frames, 64, 64)
    return float(progress.flops + tokenizer_cost + used)


def _train(arm: Arm, trainer: Trainer, before: float, tell: Callable[[str], None]) -> float | None:
    """Spend the arm's budget; returns seconds, or None if it was stopped."""
    plan, progress = trainer.recipe, trainer.progress
    began = time.monotonic() - progress.elapsed
    saved = told = time.monotonic()
    loss = torch.zeros(())
    with stop_on_signal() as stop:
        while (fraction := spent(trainer, before) / arm.budget) < 1:
            script = data.step_script(
                plan, progress.step, fraction, trainer.vocabulary, multiple=CAPTION_WORDS
            )
            video = data.draw(script, trainer.device)
            result, _ = trainer.learn(script, video, plan.rate(progress.step, fraction))
            loss = result.value.detach() if progress.step == 1 else loss.lerp(result.value.detach(), 0.03)
            now = time.monotonic()
            progress.elapsed = now - began
            if now - told > TELL_SECONDS:
                left = progress.elapsed * (1 / fraction - 1) if fraction else 0.0
                tell(f"{arm.name}: {fraction:.0%}, step {progress.step}, loss {loss:.4f}, {left:.0f} s left")
                told = now
            if now - saved > SAVE_SECONDS or stop.is_set():
                trainer.save()
                saved = now
            if stop.is_set():
                return None
    trainer.save()
    return progress.elapsed


def cases_of(path: Path, moving: bool) -> list[Case]:
    """The cases of a prompt file; those for single frames expect nothing that moves."""
    cases = read_cases(path)
    if moving:
        return cases
    return [
        Case(case.prompt, {name: value for name, value in case.expect.items() if name not in MOVING})
        for case in cases
    ]


@torch.inference_mode()
def draw(trainer: Trainer, cases: Sequence[Case], bucket: Bucket) -> Tensor:
    """Draw the cases with the averaged weights, case i from noise seed i: uint8 [B, T, H, W, 3]."""
    model, tokenizer = trainer.average, trainer.tokenizer
    shape = (
        tokenizer.latent_frames(bucket.frames),
        bucket.height // tokenizer.size,
        bucket.width // tokenizer.size,
        tokenizer.channels,
    )
    batch = BATCH if bucket.frames > 1 else 4 * BATCH
    drawn = []
    for first in range(0, len(cases), batch):
        part = cases[first : first + batch]
        ids = trainer.vocabulary.batch([words(case.prompt) for case in part], limit=CAPTION_WORDS)
        noise = noise_of(range(first, first + len(part)), shape)
        sampler = Sampler(
            model, ids.to(trainer.device), bucket.fps, noise.to(trainer.device), trainer.recipe.sampling
        )
        for _ in sampler:
            pass
        video = smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames)
        drawn.append(torch.from_numpy(to_frames(video)))
    return torch.cat(drawn)


def score(frames: Tensor, cases: Sequence[Case], fps: float) -> dict[str, Any]:
    """What the judge finds: `tally`, the share of all expected facts, and the hits of every case."""
    net = load_judge()
    seen: list[Observation] = []
    for first in range(0, len(frames), BATCH):
        seen += [Observation(verdict.values) for verdict in look_at(frames[first : first + BATCH], fps, net)]
    hits = [
        [int(clip.values[n] == v) for n, v in case.expect.items()]
        for clip, case in zip(seen, cases, strict=True)
    ]
    total = sum(map(len, hits))
    return {
        **tally(seen, cases),
        "facts": round(sum(map(sum, hits)) / total, 4),
        "hits": [[sum(one), len(one)] for one in hits],
    }


@torch.inference_mode()
def reconstruction(tokenizer: SpacetimePatches, cases: Sequence[Case]) -> dict[str, float]:
    """What a tokeniser loses of true clips: PSNR in dB, and the facts that the judge finds before and
    after."""
    rng = random.Random("experiments/reconstruction")
    scenes = [truth(case, rng) for case in cases]
    errors, before, after = [], [], []
    for first in range(0, len(scenes), BATCH):
        video = render(
            scenes[first : first + BATCH],
            frames=CLIP.frames,
            fps=CLIP.fps,
            width=CLIP.width,
            height=CLIP.height,
        )
        back = ((tokenizer.decode(tokenizer.encode(video * 2 - 1)) + 1) / 2).clamp(0, 1)
        errors += (back - video).square().mean((1, 2, 3, 4)).tolist()
        before.append(to_bytes(video))
        after.append(to_bytes(back))
    return {
        "psnr": round(-10 * math.log10(sum(errors) / len(errors)), 2),
        "truth": score(torch.cat(before), cases, CLIP.fps)["facts"],
        "facts": score(torch.cat(after), cases, CLIP.fps)["facts"],
    }


def training_pictures(trainer: Trainer, count: int = 160) -> Tensor:
    """Pictures as an arm was shown them, from another namespace of seeds, uint8 [B, 1, H, W, 3]; of native
    shapes only the first."""
    plan, (bucket, _) = trainer.recipe, trainer.recipe.stages[0].mix[0]
    rng, shown = random.Random("experiments/framing"), []
    for number in range(-(-count // bucket.batch)):
        script = data.write(plan, bucket, number, rng, trainer.vocabulary)
        shown.append(to_bytes((data.draw(script, trainer.device) + 1) / 2))
    return torch.cat(shown)[:count]


def inside(frames: Tensor) -> dict[str, list[float]]:
    """Of each picture [B, 1, H, W, 3], whether the subject is wholly in the frame (1 or 0), and how far from
    its middle, in fractions of the frame."""
    aspect = frames.shape[3] / frames.shape[2]
    net = load_judge()
    at = torch.cat([places(part, 8.0, net) for part in torch.split(frames, BATCH)]).mean(1)
    whole = within(at, HALF, aspect)
    return {
        "inside": [int(one) for one in whole],
        "middle": [round(float(one), 4) for one in (at - 0.5).norm(dim=-1)],
    }


def framing(frames: Tensor, cases: Sequence[Case]) -> dict[str, Any]:
    """Where subjects stand in pictures of one shape, and what else the judge finds."""
    return {**inside(frames), "score": score(frames, cases, 8.0)}


def keep_picture(frames: Tensor, path: Path) -> None:
    """Some moments of the first clips, one clip a row, as one small PNG."""
    moments = [min(moment, frames.shape[1] - 1) for moment in MOMENTS] if frames.shape[1] > 1 else [0]
    rows = frames[:SHOWN, moments].permute(0, 2, 1, 3, 4).flatten(2, 3).flatten(0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rows.numpy()).save(path, optimize=True)


def arms(names: Sequence[str]) -> list[Arm]:
    """The arms of these families, or these arms. BadInput for a name that is neither."""
    by_name = {arm.name: arm for family in FAMILIES.values() for arm in family}
    chosen: list[Arm] = []
    for name in names:
        if name not in FAMILIES and name not in by_name:
            raise BadInput(
                f"there is no experiment {name}",
                f"name one of {', '.join(FAMILIES)}, or an arm",
                field="name",
            )
        chosen += FAMILIES.get(name) or (by_name[name],)
    return chosen


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _commit() -> str:
    """The commit of the code that runs, or "unknown" outside a checkout."""
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"
