"""The planner's weights, and how a prompt becomes a plan with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hinode.engines.native import catalog
from hinode.engines.native.plans import plan_values
from hinode.errors import ModelError
from hinode.model.planner import SLOTS, Planner, PlannerConfig, sample
from hinode.model.text import Vocabulary
from hinode.world.book.plan import ScenePlan
from hinode.world.book.reading import count_faults
from hinode.world.book.words.caption import restate
from hinode.world.prompts.facts import ParsedPrompt
from hinode.world.prompts.language import split_words

STEPS, GUIDANCE, TRIES = 8, 2.0, 3
MIN_SECONDS, MAX_SECONDS = 1.0, 5.0
"""Lengths that the planner was trained for, with some room."""


@dataclass(frozen=True, eq=False)
class TrainedPlanner:
    """A planner ready to use, with the facts of its training."""

    model: Planner
    vocabulary: Vocabulary
    facts: dict[str, Any]

    def plan(
        self, parsed: ParsedPrompt, *, seconds: float, aspect: float, seed: int, steps: int = STEPS
    ) -> ScenePlan:
        """A plan of the facts of a prompt; the seed decides what they leave open. `aspect`: width / height.

        Of `TRIES` plans the first that holds all facts and shows all subjects, or the one that lacks least.
        """
        text = split_words(restate(parsed))
        ids = self.vocabulary.batch([text], limit=self.model.config.words)
        shape = plan_values.shape_of(seconds, aspect)
        size = (1, shape.thirds, SLOTS, plan_values.VALUES)
        generator = torch.Generator().manual_seed(seed)
        plans: list[tuple[int, ScenePlan]] = []
        for _ in range(TRIES):
            noise = torch.randn(size, generator=generator)
            values = sample(self.model, ids, shape, noise, steps, GUIDANCE, plan_values.settle)
            plan = plan_values.steady(plan_values.decode(values[0], seconds, aspect), aspect)
            lacking = count_faults(plan, parsed, aspect)
            plans.append((lacking, plan))
            if lacking == 0:
                break
        return min(plans, key=lambda entry: entry[0])[1]


def path() -> Path:
    """Where the package keeps the weights."""
    return catalog.shipped() / f"{catalog.PLANNER}.safetensors"


@lru_cache(maxsize=2)
def load(file: Path) -> TrainedPlanner:
    """Read a planner that `hinode train planner` wrote.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    header = catalog.read_header(file)
    try:
        model = Planner(PlannerConfig(**header["config"]))
        model.load_state_dict({name: value.float() for name, value in load_file(file).items()})
        vocabulary, facts = Vocabulary(tuple(header["vocabulary"])), header["facts"]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{file} holds another network than the planner", "train or fetch it again"
        ) from error
    return TrainedPlanner(model.eval().requires_grad_(False), vocabulary, facts)
