"""Clips from clips: what an engine draws in one go becomes longer clips, loops, blends, edits and films.

A clip consists of `segments`; each that is not kept from a video is drawn in `windows` that overlap. `layout`
decides where everything lies, and `run` draws and joins. All of it stands on the one protocol of engines, so
every engine gains what its capabilities allow (`capabilities`).
"""

from __future__ import annotations

from hinode import engines
from hinode.directing.capabilities import extend_capabilities, is_direct, without_characters
from hinode.engines.protocol import Cost, Engine
from hinode.request import Capabilities, Request
from hinode.settings import Settings


def get(name: str, settings: Settings, capabilities: Capabilities | None = None) -> Engine:
    """The engine of this name, directed; for `capabilities` see `DirectedEngine`.

    Raises:
        BadInput: there is none.
    """
    from hinode.directing.engine import DirectedEngine

    return DirectedEngine(engines.get(name, settings), capabilities)


def estimate(request: Request, settings: Settings, capabilities: Capabilities | None = None) -> Cost:
    """The work of a request whose references have their files; the engines here load no torch for it.

    Args:
        capabilities: what its engine can do by itself, by default from `engines.capabilities`.

    Raises:
        BadInput: it cannot be carried out.
        ModelError: its model is missing or damaged.
    """
    from hinode.directing.engine import estimate

    capabilities = capabilities or engines.capabilities(request.engine, settings, request.model)
    request.check(extend_capabilities(capabilities))
    return estimate(request, capabilities, lambda part: engines.estimate(part, settings))


def check(request: Request, capabilities: Capabilities, source_seconds: float | None = None) -> None:
    """See that a request can be carried out, as far as that is known before any file is read; without torch.

    Args:
        request: its references need no digests yet.
        capabilities: what its engine can do by itself, from `engines.capabilities`.
        source_seconds: length of its source, if it has one.

    Raises:
        BadInput: it cannot be carried out; the sentence says why.
    """
    from hinode.directing import segments
    from hinode.directing.layout import Layout

    request.check(extend_capabilities(capabilities), source_seconds)
    request = without_characters(request, capabilities)
    if is_direct(request, capabilities):
        request.check(capabilities, source_seconds)
    else:
        Layout(request, capabilities, segments.split(request, source_seconds, capabilities)).check()
