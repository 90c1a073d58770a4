"""Experiments: small networks trained at equal arithmetic, so that one choice at a time can be judged.

The result of an arm is one JSON file; an arm that has one is not run again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from hinode.model.dit import DiT, DiTConfig
from hinode.output import replace_file
from hinode.training import data
from hinode.training.cost import flops
from hinode.training.loop import iterate_steps, stop_on_signal
from hinode.training.trainer import STATE_FILE, Trainer
from hinode.world.caption import DENSITIES
from research import arms, autoencoder, components, scores
from research.arms import Arm, VelocityDiT

SAVE_SECONDS, REPORT_SECONDS = 120.0, 30.0
AUTOENCODER_SHARE = 0.12
"""Of the arithmetic of an arm, what its autoencoder may spend."""

Report = Callable[[str], None]


def run_arm(arm: Arm, results: Path, work: Path, prompts: Path, report: Report = print) -> bool:
    """Train an arm, measure it, and write results/NAME.json and results/NAME.png.

    Args:
        arm: the arm.
        results: folder of the results.
        work: folder for states, from which a stopped run continues.
        prompts: folder of the prompt files.
        report: gets lines on the progress.

    Returns:
        Whether the result is there; False if the run was stopped.
    """
    target, out = results / f"{arm.name}.json", work / arm.name
    if target.is_file():
        return True
    out.mkdir(parents=True, exist_ok=True)
    config, tokenizer_cost = _prepare_space(arm, work, report)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = VelocityDiT if arm.target == "v" else DiT
    trainer = Trainer(arms.make_recipe(arm, config), out, device, network=network)
    trainer.restore()
    counted = 0.0 if arm.free_tokenizer else tokenizer_cost
    if not _train(arm, trainer, counted, report):
        return False

    report(f"{arm.name}: measuring")
    start = time.monotonic()
    result = {
        "arm": dataclasses.asdict(arm),
        "parameters": trainer.model.parameters_count(),
        "flops": spent(trainer, counted),
        "flops_tokenizer": tokenizer_cost,
        "flops_forward": flops(trainer.model.config, arm.bucket.frames, 64, 64, arms.CAPTION_WORDS),
        "steps": trainer.progress.step,
        "clips": trainer.progress.clips,
        "images": trainer.progress.images,
        **trainer.validate(),
        "learning_rate": trainer.recipe.learning_rate,
        "sampling": dataclasses.asdict(arms.SAMPLING),
        "prompts": {name: _sha(prompts / f"{name}.jsonl") for name in arm.prompts},
        "judge": _sha(Path(str(files("hinode").joinpath("weights", "judge.safetensors")))),
        "git": _commit(),
        "torch": torch.__version__,
        **_measure(arm, trainer, prompts, results / f"{arm.name}.png"),
    }
    seconds = round(trainer.progress.elapsed)
    result["seconds"] = {"training": seconds, "measuring": round(time.monotonic() - start)}
    trainer.export()
    with replace_file(target) as part:
        part.write_text(json.dumps(result) + "\n")
    (out / STATE_FILE).unlink(missing_ok=True)
    facts = result["scores"][arm.prompts[0]]["facts"]
    report(f"{arm.name}: validation {result['validation']}, facts {facts}, {seconds} s")
    return True


def spent(trainer: Trainer, tokenizer_cost: float) -> float:
    """All arithmetic of a run so far: the network's, and training and use of the tokeniser."""
    tokenizer, progress = trainer.tokenizer, trainer.progress
    encode = getattr(tokenizer, "encode_flops", lambda frames, height, width: 0)
    images, clips = progress.images * encode(1, 64, 64), progress.clips * encode(arms.CLIP.frames, 64, 64)
    return float(progress.flops + tokenizer_cost + images + clips)


def _prepare_space(arm: Arm, work: Path, report: Report) -> tuple[DiTConfig, float]:
    """The network of an arm over its space, and the arithmetic that the space took to learn."""
    config = arms.SIZES[arm.size]
    if arm.space == "latent":
        path = work / f"autoencoder{'-free' if arm.free_tokenizer else ''}.safetensors"
        budget = arm.free_tokenizer * arms.BASE or AUTOENCODER_SHARE * arm.budget
        cost = autoencoder.train(path, budget, report=report)
        return autoencoder.latent_config(config, path), cost
    if arm.space == "components":
        path = work / "components.safetensors"
        cost = components.fit(path)
        return components.component_config(config, path, arm.kept), cost
    return config, 0.0


def _train(arm: Arm, trainer: Trainer, tokenizer_cost: float, report: Report) -> bool:
    """Spend the arm's budget; returns whether it was not stopped."""
    recipe, progress = trainer.recipe, trainer.progress
    average = torch.zeros(())

    def fraction() -> float:
        return spent(trainer, tokenizer_cost) / arm.budget

    def report_progress() -> None:
        left = progress.elapsed * (1 / fraction() - 1)
        line = f"{arm.name}: {fraction():.0%}, step {progress.step}, loss {average:.4f}, {left:.0f} s left"
        report(line)

    tasks = ((REPORT_SECONDS, report_progress), (SAVE_SECONDS, trainer.save))
    with stop_on_signal() as stop:
        for _ in iterate_steps(lambda: fraction() < 1, progress, tasks=tasks, stop=stop):
            done = fraction()
            batch = data.training_batch(
                recipe, progress.step, done, trainer.vocabulary, multiple=arms.CAPTION_WORDS
            )
            video = data.render_batch(batch, trainer.device)
            loss, _ = trainer.learn(batch, video, recipe.rate(progress.step, done))
            value = loss.value.detach()
            average = value if progress.step == 1 else average.lerp(value, 0.03)
    trainer.save()
    return fraction() >= 1


def _measure(arm: Arm, trainer: Trainer, prompts: Path, picture: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"scores": {}}
    for name in arm.prompts:
        cases = scores.read_arm_cases(prompts / f"{name}.jsonl", arm.moving)
        frames = scores.generate(trainer, cases, arm.bucket)
        result["scores"][name] = scores.score(frames, cases, arm.bucket.fps)
        scores.save_strip(frames, picture)
        if arm.space != "pixel":
            result["reconstruction"] = scores.measure_reconstruction(trainer.tokenizer, cases)
        if arm.shapes in ("native", "cut"):
            full = cases[DENSITIES.index("full") :: len(DENSITIES)]
            result["framing"] = {}
            for shape, bucket in {"square": arms.IMAGE, "wide": arms.WIDE, "tall": arms.TALL}.items():
                frames = scores.generate(trainer, full, bucket)
                places = scores.measure_places(frames)
                result["framing"][shape] = {**places, "score": scores.score(frames, full, 8.0)}
            result["training_inside"] = scores.measure_places(scores.training_pictures(trainer))
    return result


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _commit() -> str:
    """The commit of the code that runs, or "unknown" outside a checkout."""
    command = ["git", "rev-parse", "HEAD"]
    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
