"""The training loop: stop it whenever you like, start it again, and it goes on where it was.

Weights and optimiser state are float32; activations are bfloat16 where that is fast. Matrices inside blocks
are trained by Muon, everything else by AdamW (recipe arXiv 2510.19376). What is exported is a moving average
of the weights.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from hinode.errors import BadInput, ModelError
from hinode.model import checkpoint, flow
from hinode.model.dit import Block, DiT
from hinode.model.layers import compute_type
from hinode.model.text import FIRST_WORD, TextBlock
from hinode.training import data, directions
from hinode.training.cost import flops
from hinode.training.distributed.parallel import Team, joined
from hinode.training.distributed.sharding import ShardedMuon, local, put_together, shard
from hinode.training.journal import Journal
from hinode.training.muon import Muon
from hinode.training.recipes import RECIPES, Recipe

STATE_FILE, MODEL_FILE, LOG_FILE = "state.pt", "model.safetensors", "log.jsonl"
STATE_FORMAT = 1
WORDS = "text.embed.weight"  # a row for each word
ALONE = Team()


def split_parameters(model: DiT) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(matrices inside blocks, for Muon; everything else, for AdamW)."""
    inside: list[nn.Parameter] = []
    outside: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        block = name.startswith(("fine_in.", "coarse.", "fine_out.", "text.blocks."))
        matrix = parameter.ndim == 2 and not name.endswith(".modulation")
        (inside if block and matrix else outside).append(parameter)
    return inside, outside


