"""What the training loops share: counting steps, learning rates, saved states, the log, signals."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from hinode.output import replace_file


@dataclass
class Progress:
    """How far a run has come; saved with its weights."""

    step: int = 0
    elapsed: float = 0.0  # seconds of training, including those before a restart
    clips: int = 0
    images: int = 0
    begun: int = 0  # the step at which the optimisers were new, from which the learning rate warms up
    origin: float = 0.0  # the seconds at which they were

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Progress:
        """Saved progress; fields of other versions are left out."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})

    def fraction(self, budget: float) -> float:
        """How much is over of the seconds from `origin` to `budget`, 0..1."""
        return (self.elapsed - self.origin) / (budget - self.origin)


def iterate_steps(
    unfinished: Callable[[], bool],
    progress: Progress,
    *,
    tasks: Sequence[tuple[float, Callable[[], object]]] = (),
    stop: threading.Event | None = None,
    agree: Callable[[float, bool], tuple[float, bool]] = lambda elapsed, stopped: (elapsed, stopped),
) -> Iterator[None]:
    """Yield once for every step that the caller has to take, while `unfinished` and until `stop` is set.

    `progress`: its `elapsed` is kept up to date; all else is the caller's. `tasks`: what is done between two
    steps, each with the seconds from one time to the next. `agree`: makes one clock and one stop flag from
    those of several processes.
    """
    start = time.monotonic() - progress.elapsed
    due = [progress.elapsed + seconds for seconds, _ in tasks]

    def advance() -> bool:
        """Read the clock; returns whether another step is due."""
        stopped = stop is not None and stop.is_set()
        progress.elapsed, stopped = agree(time.monotonic() - start, stopped)
        return unfinished() and not stopped

    more = advance()
    while more:
        yield
        more = advance()
        for number, (seconds, task) in enumerate(tasks):
            if progress.elapsed >= due[number]:
                task()
                due[number] = progress.elapsed + seconds


def cosine_rate(peak: float, step: int, warmup: int, done: float, total: float) -> float:
    """Learning rate that warms up over some steps and falls along a cosine to zero at the end of the run."""
    return peak * min(1.0, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * done / total))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def take_step(loss: Tensor, optimizer: torch.optim.Optimizer, rate: float) -> None:
    """One optimiser step down the gradient of a loss, its norm clipped to 1."""
    torch.autograd.backward(loss)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    set_rate(optimizer, rate)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def save_state(path: Path, state: Any) -> None:
    """Write the state of a run; the previous one stays until the new one is complete."""
    with replace_file(path) as part:
        torch.save(state, part)


def save_weights(path: Path, weights: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write weights as bfloat16 to a safetensors file."""
    half = {name: value.to(torch.bfloat16).contiguous() for name, value in weights.items()}
    with replace_file(path) as part:
        save_file(half, part, metadata)


def log_line(path: Path, line: Mapping[str, Any], *, echo: bool) -> None:
    """Append a JSON line to a log; `echo`: print it as well, for runs without a progress bar."""
    text = json.dumps(line)
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
    if echo:
        print(text, flush=True)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or the first Ctrl-C sets; a second Ctrl-C interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request_stop(number: int, frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    handlers = {number: signal.signal(number, request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
