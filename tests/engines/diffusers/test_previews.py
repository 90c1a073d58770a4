"""Previews: they show what the clip will look like, and change nothing in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hinode.engines import saved_state
from hinode.engines.diffusers.execution.previews import MAX_PREVIEWS, estimate_clean_latents
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.protocol import State
from tests.engines.diffusers.conftest import (
    STEPS,
    ModelHome,
    each_case,
    final_latents,
    finish,
    input_kind,
    nearly_equal,
)

WAN, LTX_2 = "wan2.1-t2v", "ltx-2"


def step_state(state: State) -> bytes:
    """A saved state without the seconds that it took."""
    return saved_state.dump(saved_state.load(state.body)["values"]["step_state"])


@pytest.mark.parametrize(("family", "mode"), each_case(by=input_kind))
def test_previews_change_no_frame_and_no_state(
    models: ModelHome, decoder_file: Callable[[str], Path], family: str, mode: str
) -> None:
    models.add(family, "previewed")
    without = models.run("previewed", mode)
    states, previews = {}, {}
    for progress in without:
        assert progress.preview is None
        if progress.stage == "sample":
            states[progress.done] = without.state()
    models.add(family, "previewed", decoder=str(decoder_file(family)))
    run = models.run("previewed", mode)
    for progress in run:
        if progress.preview is not None:
            previews[progress.stage, progress.done] = progress.preview
            assert step_state(run.state()) == step_state(states[progress.done])
    assert list(previews) == [("sample", step) for step in range(1, STEPS + 1)]
    width, height = run.task.size
    for preview in previews.values():
        assert (preview.shape, preview.dtype) == ((height, width, 3), np.uint8)
    assert np.array_equal(run.clip().frames, without.clip().frames)
    # The estimate of the last step is what it reaches.
    latents = final_latents(run)
    middle = latents.shape[1] // 2
    assert run.model.tiny is not None
    decoded = run.model.tiny.decode(latents[:, max(0, middle - 1) : middle + 1])[:, -1]
    expected = np.rint(decoded.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    last = previews["sample", STEPS]
    if mode in ("remix", "edit"):
        # Where noise was added to a source, the last step of the schedule leaves a little of it.
        assert np.corrcoef(last.ravel(), expected.ravel())[0, 1] > 0.8
    else:
        assert nearly_equal(last, expected)


def test_a_resumed_run_has_the_same_previews(models: ModelHome, decoder_file: Callable[[str], Path]) -> None:
    models.add(LTX_2, "previewed", decoder=str(decoder_file(LTX_2)))
    run = models.run("previewed")
    previews, states = {}, {}
    for progress in run:
        if progress.preview is not None:
            previews[progress.done], states[progress.done] = progress.preview, run.state()
    models.add(LTX_2, "previewed")
    without = finish(models.engine().start(models.request("previewed"), states[2]))
    assert np.array_equal(without.frames, run.clip().frames)
    models.add(LTX_2, "previewed", decoder=str(decoder_file(LTX_2)))
    resumed = models.engine().start(models.request("previewed"), states[2])
    later = {progress.done: progress.preview for progress in resumed if progress.preview is not None}
    assert list(later) == list(range(3, STEPS + 1))
    assert all(np.array_equal(later[step], previews[step]) for step in later)


def flow(x: Tensor, noise: Tensor, scheduler: Any, step: int) -> tuple[Tensor, Tensor]:
    """The latents of rectified flow before a step, and the perfect output of its denoiser."""
    sigma = scheduler.sigmas[step]
    return (1 - sigma) * x + sigma * noise, noise - x


def diffusion(x: Tensor, noise: Tensor, scheduler: Any, step: int) -> tuple[Tensor, Tensor]:
    """The same for diffusion whose denoiser predicts v."""
    alpha = scheduler.alphas_cumprod[scheduler.timesteps[step]]
    return alpha**0.5 * x + (1 - alpha) ** 0.5 * noise, alpha**0.5 * noise - (1 - alpha) ** 0.5 * x


FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the library's own
@pytest.mark.parametrize(
    ("kind", "config", "process"),
    [
        ("FlowMatchEulerDiscreteScheduler", {"shift": 5.0}, flow),
        ("UniPCMultistepScheduler", FLOW, flow),
        ("DPMSolverMultistepScheduler", FLOW, flow),
        ("CogVideoXDDIMScheduler", {"prediction_type": "v_prediction"}, diffusion),
        ("CogVideoXDPMScheduler", {"prediction_type": "v_prediction"}, diffusion),
    ],
)
def test_the_estimate_of_a_perfect_denoiser_is_exact(kind: str, config: dict[str, Any], process: Any) -> None:
    import diffusers

    torch.manual_seed(3)
    x, noise = torch.randn(2, 1, 4, 3, 2, 2)
    scheduler = getattr(diffusers, kind)(**config)
    scheduler.set_timesteps(5)
    for step, time in enumerate(scheduler.timesteps):
        latents, output = process(x, noise, scheduler, step)
        args: tuple[Any, ...] = (output, time, latents)
        if kind == "CogVideoXDPMScheduler":
            args = (output, None, time, scheduler.timesteps[step - 1] if step else None, latents)
        result = scheduler.step(*args, return_dict=False)
        assert torch.allclose(estimate_clean_latents(scheduler, args, result, {}), x, atol=1e-3)


def test_previews_are_few(models: ModelHome, decoder_file: Callable[[str], Path]) -> None:
    models.add(WAN, "previewed", decoder=str(decoder_file(WAN)))
    run = models.run("previewed", steps=20)
    steps = [progress.done for progress in run if progress.preview is not None]
    assert len(steps) == MAX_PREVIEWS
    assert steps[-1] == 20


def test_a_preview_that_fails_is_left_out(
    models: ModelHome, decoder_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(WAN, "previewed")
    without = models.clip("previewed")
    models.add(WAN, "previewed", decoder=str(decoder_file(WAN)))

    def decode(self: TinyDecoder, latents: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory, says the test")

    monkeypatch.setattr(TinyDecoder, "decode", decode)
    run = models.run("previewed")
    previews = [progress.preview for progress in run if progress.stage == "sample"]
    assert previews == [None] * (STEPS + 1)
    assert np.array_equal(run.clip().frames, without.frames)
