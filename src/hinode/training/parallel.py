"""Training by several processes, as `torchrun` starts them: each trains on clips of its own, and the mean of
their gradients is that of one batch as large as all of theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hinode.errors import BadInput


@dataclass(frozen=True)
class Team:
    """The processes of a run. The main one writes and decides."""

    rank: int = 0  # of this process; 0 is the main one
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the main one."""
        return self.rank == 0

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes, in a single exchange. A parameter that has
        none in this process counts as zero: a process may see no subjects in its clips."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients: list[Tensor] = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(total)
        parts = torch.split(total / self.size, [gradient.numel() for gradient in gradients])
        means = [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
        torch._foreach_copy_(gradients, means)

    def agree(self, elapsed: float, stop: bool) -> tuple[float, bool]:
        """The main process's clock, and whether any process has to stop."""
        if self.size == 1:
            return elapsed, stop
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        values = torch.tensor((elapsed if self.is_main else 0.0, stop), dtype=torch.float64, device=device)
        dist.all_reduce(values)
        clock, stops = values.tolist()
        return clock, stops > 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join_team(device: torch.device) -> Iterator[Team]:
    """The team that the environment says this process belongs to; a team of one without `torchrun`. BadInput
    for more processes than GPUs."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    if device.type == "cuda":
        rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= gpus:
            message = f"this machine has {gpus} GPUs for {os.environ['LOCAL_WORLD_SIZE']} processes"
            raise BadInput(message, f"start {gpus} or fewer on it", field="nproc-per-node")
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
