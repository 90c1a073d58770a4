"""What a decoder takes is counted on meta tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from hinode.engines.diffusers.memory import allocator, footprint
from hinode.engines.diffusers.memory.footprint import LiveBytes
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.conftest import ModelHome
from tests.engines.diffusers.tiny_models import TINY_MODELS

KILO = 250
"""Numbers of four bytes in a thousand bytes."""
QUICK = ("wan2.1-t2v", "ltx-video")


def test_freed_memory_is_not_counted() -> None:
    with LiveBytes() as live:
        first = torch.zeros(KILO, device="meta")
        second = first + 1
        assert live.peak == 2000
        del first
        third = second.view(5, -1)  # the same memory
        assert live.peak == 2000
        fourth = third * 2
        del second, third, fourth
        assert live.peak == 2000
        torch.zeros(3 * KILO, device="meta")
    assert live.peak == 3000


def test_a_convolution_needs_its_inputs_and_outputs_once_more() -> None:
    layer = nn.Conv3d(1, 2, 1, device="meta")
    x = torch.zeros((1, 1, 1, 1, KILO), device="meta")
    with torch.no_grad(), LiveBytes() as live:
        layer(x)
    assert live.peak == 2000 + (1000 + 2000)


ONE_THREAD = """
import os, threading
from pathlib import Path
from hinode.engines.diffusers.memory import allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def work():
    before = resident()
    small_blocks = [bytearray(1)]
    # Full blocks, because some kernels take back pages of zeros; a small block between them keeps the end of
    # a heap where it is.
    for _ in range(60):
        block = bytearray(b"x") * (3 * allocator.LARGE)
        small_blocks.append(bytearray(1000))
        del block
    blocks = [bytearray(b"x") * (3 * allocator.LARGE) for _ in range(20)]
    peak = resident() - before
    del blocks
    print(peak, resident() - before)

if allocator.return_large_blocks():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
"""In a process of its own, so that memory of other tests does not change the count."""


def test_a_thread_returns_its_memory() -> None:
    result = subprocess.run([sys.executable, "-c", ONE_THREAD], capture_output=True, text=True, check=True)
    if not result.stdout:
        pytest.skip("this C library has no such setting")
    peak, remaining = map(int, result.stdout.split())
    assert peak > 50 * allocator.LARGE
    assert remaining < 6 * allocator.LARGE


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TINY_MODELS],
)
def test_the_prediction_holds_for_other_clips_than_the_probes(models: ModelHome, family: str) -> None:
    models.add(family)
    run = models.run(family, next(iter(FAMILIES[family].pipelines)))
    decoder = run.model.checkpoint.empty_part("vae")
    prediction = run.model.sizes().decoder
    channels = int(decoder.config.get("z_dim") or decoder.config.latent_channels)
    side = 12
    area = (side * FAMILIES[family].shape.pixels_per_latent) ** 2
    for frames in (6, 11):
        counted = footprint.peak_bytes(decoder, channels, frames, side)
        assert abs(prediction.bytes(frames, area) / counted - 1) < 0.05
    assert run.model.parts == {}
