"""The engine: it finds models in the registry, plans the memory, and keeps the last model loaded."""

from __future__ import annotations

import dataclasses
import logging

import torch

from hinode.engines.diffusers import capabilities as models
from hinode.engines.diffusers.loading.acceleration import UNACCELERATED, Hardware, choose_execution
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.loading.self_test import SelfTests
from hinode.engines.diffusers.memory import allocator
from hinode.engines.diffusers.memory.budget import MemoryBudget
from hinode.engines.diffusers.memory.plan import MemoryPlan
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Cost, State
from hinode.errors import BadInput, ModelError
from hinode.licensing import licences
from hinode.model.layers import compute_type
from hinode.registry import entries
from hinode.registry.entries import ENGINE
from hinode.request import Capabilities, Request
from hinode.settings import Settings

log = logging.getLogger(__name__)


class DiffusersEngine:
    """Generates clips with open checkpoints."""

    name = ENGINE

    def __init__(self, settings: Settings, budget: MemoryBudget | None = None) -> None:
        """`budget` is the available memory, by default what the machine reports."""
        self.settings = settings
        self.budget = budget
        self._resident: Model | None = None
        self._self_tests = SelfTests(settings.home / "self-tests")

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return models.capabilities(model, self.settings.home)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`."""
        return Task.of(request, self.settings).estimate()

    def start(self, request: Request, state: State | None = None) -> DiffusersRun:
        """See `Engine.start`. The memory is planned here, before any weight is read.

        Raises:
            BadInput: the request does not fit the model or the memory, or the licence excludes the operator.
            ModelError: the model is not on this machine, or damaged.
            EngineError: the state is not one of this request and model.
        """
        task = Task.of(request, self.settings)
        licences.check(task.entry.terms, self.settings.home)
        entries.check_present(task.entry, self.settings.home)
        _check_library()
        device = torch.device(self.settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if device.type == "cpu":
            allocator.return_large_blocks()
        model = Model(task.entry, task.family, self.settings.home, device, compute_type(device))
        if task.profile.steps < model.checkpoint.min_steps:
            message = f"the model {task.entry.name} does not sample in {task.profile.steps} step"
            raise BadInput(message, f"give {model.checkpoint.min_steps} or more", field="steps")
        resident = self._resident_for(model)
        if device.type == "cuda":
            allocator.free_memory()
        budget = self.budget or MemoryBudget.of(device)
        if resident is not None:
            budget = budget.with_loaded(resident.ledger)
        task = dataclasses.replace(task, size=model.checkpoint.fixed_size or task.size)
        plan = MemoryPlan.of(task, model.sizes(), budget)
        log.info("memory plan: %s", plan.description)
        execution = choose_execution(
            task.profile,
            task.family,
            Hardware.of(device),
            float8_storage=plan.float8_storage,
            streamed=plan.residence.streams,
            quantized=model.checkpoint.quantized,
            eight_bits_on_cpu=task.entry.eight_bits,
        )
        if execution != UNACCELERATED:
            log.info("execution of the denoiser: %s", execution.description)
        usable = self._self_tests.usable(execution, task.family, device)
        if usable != execution:
            log.warning("the denoiser computes plainly, for %s failed here before", execution.description)
        if resident is not None and resident.serves(model, plan.float8_storage, execution, usable):
            model = resident
        else:
            model.configure(plan.float8_storage, execution, usable)
            if resident is not None:
                model.adopt_parts(resident)
        self._resident = model
        embeddings = Embeddings(self.settings.home / "embeddings")
        return DiffusersRun(task, plan, model, embeddings, self._self_tests, state)

    def _resident_for(self, model: Model) -> Model | None:
        """The loaded model if it shares all parts but the denoisers with `model`. Another one is unloaded,
        because both need not fit."""
        resident = self._resident
        if resident is not None and not resident.shares_parts(model):
            self._resident = None
        return self._resident


def _check_library() -> None:
    try:
        import diffusers  # noqa: F401
    except ImportError as error:
        remedy = 'install it with `pip install "hinode[diffusers]"`'
        raise ModelError("the library diffusers is not installed", remedy) from error