def compile_blocks(model: DiT) -> None:
    """Compile the blocks in place, one graph per shape: half the step time is small operations that it fuses.

    Blocks of one level share their graph, so this takes seconds per shape where the whole network takes
    minutes.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None and shutil.which("clang++") is None:
        warnings.warn("there is no C++ compiler, so training runs uncompiled and slower", stacklevel=2)
        return
    torch._dynamo.config.recompile_limit = 128  # two levels times all shapes share one function
    for module in model.modules():
        if isinstance(module, (Block, TextBlock)):
            module.compile(dynamic=False)


@dataclass
class Progress:
    """How far a run is; saved with the weights."""

    step: int = 0
    elapsed: float = 0.0  # seconds of training, over all sittings
    clips: int = 0
    images: int = 0
    flops: float = 0.0
    begun: int = 0  # the step at which the optimisers were new, from which the learning rate warms up


class Trainer:
    """The state of a run and the operations on it. `train` drives it."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        device: torch.device,
        team: Team = ALONE,
        network: type[DiT] = DiT,
    ) -> None:
        self.vocabulary = data.vocabulary()
        config = dataclasses.replace(recipe.model, vocabulary=len(self.vocabulary))
        self.recipe = dataclasses.replace(recipe, model=config)
        self.out, self.device, self.team = out, device, team
        team.check(recipe)
        torch.manual_seed(recipe.seed)
        self.model = network(config)
        self.average = network(config).requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        if recipe.compile:
            compile_blocks(self.model)
        for one in (self.model, self.average):
            if team.sharded:
                shard(one, device, learns=one is self.model)
            else:
                one.to(device)
        self.model.compute = self.average.compute = compute_type(device)
        self.tokenizer = config.tokenizer
        matrices, rest = split_parameters(self.model)
        self.parameters = [*matrices, *rest]
        lr, decay = recipe.learning_rate, recipe.weight_decay
        muon = ShardedMuon if team.sharded else Muon
        self.optimisers: list[torch.optim.Optimizer] = [
            muon(matrices, lr=lr, weight_decay=decay, dtype=self.model.compute),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=decay, fused=True),
        ]
        self.weights = list(self.model.parameters())
        self.averages = list(self.average.parameters())
        self.progress = Progress()
        self._frozen: list[tuple[data.Script, Tensor, Tensor, Tensor]] | None = None

    def learn(self, script: data.Script, video: Tensor, rate: float) -> tuple[flow.Loss, Tensor]:
        """One optimiser step; returns the loss and the norm of the gradient before clipping.

        script: of the whole batch. video: the clips of this process's share. Whatever is random is drawn for
        the whole batch, so that a team sees what one process would see. The value of the loss is that of the
        whole batch, its errors and levels are those of the share.
        """
        batch, mine = len(script.scenes), self.team.mine
        generator = torch.Generator(self.device).manual_seed(self.recipe.seed * 1_000_003 + script.step)
        x = self.tokenizer.encode(video)
        ids = flow.drop_text(script.ids.to(self.device), generator)
        levels = flow.sample_levels(batch, x.shape[1], generator)
        noise = torch.randn((batch, *x.shape[1:]), generator=generator, device=self.device)
        weight = data.emphasis(self.team.share(script), self.recipe.emphasis, self.tokenizer, self.device)
        known, motion = directions.directions(self.recipe, script, self.tokenizer, self.device)
        result = flow.loss(
            self.model,
            x,
            ids[mine],
            script.bucket.fps,
            levels=levels[mine],
            noise=noise[mine],
            weight=weight,
            known=known[mine],
            motion=motion[mine],
        )
        counted = (result.levels < 1).sum().float()
        total, everyone = self.team.add(torch.stack((result.value.detach() * counted, counted)))
        everyone = everyone.clamp(min=1)
        torch.autograd.backward(result.value * (counted / everyone))
        result = dataclasses.replace(result, value=total / everyone)
        self.team.add_gradients(self.parameters)
        norm = self.update(rate)

        bucket, progress = script.bucket, self.progress
        progress.step += 1
        progress.images += bucket.batch if bucket.frames == 1 else 0
        progress.clips += bucket.batch if bucket.frames > 1 else 0
        forward = flops(self.model.config, bucket.frames, bucket.height, bucket.width, script.ids.shape[1])
        progress.flops += 3 * bucket.batch * forward
        return result, norm

    def update(self, rate: float) -> Tensor:
        """Move the weights along their gradients, and the average after them; returns the norm of the
        gradient before clipping."""
        norm = self._clip()
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self._follow()
        return norm

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; slowly later, quickly at first."""
        decay = min(self.recipe.average, (1 + self.progress.step) / (10 + self.progress.step))
        torch._foreach_lerp_([local(a) for a in self.averages], [local(w) for w in self.weights], 1 - decay)

    def _clip(self) -> Tensor:
        """Shorten the gradient to the recipe's norm; returns the norm it had, over all shards."""
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None], foreach=True)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.clip_norm, norm, foreach=True)
        return norm

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Velocity error of the averaged weights on frozen scenes with frozen noise, overall and by noise
        level. All processes must call it: each takes its share of the scenes."""
        mine = self.team.mine
        if self._frozen is None:
            self._frozen = []
            generator = torch.Generator(self.device).manual_seed(7)
            for script in data.validation_scripts(self.recipe, self.vocabulary):
                x = self.tokenizer.encode(data.draw(self.team.share(script), self.device))
                batch = len(script.scenes)
                noise = torch.randn((batch, *x.shape[1:]), generator=generator, device=self.device)
                # One level per clip, evenly over the quantiles of the training distribution.
                quantile = (torch.arange(batch, device=self.device) + 0.5) / batch
                spread = flow.LEVEL_SPREAD * torch.special.ndtri(quantile)
                levels = torch.sigmoid(flow.LEVEL_MEAN + spread)[:, None].expand(-1, x.shape[1])
                self._frozen.append((script, x, noise[mine], levels))
        errors, all_levels = [], []
        for script, x, noise, levels in self._frozen:
            ids = script.ids[mine].to(self.device)
            result = flow.loss(self.average, x, ids, script.bucket.fps, levels=levels[mine], noise=noise)
            whole = torch.zeros(len(levels), device=self.device)
            whole[mine] = result.errors.mean(1)
            errors.append(whole)
            all_levels.append(levels[:, 0])
        error, level = self.team.add(torch.cat(errors)), torch.cat(all_levels)
        quarters = error[level.argsort()].chunk(4)
        return {
            "validation": round(float(error.mean()), 5),
            "validation_by_level": [round(float(quarter.mean()), 5) for quarter in quarters],
        }

    def facts(self) -> dict[str, Any]:
        """What is known of the weights, for the header of the exported file."""
        return {
            "recipe": self.recipe.name,
            "steps": self.progress.step,
            "minutes": round(self.progress.elapsed / 60, 2),
            "clips": self.progress.clips,
            "images": self.progress.images,
            "training_flops": self.progress.flops,
            "parameters": self.model.parameters_count(),
            "torch": torch.__version__,
            "shapes": [[b.frames, b.fps, b.width, b.height] for b in self.recipe.shapes],
            "sampling": dataclasses.asdict(self.recipe.sampling),
            **self.validate(),
        }

    def export(self) -> dict[str, Any]:
        """Write the averaged weights as a model that can draw; returns its facts. All processes must call it,
        as `save`; the first one writes."""
        facts = self.facts()
        weights = put_together(self.average.state_dict(), keep=self.team.leads)
        if self.team.leads:
            checkpoint.save(self.out / MODEL_FILE, weights, self.recipe.model, self.vocabulary, facts)
        return facts

    def save(self) -> None:
        """Write everything needed to go on, beside the old state, then rename: there is always one whole
        state. It is the same for any number of processes, sharded or not."""
        state = {
            "format": STATE_FORMAT,
            "recipe": self.recipe.name,
            "config": dataclasses.asdict(self.recipe.model),
            "words": list(self.vocabulary.words),
            "progress": dataclasses.asdict(self.progress),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        state = put_together(state, keep=self.team.leads)
        if not self.team.leads:
            return
        beside = self.out / (STATE_FILE + ".part")
        torch.save(state, beside)
        beside.replace(self.out / STATE_FILE)

    def restore(self) -> bool:
        """Go on from the saved state, if there is one. ModelError if it belongs to another network or
        vocabulary.

        Noise, scenes and captions are functions of (seed, step), so no generator needs saving.
        """
        path, receive = self.out / STATE_FILE, self.team.receive
        state = self.team.read(path)
        if state is None:
            return False
        same = (
            state["format"] == STATE_FORMAT
            and state["config"] == dataclasses.asdict(self.recipe.model)
            and tuple(state["words"]) == self.vocabulary.words
        )
        if not same:
            raise ModelError(
                f"{path} holds the training of a different network or vocabulary",
                "use another --out, or --no-resume to start over",
            )
        for network, saved in ((self.model, state["model"]), (self.average, state["average"])):
            like = network.state_dict()
            network.load_state_dict({name: receive(saved[name], like[name]) for name in like})
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            parameters = [one for group in optimiser.param_groups for one in group["params"]]
            for number, values in saved["state"].items():
                like = parameters[number]
                saved["state"][number] = {name: receive(value, like) for name, value in values.items()}
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        return True

    def begin_as(self, path: Path) -> None:
        """Start with the weights of a published model, as far on as its facts say, with new optimisers. Words
        that the world has learnt since begin as in a new network. ModelError if it is another network."""
        published = checkpoint.load(path)
        known, words = published.vocabulary, self.vocabulary
        if dataclasses.replace(published.model.config, vocabulary=len(words)) != self.recipe.model:
            raise ModelError(
                f"{path} is a different network than the recipe {self.recipe.name} trains",
                "begin as a model of that recipe, or leave --start out",
            )
        saved = published.model.state_dict()
        both = [word for word in words.words if word in known.words]
        drawn = torch.Generator().manual_seed(self.recipe.seed)
        table = torch.randn(len(words), saved[WORDS].shape[1], generator=drawn)
        table[:FIRST_WORD] = saved[WORDS][:FIRST_WORD]
        table[words.encode(both)] = saved[WORDS][known.encode(both)]
        saved[WORDS] = table
        for network in (self.model, self.average):
            like = network.state_dict()
            network.load_state_dict({name: self.team.receive(saved[name], like[name]) for name in like})
        facts = published.facts
        self.progress = Progress(
            step=facts["steps"],
            elapsed=60 * facts["minutes"],
            clips=facts["clips"],
            images=facts["images"],
            flops=facts["training_flops"],
            begun=facts["steps"],
        )


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or the first Ctrl-C sets; a second Ctrl-C interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(
    recipe: Recipe | str,
    out: Path | str,
    *,
    start: Path | None = None,
    minutes: float | None = None,
    resume: bool = True,
    device: torch.device | str | None = None,
    threads: int | None = None,
    compile: bool | None = None,
    shard: bool = False,
) -> Path:
    """Train a recipe into the folder `out`; returns the path of the exported model.

    start: weights to begin with, of the same recipe; their minutes count. minutes: length of the whole run
    over all sittings (default: the recipe's). A resumed run may be given more: its schedule is a function of
    elapsed / minutes. resume: go on from out/state.pt if it is there.
    threads: CPU threads. shard: each process of a `torchrun` keeps only its part of the weights. Writes
    out/model.safetensors (averaged weights, the latest), out/state.pt, out/log.jsonl. Raises BadInput for an
    unknown recipe, for processes that cannot share it and if `start` had all these minutes already;
    ModelError if the saved state or `start` does not fit.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise BadInput(
                f"There is no recipe called {recipe}", f"choose one of {', '.join(RECIPES)}", field="recipe"
            )
        recipe = RECIPES[recipe]()
    changes: dict[str, Any] = {"minutes": minutes, "compile": compile}
    recipe = dataclasses.replace(
        recipe, **{name: value for name, value in changes.items() if value is not None}
    )
    if threads is not None:
        torch.set_num_threads(threads)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda":
        torch.set_float32_matmul_precision("high")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)

    with joined(where, shard=shard) as team, stop_on_signal() as stop:
        run(Trainer(recipe, out, where, team), stop, start=start, resume=resume)
    return out / MODEL_FILE


