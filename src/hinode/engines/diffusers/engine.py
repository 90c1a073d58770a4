"""The engine itself: it finds models in the registry, plans the memory, and keeps the last model in it."""

from __future__ import annotations

import dataclasses
import logging

import torch

from hinode.engines.diffusers import capabilities as offer
from hinode.engines.diffusers.execution import acceleration
from hinode.engines.diffusers.execution.acceleration import UNACCELERATED, Hardware
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.memory import allocator
from hinode.engines.diffusers.memory.plan import MemoryBudget, MemoryPlan, Residence
from hinode.engines.diffusers.run import DiffusersRun, device_of
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Capabilities, Cost, State
from hinode.errors import ModelError
from hinode.licensing import licences
from hinode.model.layers import compute_type
from hinode.registry import entries
from hinode.request import Request
from hinode.settings import Settings

log = logging.getLogger(__name__)


class DiffusersEngine:
    """Draws with open checkpoints."""

    name = offer.ENGINE

    def __init__(self, settings: Settings, room: MemoryBudget | None = None) -> None:
        """
        Args:
            settings: where models are, how many threads to use and which device.
            room: how much memory there is; by default what the machine says.
        """
        self.settings = settings
        self.room = room
        self._resident: Model | None = None

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return offer.capabilities(model, self.settings.home)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`."""
        return Task.of(request, self.settings).estimate()

    def start(self, request: Request, state: State | None = None) -> DiffusersRun:
        """See `Engine.start`. The memory is planned here, before a weight is read.

        Raises:
            BadInput: the request does not fit the model or the memory, or the licence excludes the operator.
            ModelError: the model is not on this machine, or damaged.
            EngineError: the state is not one of this request and model.
        """
        task = Task.of(request, self.settings)
        licences.check(task.entry.terms, self.settings.home)
        entries.check_present(task.entry, self.settings.home)
        _check_library()
        if self.settings.threads is not None:
            torch.set_num_threads(self.settings.threads)
        home, device = self.settings.home, device_of(self.settings.device)
        if device.type == "cpu":
            allocator.give_back_large_blocks()
        model = Model(task.entry, task.family, home, device, compute_type(device))
        held = self._held(model)
        room = (self.room or MemoryBudget.of(device)).with_loaded(held.held if held else 0)
        task = dataclasses.replace(task, size=model.only_size or task.size)
        plan = MemoryPlan.of(task, model.sizes(), room)
        log.info("memory plan: %s", plan.words)
        ways = acceleration.choose_execution(
            task.profile,
            task.family,
            Hardware.of(device),
            light=plan.light,
            streamed=plan.place is Residence.GROUPS,
            packed=model.packed,
            asked=task.entry.eight_bits,
        )
        if ways != UNACCELERATED:
            log.info("the denoiser computes otherwise than plainly: %s", ways.words)
        if (
            held is not None
            and held.same(model)
            and (held.light, held.wanted, held.narrowed) == (plan.light, ways, False)
        ):
            model = held
        else:
            model.light, model.wanted, model.ways = plan.light, ways, ways
            if held is not None:
                model.take_over(held)
        self._resident = model
        return DiffusersRun(task, plan, model, Embeddings(home / "embeddings"), state)

    def _held(self, model: Model) -> Model | None:
        """The model in memory if it is the same one, or differs in its denoisers alone; another one is let
        go, for both need not fit."""
        held = self._resident
        if held is not None and (
            not held.same(model, but_denoisers=True) or held.tiny_digest != model.tiny_digest
        ):
            self._resident = None
        return self._resident


def _check_library() -> None:
    try:
        import diffusers  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "the library diffusers is not installed", 'install it with `pip install "hinode[diffusers]"`'
        ) from error
