"""Shots from shots: what an engine draws in one go becomes longer clips, loops, blends, edits and films.

Everything is put together from segments (`cutting`), each drawn in windows that overlap (`windows`,
`layout`); `run` draws and joins them. All of it is made over the one protocol of the engines, so each engine
gains what its capabilities allow (`offer`).
"""

from __future__ import annotations

from hinode import engines
from hinode.directing.capabilities import extend_capabilities, simple, without_characters
from hinode.engines.protocol import Engine
from hinode.request import Capabilities, Request
from hinode.settings import Settings


def get(name: str, settings: Settings) -> Engine:
    """The engine called `name`, which can do more than by itself.

    Raises:
        BadInput: there is none.
    """
    from hinode.directing.engine import DirectedEngine

    return DirectedEngine(engines.get(name, settings))


def check(request: Request, capabilities: Capabilities, source_seconds: float | None = None) -> None:
    """See that a request can be carried out, as far as that is known before anything is read; without torch.

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
    if simple(request, capabilities):
        request.check(capabilities, source_seconds)
    else:
        Layout(request, capabilities, segments.segments(request, source_seconds, capabilities)).check()


def capabilities(name: str, settings: Settings, model: str | None = None) -> Capabilities:
    """What can be asked for of a model; see `engines.capabilities`, which raises the same.

    It never loads torch.
    """
    return extend_capabilities(engines.capabilities(name, settings, model))
