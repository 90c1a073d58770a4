"""Captions of the sound of a clip of this engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hinode.world.book.sounds.captions import captions, web_vtt


def captions_of(provenance: Mapping[str, Any]) -> str:
    """The sounds of a clip as a WebVTT file, from how it was made; without any if it has no sound, or no plan
    that says which."""
    plan = provenance.get("plan")
    try:
        return web_vtt(captions(plan) if plan and provenance.get("sound") else ())
    except (KeyError, TypeError, ValueError):  # a plan of another version
        return web_vtt(())
