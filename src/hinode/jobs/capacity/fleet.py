"""The classes of workers that an operator allows, from `fleet.toml` in `HINODE_HOME`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from hinode import engines, tomlfile
from hinode.errors import BadInput
from hinode.jobs.capacity.placement import Need
from hinode.jobs.capacity.scaling import Limits
from hinode.money.quoting.hardware import has_gpu
from hinode.parsing import Input, Integer, Number, parse
from hinode.settings import Settings

FILE = "fleet.toml"
MAX_WORKERS = 10_000
GB = 1e9


@dataclass(frozen=True)
class WorkerClass:
    """Workers that are alike: what each claims, what it runs, how many there may be and what they cost.

    Attributes:
        engines: names of the engines that it runs, or None for all.
    """

    name: str
    need: Need
    limits: Limits
    engines: frozenset[str] | None = None

    def runs(self, model: str) -> bool:
        """Whether it can run a model ("engine/model")."""
        return self.engines is None or model.partition("/")[0] in self.engines


class _Class(Input):
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
    maximum: Annotated[Integer, Field(ge=1, le=MAX_WORKERS)]
    minimum: Annotated[Integer, Field(ge=0, le=MAX_WORKERS)] = 0
    cpus: Annotated[Number, Field(gt=0, le=4096)] = 1.0
    gpus: Annotated[Number, Field(ge=0, le=64)] = 0.0
    memory_gb: Annotated[Number, Field(ge=0, le=1e6)] = 0.0
    gpu_memory_gb: Annotated[Number, Field(ge=0, le=1e6)] = 0.0
    labels: Annotated[dict[str, str], Field(max_length=20)] = Field(default_factory=dict)
    engines: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)] | None = None
    cold_start_seconds: Annotated[Number, Field(gt=0, le=7200)] = 60.0
    hourly_price: Annotated[Number, Field(ge=0, le=1e6)] | None = None
    max_worker_hours: Annotated[Number, Field(ge=0, le=1e6)] | None = None
    max_cost: Annotated[Number, Field(ge=0, le=1e9)] | None = None


class _Fleet(Input):
    wait_target_seconds: Annotated[Number, Field(ge=1, le=86_400)] = 120.0
    workers: Annotated[list[_Class], Field(min_length=1, max_length=50)]


def read(settings: Settings, maximum: int, threads: float = 1.0) -> tuple[WorkerClass, ...]:
    """The classes in `fleet.toml`, the cheapest first and those without a price last.

    Without that file there is one class of `maximum` workers.

    Args:
        settings: the file is in its `home`.
        maximum: workers if there is no file.
        threads: processors that each of these claims, and a GPU if this machine has one.

    Raises:
        BadInput: a value is missing or wrong.
        ModelError: the file cannot be read.
    """
    path = settings.home / FILE
    if not path.exists():
        limits = Limits(minimum=min(1, maximum), maximum=maximum)
        return (WorkerClass("default", Need(cpus=threads, gpus=float(has_gpu(settings))), limits),)
    stated = parse(_Fleet, tomlfile.read(path), what=FILE, field=FILE)
    classes = [_read_class(entry, stated.wait_target_seconds) for entry in stated.workers]
    names = [worker.name for worker in classes]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{FILE} has two classes {name}", "give each its own name", field="workers.name")
    prices = {worker.name: worker.limits.hourly_price for worker in classes}
    return tuple(
        sorted(classes, key=lambda worker: (prices[worker.name] is None, prices[worker.name] or 0.0))
    )


def _read_class(entry: _Class, wait_target: float) -> WorkerClass:
    where = f"workers.{entry.name}"
    if entry.minimum > entry.maximum:
        message = f"{where}.minimum is {entry.minimum}, above its maximum"
        raise BadInput(message, f"give {entry.maximum} at most", field=f"{where}.minimum")
    if entry.gpus > 1 and not entry.gpus.is_integer():
        message = f"{where}.gpus is {entry.gpus:g}"
        raise BadInput(message, "give a share of one GPU, or a whole number", field=f"{where}.gpus")
    if entry.max_cost is not None and entry.hourly_price is None:
        message = f"{where}.hourly_price is missing, and max_cost cannot be kept without it"
        raise BadInput(message, "add the price of an hour of one worker", field=f"{where}.hourly_price")
    for name in entry.engines or ():
        if name not in engines.names():
            remedy = f"choose among {', '.join(engines.names())}"
            raise BadInput(
                f"{where}.engines has {name!r}, which is no engine", remedy, field=f"{where}.engines"
            )
    need = Need(
        entry.cpus, entry.gpus, int(entry.memory_gb * GB), int(entry.gpu_memory_gb * GB), dict(entry.labels)
    )
    limits = Limits(
        entry.minimum,
        entry.maximum,
        wait_target,
        entry.cold_start_seconds,
        entry.max_worker_hours,
        entry.max_cost,
        entry.hourly_price,
    )
    return WorkerClass(entry.name, need, limits, None if entry.engines is None else frozenset(entry.engines))


@dataclass
class Share:
    """Work for one class: predicted seconds that wait, and the models that are waited for."""

    waiting: float = 0.0
    queued_models: set[str] = field(default_factory=set)


def divide(
    waiting: Mapping[str, float], classes: tuple[WorkerClass, ...]
) -> tuple[dict[str, Share], tuple[str, ...]]:
    """Give the waiting work of each model to the cheapest class that runs it.

    Args:
        waiting: predicted seconds by model ("engine/model").
        classes: the cheapest first.

    Returns:
        The share of each class by its name, and the models that no class runs.
    """
    shares = {worker.name: Share() for worker in classes}
    unserved = []
    for model, seconds in waiting.items():
        owner = next((worker for worker in classes if worker.runs(model)), None)
        if owner is None:
            unserved.append(model)
            continue
        shares[owner.name].waiting += seconds
        shares[owner.name].queued_models.add(model)
    return shares, tuple(unserved)
