from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hinode import pipeline
from hinode.clip import Clip, Frames
from hinode.engines.native import catalog, upscaling
from hinode.engines.native.engine import NativeEngine
from hinode.engines.native.upscaling import (
    UpscaledFrames,
    UpscalerConfig,
    UpscalerNet,
    bicubic,
    enlarge,
    upscale,
)
from hinode.errors import ModelError
from hinode.request import Request
from hinode.settings import Settings
from hinode.training.decoder import save_decoder
from tests.marking import MARKING
from tests.videos import read_video, show_the_same

REQUEST = Request("a red balloon over the hills", 128, 72, seconds=1.0, seed=7)


def network(config: UpscalerConfig = UpscalerConfig()) -> UpscalerNet:  # noqa: B008 (it is frozen)
    """A network that changes what it enlarges."""
    torch.manual_seed(1)
    net = UpscalerNet(config)
    torch.nn.init.normal_(net.leave.weight, std=0.02)
    return net.eval().requires_grad_(False)


@pytest.fixture
def weights(settings: Settings) -> Iterator[Path]:
    """A file of weights where the package's own would be."""
    upscaling.load.cache_clear()
    save_decoder(network(), upscaling.path(), {})
    yield upscaling.path()
    upscaling.load.cache_clear()


def test_an_untrained_network_enlarges_bicubically(frames: Frames) -> None:
    large = enlarge(frames, UpscalerNet().eval())
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    expected = bicubic(video, 3).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert large.shape == (16, 108, 192, 3)
    assert np.abs(large - expected).max() <= 1
    # Pixels stay in their places: averaged down again, the frames are the same.
    small = large.reshape(16, 36, 3, 64, 3, 3).mean((2, 4))
    assert np.abs(small - frames).mean() < 1.5


def test_a_window_at_a_time_and_in_any_order(frames: Frames) -> None:
    net = network()
    in_order = [frame.copy() for frame in map(UpscaledFrames(frames, net, {}).__getitem__, range(16))]
    spent: dict[str, float] = {}
    large = UpscaledFrames(frames, net, spent)
    assert (len(large), large.shape) == (16, (16, 108, 192, 3))
    for index in (0, 15, 3, 3, 8):
        assert np.array_equal(large[index], in_order[index])
    assert spent["upscale"] > 0
    with pytest.raises(IndexError):
        large[16]


def test_the_number_of_threads_changes_nothing(frames: Frames) -> None:
    threads, net = torch.get_num_threads(), network()
    try:
        torch.set_num_threads(1)
        expected = enlarge(frames, net)
        torch.set_num_threads(2)
        assert np.array_equal(enlarge(frames, net), expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("weights")
def test_frames_are_enlarged_once_if_the_size_needs_it(frames: Frames) -> None:
    assert upscale(frames, (64, 36)) is frames
    assert upscale(frames, (32, 36)) is frames
    large = upscale(frames, (65, 36))
    assert large.shape == (16, 108, 192, 3)
    assert upscale(frames, (32, 72)).shape == large.shape  # cropped, the height counts
    assert upscale(frames, (640, 360)).shape == large.shape  # never twice
    # What it draws is the bicubic enlargement and a little more, in the same place.
    small = large[3].reshape(36, 3, 64, 3, 3).mean((1, 3))
    assert 0 < np.abs(small - frames[3]).mean() < 12
    odd = upscale(frames[:, :35, :63], (640, 360))
    assert odd.shape == (16, 105, 189, 3)
    assert np.abs(odd[0][:90, :170].astype(int) - enlarge(frames[:1], network())[0][:90, :170]).mean() < 4


def test_without_weights_nothing_is_enlarged(settings: Settings, frames: Frames) -> None:
    assert not upscaling.available()
    assert upscale(frames, (640, 360)) is frames


@pytest.mark.usefixtures("weights")
def test_the_upscaler_is_no_model(settings: Settings) -> None:
    assert list(catalog.installed(settings.home / "models")) == ["toy"]


def test_damaged_weights_are_found_before_anything_is_drawn(settings: Settings, weights: Path) -> None:
    weights.write_bytes(b"half a file")
    stages = []
    with pytest.raises(ModelError, match="decoder's weights") as caught:
        for progress in NativeEngine(settings).start(REQUEST):
            stages.append(progress.stage)
    assert stages == ["load"]
    assert "HINODE_UPSCALE=0" in caught.value.remedy


def generate(settings: Settings, path: Path, request: Request = REQUEST) -> pipeline.Result:
    return pipeline.generate(request, NativeEngine(settings), path, "mp4", marking=MARKING)


def test_a_setting_turns_it_off(settings: Settings, tmp_path: Path) -> None:
    upscaling.load.cache_clear()
    bare = generate(settings, tmp_path / "bare.mp4")
    save_decoder(network(), upscaling.path(), {})
    result, again = (generate(settings, tmp_path / name) for name in ("a.mp4", "b.mp4"))
    off = generate(dataclasses.replace(settings, upscale=False), tmp_path / "off.mp4")
    upscaling.load.cache_clear()
    assert show_the_same(result.path, again.path)
    assert show_the_same(off.path, bare.path)
    assert not show_the_same(off.path, result.path)
    stages = ["load", "plan", "sample", "sound", "upscale", "encode", "sign"]
    assert list(result.provenance.stage_seconds) == stages
    assert "upscale" not in off.provenance.stage_seconds
    assert (result.provenance.native_size, result.size) == ((64, 32), (128, 72))
    comment = read_video(result.path).metadata["comment"]
    assert "drawn at 64x32, enlarged by a network and resized to 128x72" in comment
    assert "network" not in read_video(off.path).metadata["comment"]


@pytest.mark.usefixtures("weights")
def test_pictures_of_a_clip_are_enlarged_too(clip: Clip, tmp_path: Path) -> None:
    request = Request("x", 640, 360, seconds=2.0)
    paths = []
    for name in ("", upscaling.NAME):
        still = Clip(clip.frames, clip.fps, dataclasses.replace(clip.provenance, upscaler=name))
        paths.append((tmp_path / f"thumbnail{name}", tmp_path / f"sheet{name}"))
        pipeline.write_stills(request, still, *paths[-1], marking=MARKING)
    for before, after in zip(*paths, strict=True):
        assert before.read_bytes() != after.read_bytes()
