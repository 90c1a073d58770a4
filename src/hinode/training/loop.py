"""What the training loops share: counting steps, learning rates, saved states, the log, signals."""

from __future__ import annotations

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

from hinode.model.flow import Loss
from hinode.output import replace_file
from hinode.progress import progress_bar
from hinode.training.distributed.parallel import Team
from hinode.training.recipes import Recipe

LEVEL_EDGES = (0.2, 0.35, 0.55)  # four bins of the noise level
SMOOTHING = 0.98  # of the reported loss, per step


@dataclass
class Progress:
    """How far a run has come; saved with its weights."""

    step: int = 0
    elapsed: float = 0.0  # seconds of training, including those before a restart
    clips: int = 0
    images: int = 0
    flops: float = 0.0
    begun: int = 0  # the step at which the optimisers were new, from which the learning rate warms up


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


class Journal:
    """Collects the numbers of each step without waiting for the device, and reports them now and then."""

    def __init__(
        self, path: Path, recipe: Recipe, device: torch.device, team: Team, progress: Progress, *, new: bool
    ) -> None:
        """`device`: where the numbers of a step are. `new`: whether to remove the lines of an earlier run."""
        self.path, self.recipe, self.team, self.progress = path, recipe, team, progress
        if new and team.is_main:
            path.unlink(missing_ok=True)
        self.bar = progress_bar(unit="share", keep=True, show=team.is_main)
        self.task = self.bar.add_task(recipe.name, total=1.0)
        self.edges = torch.tensor(LEVEL_EDGES, device=device)
        self.sums = torch.zeros(2, len(LEVEL_EDGES) + 1, device=device)  # errors and counts per bin
        self.loss: Tensor | None = None
        self.norm = torch.zeros((), device=device)
        self.render_seconds = 0.0
        self.reported_at = progress.elapsed
        self.before: tuple[int, int, float] | None = None  # steps, samples and FLOPs at the last report

    def add_step(self, loss: Loss, norm: Tensor, *, render_seconds: float) -> None:
        """Add the numbers of one step; nothing here waits for the device."""
        value = loss.value.detach()
        self.loss = value if self.loss is None else self.loss.lerp(value, 1 - SMOOTHING)
        self.norm = norm
        self.render_seconds += render_seconds
        counted = (loss.levels < 1).flatten()
        bins = torch.bucketize(loss.levels.flatten(), self.edges)
        self.sums[0].index_add_(0, bins, loss.errors.flatten() * counted)
        self.sums[1].index_add_(0, bins, counted.float())

    def report(self, rate: float, fraction: float) -> None:
        """Write one line on everything since the last report, over all processes; they all must call it."""
        progress = self.progress
        loss = float(self.loss) if self.loss is not None else float("nan")  # waits for the device
        seconds = progress.elapsed - self.reported_at
        errors, counts = self.team.sum(self.sums).tolist()
        line: dict[str, Any] = {
            "step": progress.step,
            "elapsed": round(progress.elapsed, 1),
            "fraction": round(fraction, 4),
            "lr": round(rate, 7),
            "loss": round(loss, 5),
            "loss_by_level": [round(e / c, 5) if c else None for e, c in zip(errors, counts, strict=True)],
            "grad_norm": round(float(self.norm), 4),
            "clips": progress.clips,
            "images": progress.images,
            "render_share": round(self.render_seconds / seconds, 3),
        }
        samples = progress.clips + progress.images
        if self.before is not None:
            step, earlier, flops = self.before
            line["steps_per_s"] = round((progress.step - step) / seconds, 3)
            line["samples_per_s"] = round((samples - earlier) / seconds, 2)
            line["gflops_per_s"] = round((progress.flops - flops) / seconds / 1e9, 1)
        self.note(line)
        description = f"{self.recipe.name}  step {progress.step}  loss {loss:.4f}"
        self.bar.update(self.task, completed=fraction, description=description)
        self.before = progress.step, samples, progress.flops
        self.reported_at, self.render_seconds = progress.elapsed, 0.0
        self.sums.zero_()

    def note(self, line: dict[str, Any]) -> None:
        """Append one line to the log; without a terminal, print it as well."""
        if self.team.is_main:
            log_line(self.path, line, echo=not self.bar.console.is_terminal)


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
