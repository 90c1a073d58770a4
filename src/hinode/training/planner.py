"""Train the planner: prompts in, layouts out. Nothing is drawn, so a processor makes its own data in passing.

A prompt is the caption of a random scene, and the layout is that of the scene completed from the prompt: so
the network learns what is usual where the words leave something open. Most texts are the facts of the prompt
in few words, as they are when the planner is used (`caption.restate`).
"""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hinode.engines.native.plans import plan_values
from hinode.model import planner
from hinode.model.planner import Planner, PlannerConfig, PlanShape
from hinode.model.text import Vocabulary, null_text
from hinode.progress import progress_bar
from hinode.training import loop
from hinode.training.muon import Muon
from hinode.world.book.plan import plan_of
from hinode.world.book.scene import sample_scene
from hinode.world.book.words.caption import VOCABULARY, caption, restate
from hinode.world.book.words.completion import complete
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.language import split_words
from hinode.world.prompts.prompt import parse

SHAPES: tuple[tuple[tuple[float, float], float], ...] = (
    ((2.0, 16 / 9), 0.4),
    ((2.0, 1.0), 0.15),
    ((2.0, 9 / 16), 0.2),
    ((4.0, 16 / 9), 0.15),
    ((4.0, 9 / 16), 0.1),
)
"""Seconds and aspects of plans, and their shares of the batches."""
DENSITIES = {"tag": 0.15, "short": 0.4, "full": 0.3, "dense": 0.15}
RESTATED = 0.85  # share of texts that are facts in few words
TOKENS = 128 * 24  # of a batch: 128 plans of 2 s
COPIES = 2  # noise levels at which each plan is seen
LEVEL_MEAN, LEVEL_SPREAD = -0.2, 1.2  # of the logit-normal noise level
TEXT_DROPOUT = 0.1
RATE, WARM_UP, WEIGHT_DECAY, DECAY_FROM = 2e-3, 50, 0.01, 0.4
AVERAGE = 0.998  # largest decay of the moving average
SAVE_SECONDS, LOG_SECONDS, SEED = 60.0, 20.0, 1
STATE_FILE, LOG_FILE, MODEL_FILE = "state.pt", "log.jsonl", "planner.safetensors"


@dataclasses.dataclass(frozen=True)
class Batch:
    """Plans of one shape with their texts: `values` [B, thirds, SLOTS, VALUES], `ids` [B, L]."""

    shape: PlanShape
    values: Tensor
    ids: Tensor


