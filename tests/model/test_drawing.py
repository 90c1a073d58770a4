"""The drawing network: shapes, the plan aligned with the picture, subjects where they are planned."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from hinode.model.details import FROM, DetailPixels
from hinode.model.drawing import Drawer, DrawingConfig
from hinode.model.land import CHANNELS, HIDDEN, SHEET, SILENT, STARS, UPPER, WEATHER, hush
from hinode.model.plan_tensors import PlanTensors, own_coordinates

SMALL = DrawingConfig(fine_width=64, width=64, depth=1, fine_in=1, fine_out=1, conditioning=64)
VARIANTS = {
    "frames": {},
    "packed": {"pack": 4, "patch": 8},
    "levels": {"below": 32},
    "textures": {"textures": 4, "texture_side": 16, "overlap": 2},
    "land": {"land": True},
    "unplanned": {"planned": False},
}


def plans(count: int, frames: int, x: float = 0.2, facing: float = 1.0) -> PlanTensors:
    """Plans with one subject on the right and two empty slots."""
    track = torch.tensor([x, 0.0, 0.2, 0.0, facing, 0.25]).expand(count, 3, frames, 6)
    kinds = torch.tensor([[3, -1, -1]]).repeat(count, 1)
    return PlanTensors(
        torch.zeros(count, 4, dtype=torch.long), torch.zeros(count, frames, 4), kinds, kinds, track
    )


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("frames", [1, 17])
def test_every_variant_predicts_frames_of_the_shape_it_is_shown(name: str, frames: int) -> None:
    torch.manual_seed(0)
    net = Drawer(DrawingConfig(**{**SMALL.__dict__, **VARIANTS[name]}))  # type: ignore[arg-type]
    z = torch.randn(2, frames, 3, 32, 64)
    out = net(z, torch.full((2, 1 + (frames - 1) // 8), 0.3), plans(2, frames))
    assert out.shape == z.shape
    assert bool(out.isfinite().all())
    out.square().mean().backward()
    unused = [n for n, p in net.named_parameters() if p.grad is None]
    planless = ("kind", "color", "hint", "facts", "pixels", "land.texture", "land.tint", "land.look")
    assert all(n.startswith(planless) for n in unused), unused


def test_own_coordinates_turn_and_mirror_with_the_subject() -> None:
    at = torch.tensor([0.3])
    cases = ((0.0, 1.0), (1.0, 0.5)), ((0.0, -1.0), (-1.0, 0.5)), ((torch.pi / 2, 1.0), (0.5, -1.0))
    for (tilt, facing), expected in cases:
        track = (0.1, 0.0, 0.2, tilt, facing, 0.0)
        u, v = own_coordinates(torch.tensor(track), at, torch.tensor([0.1]))
        torch.testing.assert_close(torch.stack((u, v)).flatten(), torch.tensor(expected), atol=1e-5, rtol=0)


def test_textures_paint_only_where_the_plan_has_a_subject() -> None:
    torch.manual_seed(1)
    net = Drawer(DrawingConfig(**{**SMALL.__dict__, **VARIANTS["textures"]}))  # type: ignore[arg-type]
    torch.nn.init.normal_(net.pixels.out.weight)
    clean, noisy = torch.zeros(1, 1, 3, 32, 64), torch.randn(1, 1, 4, 32, 64)
    tokens = torch.randn(1, 1, 2, 4, 64)
    plan = plans(1, 1, x=0.5)
    painted = net.pixels(clean, noisy, tokens, plan, net.color)[0, 0].abs().sum(0) > 0
    columns = painted.any(0).nonzero().flatten()
    assert int(columns.min()) >= 38
    assert int(columns.max()) <= 57
    none = PlanTensors(plan.facts, plan.camera, plan.kinds.fill_(-1), plan.colors, plan.tracks)
    assert not net.pixels(clean, noisy, tokens, none, net.color).any()


def test_a_mirrored_plan_is_the_plan_of_the_mirrored_picture() -> None:
    plan = plans(1, 1)
    x, y = torch.linspace(-1, 1, 9), torch.linspace(-0.5, 0.5, 5)
    u, v = own_coordinates(plan.tracks, x, y)
    mirrored_u, mirrored_v = own_coordinates(plan.mirrored().tracks, x, y)
    torch.testing.assert_close(mirrored_u.flip(-1), u)
    torch.testing.assert_close(mirrored_v.flip(-1), v)


def test_a_plan_without_land_is_one_that_does_not_say_it() -> None:
    torch.manual_seed(1)
    network = Drawer(dataclasses.replace(SMALL, land=True)).eval()
    for part in (network.final.weight, network.land.out.weight, network.land_hint.join.weight):
        torch.nn.init.normal_(part, std=0.05)
    plan, z, t = plans(1, 9), torch.randn(1, 9, 3, 32, 64), torch.full((1, 2), 0.3)
    unsaid = torch.zeros(1, 9, CHANNELS, 32, 64, dtype=torch.uint8)
    unsaid[:, :, SHEET] = SILENT
    layout = unsaid.clone()
    layout[:, :, SHEET, 16:] = 9
    layout[:, :, UPPER, :8, :8] = 3
    with torch.no_grad():
        frames = [network(z, t, dataclasses.replace(plan, land=land)) for land in (None, unsaid, layout)]
    torch.testing.assert_close(frames[0], frames[1])
    assert (frames[2] - frames[1])[..., 20:, :].abs().mean() > 1e-3
    assert dataclasses.replace(plan, land=layout).mirrored().mirrored().land.equal(layout)


def test_the_land_hides_the_subject_that_the_layout_names() -> None:
    torch.manual_seed(1)
    network = Drawer(dataclasses.replace(SMALL, textures=4, texture_side=16, land=True)).eval()
    torch.nn.init.normal_(network.pixels.out.weight, std=0.5)
    plan, z, t = plans(1, 9), torch.randn(1, 9, 3, 32, 64), torch.full((1, 2), 0.3)
    layout = torch.zeros(1, 9, CHANNELS, 32, 64, dtype=torch.uint8)
    with torch.no_grad():
        whole, hidden, other = (
            network(z, t, dataclasses.replace(plan, land=layout.index_fill(2, torch.tensor([HIDDEN]), bits)))
            for bits in (0, 1, 2)
        )
    assert not torch.allclose(whole, hidden)
    torch.testing.assert_close(whole, other)  # the second bit is of another subject
    network.config = dataclasses.replace(network.config, textures=0)  # no subject is laid over
    with torch.no_grad():
        torch.testing.assert_close(network(z, t, dataclasses.replace(plan, land=layout)), hidden)


def test_stars_and_weather_are_laid_over_the_pixels_that_the_layout_names() -> None:
    network = Drawer(dataclasses.replace(SMALL, land=True, specks=True)).eval()
    plan, z, t = plans(1, 9), torch.randn(1, 9, 3, 32, 64), torch.full((1, 2), 0.3)
    layout = torch.zeros(1, 9, CHANNELS, 32, 64, dtype=torch.uint8)
    layout[:, :, STARS, 4, 5] = layout[:, :, WEATHER, 20, 30] = 255
    with torch.no_grad():
        frames = network(z, t, dataclasses.replace(plan, land=layout))
        quiet = network(z, t, dataclasses.replace(plan, land=hush(layout)))
    places = (frames[0, 0].mean(0) > 0.5).nonzero().tolist()
    assert places == [[4, 5], [20, 30]]  # white before anything is learnt
    torch.testing.assert_close(frames[..., 20, 30], quiet[..., 20, 30])


def test_details_change_nothing_before_they_are_learnt_and_nothing_at_high_noise() -> None:
    torch.manual_seed(1)
    network = Drawer(dataclasses.replace(SMALL, details=8)).eval()
    plain = Drawer(SMALL).eval()
    torch.nn.init.normal_(network.final.weight, std=0.05)
    plain.load_state_dict(network.state_dict(), strict=False)
    plan, z = plans(1, 9), torch.randn(1, 9, 3, 32, 64)
    low, high = torch.full((1, 2), FROM - 0.1), torch.full((1, 2), FROM + 0.3)
    with torch.no_grad():
        torch.testing.assert_close(network(z, high, plan), plain(z, high, plan))
        torch.nn.init.normal_(network.details.leave.kernel.weight, std=0.05)
        torch.testing.assert_close(network(z, low, plan), plain(z, low, plan))
        assert (network(z, high, plan) - plain(z, high, plan)).abs().mean() > 1e-3


def test_details_are_scaled_by_the_noise() -> None:
    torch.manual_seed(2)
    part = DetailPixels(64, 8, noise_scale=1.5)
    torch.nn.init.normal_(part.leave.kernel.weight, std=0.05)
    clean, seen, tokens = (
        torch.zeros(1, 1, 3, 32, 32),
        torch.zeros(1, 1, 4, 32, 32),
        torch.zeros(1, 1, 2, 2, 64),
    )
    noise = torch.randn(1, 1, 3, 32, 32)
    sizes = []
    for level in (0.5, 0.9, 0.99):
        seen[:, :, :3] = 1.5 * (1 - level) * noise
        with torch.no_grad():
            sizes.append(float(part(clean, seen, torch.full((1, 1), level), tokens).std()))
    # The noise itself is 1.5, 0.17 and 0.015: what is written is worth less where there is more of it.
    assert sizes[0] < 0.1
    assert sizes[0] < sizes[1] < 0.3
