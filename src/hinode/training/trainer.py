"""The trainer: a network with its optimisers, averaged weights and progress.

Weights and optimiser state are float32, activations bfloat16 where that is fast. Matrices inside blocks are
trained by Muon, all else by AdamW (recipe arXiv 2510.19376). A moving average of the weights is exported.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from hinode.engines.native import checkpoint
from hinode.errors import ModelError
from hinode.model import flow
from hinode.model.dit import Block, DiT
from hinode.model.layers import compute_type
from hinode.model.text import FIRST_WORD, TextBlock
from hinode.training import data
from hinode.training.cost import flops
from hinode.training.directions import sample_directions
from hinode.training.distributed.parallel import Team
from hinode.training.distributed.sharding import ShardedMuon, gather_state, local, shard
from hinode.training.loop import Progress, save_state, set_rate
from hinode.training.muon import Muon
from hinode.training.recipes import Recipe

STATE_FILE, MODEL_FILE = "state.pt", "model.safetensors"
STATE_FORMAT = 1
WORDS = "text.embed.weight"  # a row for each word
SINGLE = Team()


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
    """Compile the blocks in place, one graph for each shape of clips.

    Half the time of a step goes into small operations, which the compiler fuses. Blocks of one level share
    their graph, so compiling takes seconds for each shape; the network as a whole would take minutes.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None and shutil.which("clang++") is None:
        warnings.warn("there is no C++ compiler, so training runs uncompiled and slower", stacklevel=2)
        return
    torch._dynamo.config.recompile_limit = 128  # two levels times all shapes share one function
    for module in model.modules():
        if isinstance(module, (Block, TextBlock)):
            module.compile(dynamic=False)


