"""What the engine needs from outside: time, chance, and the keys."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Environment:
    """
    Attributes:
        clock: seconds from any beginning.
        pause: waits so many seconds.
        chance: a random number from 0 up to and without 1.
        nonce: a word that was never used before.
        environment: where the keys are.
    """

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    nonce: Callable[[], str] = secrets.token_urlsafe
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
