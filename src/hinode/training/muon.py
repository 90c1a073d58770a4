"""Muon: steps of equal size in all directions of a matrix (https://kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def orthogonalize(matrix: Tensor, group: dict[str, Any]) -> Tensor:
    """The nearest orthogonal matrix, roughly, by Newton-Schulz iteration in the number type of the matrix;
    `group`: of `Muon.param_groups`."""
    a, b, c = group["ns_coefficients"]
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Muon):
    """`torch.optim.Muon` in a number type of our choice.

    Torch's own always iterates in bfloat16. A processor that cannot multiply it emulates it many times slower
    than float32, and most of a training step is then spent there.
    """

    def __init__(
        self, matrices: list[nn.Parameter], *, lr: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of all matrices that have a gradient."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            updates = []
            for matrix in matrices:
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                gradient, momentum = matrix.grad, state["momentum_buffer"]
                momentum.lerp_(gradient, 1 - group["momentum"])
                updates.append(gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum)
            for matrix, update in zip(matrices, updates, strict=True):
                step = orthogonalize(update.to(self.dtype), group)
                size = group["lr"] * 0.2 * math.sqrt(max(matrix.shape))  # adjust_lr_fn
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-size)