class Trainer:
    """The state of a training run and the operations on it; `run.run` drives it."""

    def __init__(
        self, recipe: Recipe, out: Path, device: torch.device, team: Team = SINGLE, network: type[DiT] = DiT
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
        for module in (self.model, self.average):
            if team.sharded:
                shard(module, device, trains=module is self.model)
            else:
                module.to(device)
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

    def learn(self, batch: data.Batch, video: Tensor, rate: float) -> tuple[flow.Loss, Tensor]:
        """Take one optimiser step on `video`, this process's share of the batch.

        Everything random is sampled for the whole batch, so a team sees what a single process would see.
        Returns the loss (its value over the whole batch, its errors and levels over the share) and the norm
        of the gradient before clipping.
        """
        count, mine = len(batch.scenes), self.team.share_slice
        generator = torch.Generator(self.device).manual_seed(self.recipe.seed * 1_000_003 + batch.step)
        x = self.tokenizer.encode(video)
        ids = data.drop_text(batch.ids.to(self.device), generator)
        levels = data.sample_levels(count, x.shape[1], generator)
        noise = torch.randn((count, *x.shape[1:]), generator=generator, device=self.device)
        weight = data.emphasis(self.team.share(batch), self.recipe.emphasis, self.tokenizer, self.device)
        mask, motion = sample_directions(self.recipe, batch, self.tokenizer, self.device)
        sampled = {"levels": levels, "noise": noise, "mask": mask, "motion": motion}
        share = {name: values[mine] for name, values in sampled.items()}
        loss = flow.loss(self.model, x, ids[mine], batch.bucket.fps, weight=weight, **share)
        counted = (loss.levels < 1).sum().float()
        value, total = self.team.sum(torch.stack((loss.value.detach() * counted, counted)))
        total = total.clamp(min=1)
        torch.autograd.backward(loss.value * (counted / total))
        loss = dataclasses.replace(loss, value=value / total)
        self.team.sum_gradients(self.parameters)
        norm = self.update(rate)
        self.count(batch, 3 * batch.bucket.batch_size)
        return loss, norm

    def count(self, batch: data.Batch, forward_passes: int) -> None:
        """Add a step to the progress; `forward_passes`: of one clip, as many as the step cost."""
        bucket, progress = batch.bucket, self.progress
        progress.step += 1
        progress.images += bucket.batch_size if bucket.frames == 1 else 0
        progress.clips += bucket.batch_size if bucket.frames > 1 else 0
        forward = flops(self.model.config, bucket.frames, bucket.height, bucket.width, batch.ids.shape[1])
        progress.flops += forward_passes * forward

    @torch.no_grad()
    def update(self, rate: float) -> Tensor:
        """Move the weights along their gradients, and the average after them; returns the norm of the
        gradient before clipping, over all shards."""
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None], foreach=True)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.clip_norm, norm, foreach=True)
        for optimiser in self.optimisers:
            set_rate(optimiser, rate)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        # The average follows quickly at first, slowly later.
        decay = min(self.recipe.average, (1 + self.progress.step) / (10 + self.progress.step))
        torch._foreach_lerp_([local(a) for a in self.averages], [local(w) for w in self.weights], 1 - decay)
        return norm

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Velocity error of the averaged weights on a fixed set of scenes with fixed noise, overall and by
        quarters of the noise level. All processes must call it: each takes its share of the scenes."""
        mine = self.team.share_slice
        errors, all_levels = [], []
        for batch, x, noise, levels in self._validation_set:
            ids = batch.ids[mine].to(self.device)
            loss = flow.loss(self.average, x, ids, batch.bucket.fps, levels=levels[mine], noise=noise)
            whole = torch.zeros(len(levels), device=self.device)
            whole[mine] = loss.errors.mean(1)
            errors.append(whole)
            all_levels.append(levels[:, 0])
        error, level = self.team.sum(torch.cat(errors)), torch.cat(all_levels)
        quarters = [round(float(quarter.mean()), 5) for quarter in error[level.argsort()].chunk(4)]
        return {"validation": round(float(error.mean()), 5), "validation_by_level": quarters}

    @cached_property
    def _validation_set(self) -> list[tuple[data.Batch, Tensor, Tensor, Tensor]]:
        """Batches with the latents and the noise of this process's share, and the levels of all clips."""
        result, generator = [], torch.Generator(self.device).manual_seed(7)
        for batch in data.validation_batches(self.recipe, self.vocabulary):
            x = self.tokenizer.encode(data.render_batch(self.team.share(batch), self.device))
            count = len(batch.scenes)
            noise = torch.randn((count, *x.shape[1:]), generator=generator, device=self.device)
            # One level per clip, evenly over the quantiles of the training distribution.
            quantile = (torch.arange(count, device=self.device) + 0.5) / count
            spread = data.LEVEL_SPREAD * torch.special.ndtri(quantile)
            levels = torch.sigmoid(data.LEVEL_MEAN + spread)[:, None].expand(-1, x.shape[1])
            result.append((batch, x, noise[self.team.share_slice], levels))
        return result

    def facts(self) -> dict[str, Any]:
        """The header of the exported file: how the weights were trained and how they sample."""
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
        """Write the averaged weights as a model that can be sampled; returns its facts. All processes must
        call it, as `save`; the main one writes."""
        facts = self.facts()
        weights = gather_state(self.average.state_dict(), keep=self.team.is_main)
        if self.team.is_main:
            checkpoint.save(self.out / MODEL_FILE, weights, self.recipe.model, self.vocabulary, facts)
        return facts

    def save(self) -> None:
        """Write everything that `restore` needs, the same for any number of processes, sharded or not. Noise,
        scenes and captions are functions of (seed, step), so no random generator is saved."""
        state = {
            **self._identity(),
            "recipe": self.recipe.name,
            "progress": dataclasses.asdict(self.progress),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        state = gather_state(state, keep=self.team.is_main)
        if self.team.is_main:
            save_state(self.out / STATE_FILE, state)

    def _identity(self) -> dict[str, Any]:
        """What a saved state has to agree with to be continued here."""
        config, words = dataclasses.asdict(self.recipe.model), list(self.vocabulary.words)
        return {"format": STATE_FORMAT, "config": config, "words": words}

    def restore(self) -> bool:
        """Continue from the saved state; returns whether there is one. ModelError if it belongs to another
        network or vocabulary."""
        path, receive = self.out / STATE_FILE, self.team.receive
        state = self.team.load(path)
        if state is None:
            return False
        same = self._identity()
        if any(state[name] != value for name, value in same.items()):
            message = f"{path} is the state of a different network or vocabulary"
            raise ModelError(message, "use another --out, or --no-resume to start over")
        self._load(self.model, state["model"])
        self._load(self.average, state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            for number, values in saved["state"].items():
                like = parameters[number]
                saved["state"][number] = {name: receive(value, like) for name, value in values.items()}
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        return True

    def start_from(self, path: Path) -> None:
        """Start with the weights and the progress of a published model, and with new optimisers. Words added
        to the world since then are initialised as in a new network. ModelError if it is another network."""
        published = checkpoint.load(path)
        old, new = published.vocabulary, self.vocabulary
        if dataclasses.replace(published.model.config, vocabulary=len(new)) != self.recipe.model:
            message = f"{path} is a different network than the recipe {self.recipe.name} trains"
            raise ModelError(message, "start from a model of that recipe, or leave --start out")
        weights = published.model.state_dict()
        shared = [word for word in new.words if word in old.words]
        generator = torch.Generator().manual_seed(self.recipe.seed)
        table = torch.randn(len(new), weights[WORDS].shape[1], generator=generator)
        table[:FIRST_WORD] = weights[WORDS][:FIRST_WORD]
        table[new.encode(shared)] = weights[WORDS][old.encode(shared)]
        weights[WORDS] = table
        self._load(self.model, weights)
        self._load(self.average, weights)
        names = "steps", "minutes", "clips", "images", "training_flops"
        step, minutes, clips, images, spent = (published.facts[name] for name in names)
        self.progress = Progress(step, 60 * minutes, clips, images, spent, begun=step)

    def _load(self, network: DiT, weights: dict[str, Tensor]) -> None:
        """Load weights that only the main process needs to have read."""
        like = network.state_dict()
        network.load_state_dict({name: self.team.receive(weights[name], like[name]) for name in like})
