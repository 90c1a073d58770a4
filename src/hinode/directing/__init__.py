"""Clips from clips: what an engine draws in one go becomes longer clips, loops, blends, edits and films.

A clip consists of `segments`; each that is not kept from a video is drawn in `windows` that overlap. `layout`
decides where everything lies, and `run` draws and joins. All of it stands on the one protocol of engines, so
every engine gains what its capabilities allow (`capabilities`).
"""

from __future__ import annotations

from hinode import engines
from hinode.directing.capabilities import extend_capabilities
from hinode.engines.protocol import Engine
from hinode.request import Capabilities, Request
from hinode.settings import Settings


def get(name: str, settings: Settings) -> Engine:
    """The engine of this name, directed.

    Raises:
        BadInput: there is none.
    """
    from hinode.directing.engine import DirectedEngine

    return DirectedEngine(engines.get(name, settings))


def check(request: Request, settings: Settings, source_seconds: float | None = None) -> None:
    """See that a request can be carried out, as far as that is known before any file is read; without torch.

    Args:
        request: one that was compared with `capabilities` already.
        settings: where models are.
        source_seconds: length of its source, if it has one.

    Raises:
        BadInput: it cannot be; the sentence says why.
        ModelError: the weights of the model are missing or damaged.
    """
    from hinode.directing import segments
    from hinode.directing.capabilities import is_direct, without_characters
    from hinode.directing.layout import Layout

    capabilities = engines.capabilities(request.engine, settings, request.model)
    request = without_characters(request, capabilities)
    if is_direct(request, capabilities):
        request.check(capabilities, source_seconds)
    else:
        Layout(request, capabilities, segments.split(request, source_seconds, capabilities)).check()


def capabilities(name: str, settings: Settings, model: str | None = None) -> Capabilities:
    """What can be requested of a model, without torch; see `engines.capabilities`, which raises the same."""
    return extend_capabilities(engines.capabilities(name, settings, model))
