"""The engine of Hinode's own model: words become a scene plan, which rectified flow draws on this machine."""

from __future__ import annotations

import torch

from hinode.engines.native import catalog, work
from hinode.engines.native.book.drawing_plan import DrawingPlan
from hinode.engines.native.book.run import DrawingRun
from hinode.engines.native.catalog import Card
from hinode.engines.native.drawing_weights import load_pieces
from hinode.engines.protocol import Cost, Run, State
from hinode.model.drawing import Drawer
from hinode.model.layers import compute_type
from hinode.registry.profiles import STANDARD
from hinode.request import Capabilities, Request
from hinode.settings import Settings

NAME = catalog.ENGINE


class NativeEngine:
    """See `Engine`. It draws clips of the picture book and knows no other world."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The last model stays in memory for the next run, with the state of its file when it was read.
        self._resident: Drawer | None = None
        self._resident_key: object = None

    def capabilities(self, model: str | None = None) -> Capabilities:
        return catalog.capabilities(model, self.settings.models)

    def estimate(self, request: Request) -> Cost:
        return work.estimate(request, self.settings)

    def plan(self, request: Request) -> DrawingPlan:
        """Decide how a request is drawn.

        Raises:
            BadInput: the model cannot draw it.
        """
        request.check(self.capabilities(request.model))
        card = catalog.find(request.model, self.settings.models)
        return DrawingPlan.of(request, catalog.profiles(card)[request.profile or STANDARD])

    def start(self, request: Request, state: State | None = None) -> Run:
        return DrawingRun(self.plan(request), self, state)

    def load(self, card: Card, device: torch.device) -> Drawer:
        """The network of a card, with its weights on a device."""
        status = card.path.stat()
        key = card.path, status.st_size, status.st_mtime_ns, device
        if self._resident is None or self._resident_key != key:
            self._resident = None  # first, so that two models need not fit into memory
            self._resident, _ = load_pieces(card.path, device, compute_type(device))
            self._resident_key = key
        return self._resident
