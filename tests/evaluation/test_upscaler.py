from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hinode.engines.native import upscaling
from hinode.errors import ModelError
from hinode.evaluation import upscaler
from hinode.settings import Settings
from hinode.training.upscaling import save_upscaler


def test_figures_are_what_their_names_say() -> None:
    clip = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    assert upscaler.psnr(clip * 0, clip * 0 + 0.1) == pytest.approx(20, abs=1e-3)
    assert upscaler.ssim(clip, clip) == pytest.approx(1)
    assert upscaler.ssim(clip, 1 - clip) < 0
    ramp = torch.arange(8.0).expand(1, 3, 8, 8) / 100
    assert torch.allclose(upscaler.slope(ramp), torch.tensor(0.01))


def test_without_weights_nothing_is_measured(settings: Settings) -> None:
    with pytest.raises(ModelError, match="no upscaler"):
        upscaler.evaluate_upscaling(model=None, settings=settings)


def test_the_suite_measures_an_untrained_upscaler(settings: Settings) -> None:
    upscaling.load.cache_clear()
    save_upscaler(upscaling.UpscalerNet(), upscaling.path(), {})
    result = upscaler.evaluate_upscaling(model=None, settings=settings, limit=2)
    upscaling.load.cache_clear()
    assert json.loads(json.dumps(result)) == result
    # A network that has learnt nothing is a bicubic filter, which is behind Lanczos on these pictures.
    for kind in ("native renders", "averaged renders"):
        assert -1.5 < result[kind]["gain_db"]["mean"] < 0
        assert result[kind]["lanczos"]["psnr"] > 25
        assert 0.3 < result[kind]["lanczos"]["edge_slope"] < 1
    assert set(result["four times"]) == {"lanczos", "once", "twice"}
    assert result["drawn"]["prompts"] == 2
    assert result["drawn"]["same_verdict_as_lanczos"] in (0, 0.5, 1)
    assert result["cost"]["upscaling_gflop"] > 0
    assert "four times" in upscaler.table(result)


def test_upscaling_can_be_switched_off() -> None:
    assert Settings(Path("x"), upscale=False).upscale is False
    assert Settings.from_environment({"HINODE_UPSCALE": "0"}).upscale is False
    assert Settings.from_environment({}).upscale is True
