"""What is examined."""

from __future__ import annotations

from dataclasses import dataclass

from hinode.settings import Settings


@dataclass(frozen=True)
class Installation:
    """The settings of this machine, and where its server listens or is to listen."""

    settings: Settings
    host: str
    port: int
