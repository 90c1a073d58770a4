"""Sampling of the drawing network: known pixels stay, and a run goes on from a saved state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hinode.engines.native.drawing_weights import load_pieces, save_pieces
from hinode.errors import ModelError
from hinode.model.drawing import Drawer, DrawingConfig
from hinode.model.drawing_sampler import DrawingSampler
from hinode.model.drawing_schedule import DrawingSchedule
from hinode.model.plan_tensors import PlanTensors

CONFIG = DrawingConfig(fine_width=64, width=64, depth=1, fine_in=1, fine_out=1, conditioning=64, textures=4)


def network() -> Drawer:
    torch.manual_seed(0)
    net = Drawer(CONFIG)
    torch.nn.init.normal_(net.final.weight, std=0.02)
    return net.eval()


def plan() -> PlanTensors:
    track = torch.tensor([0.1, 0.0, 0.2, 0.0, 1.0, 0.25]).expand(1, 1, 9, 6)
    kinds = torch.tensor([[3]])
    return PlanTensors(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 9, 4), kinds, kinds, track)


def run(sampler: DrawingSampler) -> torch.Tensor:
    for _ in sampler:
        pass
    return sampler.state.frames


def test_a_run_goes_on_from_a_state_with_the_same_bits_and_keeps_known_pixels() -> None:
    noise = torch.randn(1, 9, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    context = torch.full_like(noise, torch.nan)
    context[:, 0], context[..., :16] = 0.5, -0.25
    net, schedule = network(), DrawingSchedule(steps=4)
    whole = run(DrawingSampler(net, plan(), noise, schedule, context=context))
    first = DrawingSampler(net, plan(), noise, schedule, context=context)
    next(first)
    assert torch.equal(
        run(DrawingSampler(net, plan(), noise, schedule, context=context, state=first.state)), whole
    )
    fixed = ~context.isnan()
    torch.testing.assert_close(whole[fixed], context[fixed])
    assert schedule.levels()[-1] == 1.0


def test_weights_in_pieces_come_back_within_the_step_of_their_rows(tmp_path: Path) -> None:
    net, path = network(), tmp_path / "toy.safetensors"
    paths = save_pieces(path, net.state_dict(), CONFIG, {"steps": 3}, piece=200_000)
    assert len(paths) > 1
    again, facts = load_pieces(path)
    assert facts == {"steps": 3}
    for name, value in net.state_dict().items():
        step = value.flatten(1).abs().amax(1).max() / 127 if value.ndim > 1 else value.abs().max() / 1000
        torch.testing.assert_close(again.state_dict()[name], value, atol=float(step) + 1e-3, rtol=0)
    paths[-1].unlink()
    with pytest.raises(ModelError, match=r"toy.safetensors are not whole"):
        load_pieces(path)
