from __future__ import annotations

import json

import pytest

from hinode.engines.native import upscaling
from hinode.errors import ModelError
from hinode.evaluation import decoder
from hinode.settings import Settings
from hinode.training.decoder import save_decoder


@pytest.mark.usefixtures("settings")
def test_without_weights_nothing_is_measured() -> None:
    with pytest.raises(ModelError, match="no decoder"):
        decoder.evaluate_decoder()


@pytest.mark.slow
def test_the_suite_measures_an_untrained_decoder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "COST_FRAMES", 2)
    upscaling.load.cache_clear()
    save_decoder(upscaling.UpscalerNet(), upscaling.path(), {})
    result = decoder.evaluate_decoder(limit=2)
    upscaling.load.cache_clear()
    assert json.loads(json.dumps(result)) == result
    for kind in ("clean", "damaged"):
        rows = result[kind]
        # A network that has learnt nothing is a bicubic filter.
        assert rows["decoder"]["psnr"] == pytest.approx(rows["bicubic"]["psnr"], abs=0.3)
        assert rows["bicubic"]["fine, land"] < 0.7
    assert result["damaged"]["bicubic"]["psnr"] < result["clean"]["bicubic"]["psnr"]
    assert "2 scenes" in decoder.table(result)