def sample_batch(vocabulary: Vocabulary, words_limit: int, step: int) -> Batch:
    """The batch of a step; the same step gives the same one."""
    rng = random.Random(f"planner/{SEED}/{step}")
    seconds, aspect = rng.choices([shape for shape, _ in SHAPES], [share for _, share in SHAPES])[0]
    shape = plan_values.shape_of(seconds, aspect)
    texts, values = [], []
    for _ in range(TOKENS // (shape.thirds * planner.SLOTS)):
        density = rng.choices(list(DENSITIES), list(DENSITIES.values()))[0]
        text = caption(sample_scene(rng), rng, density)
        parsed = parse(text, BOOK)
        texts.append(split_words(restate(parsed) if rng.random() < RESTATED else text))
        values.append(plan_values.encode(plan_of(complete(parsed, rng), seconds, aspect)))
    return Batch(shape, torch.stack(values), vocabulary.batch(texts, limit=words_limit))


def train_planner(out: Path, *, minutes: float = 60.0, threads: int = 1, resume: bool = True) -> Path:
    """Train the planner and write `out`/planner.safetensors; returns its path.

    It may be stopped at any time, and with `resume` it continues from its last state, a minute old at most.
    `minutes`: length of the whole run, earlier starts included.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(out)
    if not (resume and run.restore()):
        (out / LOG_FILE).unlink(missing_ok=True)
    progress, budget = run.progress, minutes * 60
    with progress_bar(unit="share", keep=True) as bar, loop.stop_on_signal() as stop:
        task = bar.add_task("planner", total=budget)

        def report() -> None:
            line = {"step": progress.step, "elapsed": round(progress.elapsed, 1), "plans": progress.clips}
            loop.log_line(
                out / LOG_FILE, {**line, "loss": round(run.loss, 4)}, echo=not bar.console.is_terminal
            )

        tasks = ((SAVE_SECONDS, run.save), (LOG_SECONDS, report))
        steps = loop.iterate_steps(lambda: progress.elapsed < budget, progress, tasks=tasks, stop=stop)
        for _ in steps:
            done = min(1.0, progress.elapsed / budget)
            falling = min(1.0, (1.0 - done) / (1.0 - DECAY_FROM))
            run.learn(RATE * min(1.0, (progress.step + 1) / WARM_UP) * falling)
            text = f"planner step {progress.step} loss {run.loss:.3f}"
            bar.update(task, completed=progress.elapsed, description=text)
        report()
    run.save()
    return run.export()


class _Run:
    """The state of a training run."""

    def __init__(self, out: Path) -> None:
        torch.manual_seed(SEED)
        self.out, self.vocabulary = out, Vocabulary(VOCABULARY)
        config = PlannerConfig(len(self.vocabulary), plan_values.VALUES)
        self.model, self.average = Planner(config), Planner(config).requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        matrices, rest = _split(self.model)
        self.parameters = [*matrices, *rest]
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=RATE, weight_decay=WEIGHT_DECAY, dtype=torch.float32),
            torch.optim.AdamW(rest, lr=RATE, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY),
        ]
        self.progress, self.loss = loop.Progress(), 0.0

    def learn(self, rate: float) -> None:
        """Take one step on new plans."""
        step = self.progress.step
        batch = sample_batch(self.vocabulary, self.model.config.words, step)
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        count = COPIES * len(batch.values)
        t = torch.sigmoid(LEVEL_MEAN + LEVEL_SPREAD * torch.randn(count, generator=generator))
        noise = torch.randn((count, *batch.values.shape[1:]), generator=generator)
        silent = torch.rand(len(batch.ids), 1, generator=generator) < TEXT_DROPOUT
        ids = torch.where(silent, null_text(batch.ids), batch.ids)
        weight = plan_values.weights(batch.values)
        loss = planner.loss(self.model, batch.values, weight, ids, batch.shape, t, noise)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimiser in self.optimisers:
            loop.set_rate(optimiser, rate)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        decay = min(AVERAGE, (1 + step) / (20 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        self.loss += max(0.02, 1 / (step + 1)) * (float(loss.detach()) - self.loss)
        self.progress.step += 1
        self.progress.clips += len(batch.values)

    def save(self) -> None:
        """Write everything that `restore` needs."""
        loop.save_state(self.out / STATE_FILE, {
            "progress": dataclasses.asdict(self.progress),
            "loss": self.loss,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        })  # fmt: skip

    def restore(self) -> bool:
        """Continue from the saved state; returns whether there is one."""
        if not (self.out / STATE_FILE).is_file():
            return False
        state: dict[str, Any] = torch.load(self.out / STATE_FILE, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.progress, self.loss = loop.Progress(**state["progress"]), state["loss"]
        return True

    def export(self) -> Path:
        """Write the averaged weights in halves, with sizes, words and facts in the header."""
        progress = self.progress
        minutes = round(progress.elapsed / 60, 1)
        facts = {
            "steps": progress.step,
            "minutes": minutes,
            "plans": progress.clips,
            "loss": round(self.loss, 4),
        }
        header = {
            "config": dataclasses.asdict(self.model.config),
            "vocabulary": list(self.vocabulary.words),
            "facts": facts,
        }
        path = self.out / MODEL_FILE
        loop.save_weights(path, self.average.state_dict(), {"format": "pt", "hinode": json.dumps(header)})
        return path


def _split(model: Planner) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(matrices inside blocks, for Muon; everything else, for AdamW)."""
    inside: list[nn.Parameter] = []
    outside: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and not name.endswith(".modulation")
        (inside if matrix and name.startswith(("blocks.", "text.blocks.")) else outside).append(parameter)
    return inside, outside
