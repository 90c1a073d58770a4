"""What the engine takes from outside: time, random numbers, and keys."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Environment:
    """
    Attributes:
        clock: seconds since any moment.
        pause: waits so many seconds.
        chance: a random number, 0 <= x < 1.
        variables: environment variables with the keys.
    """

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