def run(trainer: Trainer, stop: threading.Event, *, start: Path | None = None, resume: bool) -> None:
    """Train until the time of the recipe is over or `stop` is set; log, save and export on the way."""
    recipe, team = trainer.recipe, trainer.team
    resumed = resume and trainer.restore()
    if start is not None and not resumed:
        trainer.begin_as(start)
        had = trainer.progress.elapsed / 60
        if had >= recipe.minutes:
            raise BadInput(
                f"{start.name} had {had:g} minutes of training, and the whole run takes {recipe.minutes:g}",
                "give more",
                field="minutes",
            )
    began = trainer.progress.elapsed
    log = Journal(trainer.out / LOG_FILE, recipe, trainer.device, team, began, fresh=not resumed)
    with log as journal:
        journal.note(
            {
                "event": "resume" if resumed else "start",
                **({"begins_as": start.stem} if start is not None and not resumed else {}),
                "recipe": recipe.name,
                "minutes": recipe.minutes,
                "parameters": trainer.model.parameters_count(),
                "dtype": str(trainer.model.compute).removeprefix("torch."),
                "device": str(trainer.device),
                "processes": team.size,
                "sharded": team.sharded,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            }
        )
        _drive(trainer, journal, stop)


def _drive(trainer: Trainer, journal: Journal, stop: threading.Event) -> None:
    recipe, progress, device, team = trainer.recipe, trainer.progress, trainer.device, trainer.team
    budget = recipe.minutes * 60
    began = time.monotonic() - progress.elapsed
    saved = validated = progress.elapsed
    stopped = False

    def fraction() -> float:
        return min(1.0, progress.elapsed / budget)

    def go_on() -> bool:
        """Read the clock, and say whether to take another step. Whatever hangs on the clock is done by all
        processes together, so they all go by the first one's."""
        nonlocal stopped
        progress.elapsed, stopped = team.agreed(time.monotonic() - began, stop.is_set())
        return progress.elapsed < budget and not stopped

    gpu = device.type == "cuda" and team.size == 1
    source = data.scripts(
        recipe,
        progress.step,
        fraction,
        trainer.vocabulary,
        ahead=8 if gpu else 0,
        multiple=16 if recipe.compile else 8,
    )
    try:
        more = go_on()
        while more:
            started = time.monotonic()
            script = next(source)
            video = data.draw(team.share(script), device)
            drawn = time.monotonic()
            rate = recipe.rate(progress.step - progress.begun, fraction())
            result, norm = trainer.learn(script, video, rate)
            more = go_on()
            journal.step(result, norm, render_seconds=drawn - started)
            if journal.due(progress.elapsed):
                journal.report(progress, rate, fraction())
            if progress.elapsed - saved > recipe.save_minutes * 60:
                trainer.save()
                saved = progress.elapsed
            if progress.elapsed - validated > recipe.validate_minutes * 60:
                journal.note({"event": "export", **trainer.export()})
                validated = progress.elapsed
    finally:
        source.close()
    trainer.save()
    journal.note({"event": "stopped" if stopped else "done", **trainer.export()})
