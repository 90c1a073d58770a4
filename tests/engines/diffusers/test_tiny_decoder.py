"""The tiny decoder: it is the published one, it decodes drafts, and it rescues clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.diffusers.memory.budget import MemoryBudget
from hinode.engines.diffusers.memory.decoding import TINY, TINY_PROCESSOR
from hinode.engines.diffusers.memory.plan import MemoryPlan
from hinode.errors import BadInput, HinodeError, ModelError
from hinode.registry import acquisition, entries
from hinode.registry.entry import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.tiny_decoders import Layout
from tests.engines.diffusers.conftest import (
    STEPS,
    ModelHome,
    each_case,
    final_latents,
    finish,
    nearly_equal,
    network_kind,
)

WAN, WAN_2_2 = "wan2.1-t2v", "wan2.2-ti2v"

PUBLISHED = {
    # By file: its family, channels of the latents, frames that each stage makes of one, output channels.
    "taew2_1": (WAN, 16, (1, 2, 2), 3),
    "taew2_2": (WAN_2_2, 48, (1, 2, 2), 12),
    "taehv1_5": ("hunyuanvideo-1.5-t2v", 32, (1, 2, 2), 12),
    "taeltx_2": ("ltx-2", 128, (2, 2, 2), 48),
    "taecvx": ("cogvideox", 16, (1, 2, 2), 3),
}
FIRST_CASES = [(family, next(iter(FAMILIES[family].pipelines))) for family in FAMILIES]


def published_shapes(channels: int, growth: tuple[int, int, int], outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the decoder in a published file, from other code that loads it strictly."""
    first, second, third = growth
    shapes: dict[str, tuple[int, ...]] = {
        "decoder.1.weight": (256, channels, 3, 3),
        "decoder.1.bias": (256,),
        "decoder.7.conv.weight": (first * 256, 256, 1, 1),
        "decoder.8.weight": (128, 256, 3, 3),
        "decoder.13.conv.weight": (second * 128, 128, 1, 1),
        "decoder.14.weight": (64, 128, 3, 3),
        "decoder.19.conv.weight": (third * 64, 64, 1, 1),
        "decoder.20.weight": (64, 64, 3, 3),
        "decoder.22.weight": (outputs, 64, 3, 3),
        "decoder.22.bias": (outputs,),
    }
    for positions, width in (((3, 4, 5), 256), ((9, 10, 11), 128), ((15, 16, 17), 64)):
        for position in positions:
            for index, inputs in ((0, 2 * width), (2, width), (4, width)):
                shapes[f"decoder.{position}.conv.{index}.weight"] = (width, inputs, 3, 3)
                shapes[f"decoder.{position}.conv.{index}.bias"] = (width,)
    return shapes


def module_shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        decoder = TinyDecoder(layout)
    return {name: tuple(tensor.shape) for name, tensor in decoder.state_dict().items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files_are_recognised_by_their_shapes(name: str) -> None:
    family, channels, growth, outputs = PUBLISHED[name]
    shapes = published_shapes(channels, growth, outputs)
    layout = Layout.of({"encoder.0.weight": (64, outputs, 3, 3), **shapes})
    shape = FAMILIES[family].shape
    assert layout.channels == shape.channels
    assert (layout.frames, layout.side) == (shape.frames_per_latent, shape.pixels_per_latent)
    assert module_shapes(layout) == shapes


def test_the_wide_file_is_recognised_too() -> None:
    """taeltx2_3_wide: widths 1024, 512, 256, 64, and blocks of 1x1 and grouped 3x3 convolutions in turn."""
    shapes = {
        "decoder.1.weight": (1024, 128, 3, 3),
        "decoder.1.bias": (1024,),
        "decoder.8.weight": (512, 1024, 3, 3),
        "decoder.14.weight": (256, 512, 3, 3),
        "decoder.20.weight": (64, 256, 3, 3),
        "decoder.22.weight": (48, 64, 3, 3),
        "decoder.22.bias": (48,),
    }
    for positions, grow, width in (((3, 4, 5), 7, 1024), ((9, 10, 11), 13, 512), ((15, 16, 17), 19, 256)):
        shapes[f"decoder.{grow}.conv.weight"] = (2 * width, width, 1, 1)
        for position in positions:
            for index, inputs, side in ((0, 2 * width, 1), (2, 64, 3), (4, width, 1), (6, 64, 3)):
                shapes[f"decoder.{position}.conv.{index}.weight"] = (width, inputs, side, side)
                shapes[f"decoder.{position}.conv.{index}.bias"] = (width,)
    layout = Layout.of(shapes)
    assert (layout.wide, layout.frames, layout.side, layout.channels) == (True, 8, 32, 128)
    assert module_shapes(layout) == shapes


def decode_frame_by_frame(weights: dict[str, Tensor], latents: Tensor, patch: int, groups: int) -> Tensor:
    """What TAEHV does, one frame and one layer after the other; [frames, 3, H, W]."""
    queue = [(frame[None], 0) for frame in latents.unbind(1)]
    memory: dict[int, Tensor] = {}
    frames = []

    def convolve(x: Tensor, name: str) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
        count = groups if x.shape[1] != weight.shape[1] else 1
        return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=count)

    while queue:
        x, position = queue.pop(0)
        if position == 23:
            frames.append(functional.pixel_shuffle(x, patch)[0].clamp(0, 1))
            continue
        if position == 0:
            outputs = [torch.tanh(x / 3) * 3]
        elif position in (2, 21):
            outputs = [x.relu()]
        elif position in (6, 12, 18):
            outputs = [functional.interpolate(x, scale_factor=2)]
        elif position in (7, 13, 19):
            outputs = list(convolve(x, f"decoder.{position}.conv").split(x.shape[1], dim=1))
        elif position in (1, 8, 14, 20, 22):
            outputs = [convolve(x, f"decoder.{position}")]
        else:
            y = torch.cat([x, memory.get(position, x * 0)], 1)
            index = 0
            while f"decoder.{position}.conv.{index}.weight" in weights:
                y = convolve(y.relu() if index else y, f"decoder.{position}.conv.{index}")
                index += 2
            memory[position] = x
            outputs = [(y + x).relu()]
        queue = [(output, position + 1) for output in outputs] + queue
    return torch.stack(frames)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("growth", "patch"), [((1, 2, 2), 1), ((1, 2, 2), 2), ((2, 2, 2), 4)])
def test_it_decodes_as_taehv_does_however_many_frames_together(
    growth: tuple[int, int, int], patch: int, wide: bool
) -> None:
    torch.manual_seed(1)
    width = 128 if wide else 12
    tiny = TinyDecoder(Layout(5, (width, 8, 8, 6), growth, patch, wide)).eval()
    with torch.no_grad():
        for tensor in tiny.parameters():
            tensor.mul_(1.5)
    latents = 4 * torch.randn(5, 4, 3, 2)
    frames = decode_frame_by_frame(dict(tiny.state_dict()), latents, patch, 2)
    expected = frames[tiny.layout.frames - 1 :].transpose(0, 1)
    assert expected.std() > 0.02
    assert expected.shape == (3, 3 * tiny.layout.frames + 1, 3 * tiny.layout.side, 2 * tiny.layout.side)
    for together in (1, 2, 3, 4):
        assert torch.allclose(tiny.decode(latents, together=together), expected, atol=1e-5)
    assert torch.allclose(tiny.decode(latents[:, :1]), expected[:, :1], atol=1e-5)


def test_latent_frames_in_pairs_lose_no_frame_at_the_beginning() -> None:
    tiny = TinyDecoder(Layout(4, (8, 8, 8, 8), (1, 2, 2), 1), paired=True)
    assert [tiny.decode(torch.zeros(4, count, 2, 2)).shape[1] for count in (1, 2, 3, 4)] == [1, 8, 9, 16]


@pytest.mark.parametrize(("family", "mode"), each_case(by=network_kind, cases=FIRST_CASES))
def test_it_decodes_a_draft(
    models: ModelHome, decoder_file: Callable[[str], Path], family: str, mode: str
) -> None:
    models.add(family, "draft", profile="draft", decoder=str(decoder_file(family)))
    run = models.run("draft", mode, steps=2)
    assert run.plan.decode == TINY
    assert "by the tiny decoder" in run.plan.description
    clip = finish(run)
    assert clip.provenance.read_as.endswith("; decoded by the tiny decoder")
    assert clip.frames.std() > 2
    assert clip.frames.shape[0] == run.task.frames
    assert run.model.tiny is not None
    decoded = run.model.tiny.decode(final_latents(run))
    expected = np.rint(decoded.permute(1, 2, 3, 0).numpy() * 255).astype(np.uint8)[: run.task.frames]
    if family.startswith("ltx-video"):
        # These pipelines add a little noise before they decode.
        assert float(np.abs(clip.frames.astype(int) - expected).mean()) < 5
    else:
        assert nearly_equal(clip.frames, expected)


@pytest.mark.parametrize("broken", [False, True], ids=["no memory", "broken"])
def test_it_decodes_what_the_models_own_decoder_cannot(
    models: ModelHome, decoder_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    models.add(WAN, "rescued", decoder=str(decoder_file(WAN)))
    run = models.run("rescued")
    for progress in run:
        if (progress.stage, progress.done) == ("decode", 0):
            state = run.state()
    attempts = []

    def decode(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempts.append(1)
        raise RuntimeError("broken, says the test") if broken else torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(type(run.model.parts["vae"]), "decode", decode)
    clip = finish(models.engine().start(models.request("rescued"), state))
    assert len(attempts) == (1 if broken else 4)
    reason = "for the model's own decoder failed" if broken else "for want of memory"
    assert clip.provenance.read_as.endswith(f"; decoded {TINY}, {reason}")
    assert clip.frames.shape == run.clip().frames.shape
    models.add(WAN, "rescued")
    with pytest.raises(HinodeError, match="says the test" if broken else "more memory than is free"):
        finish(models.engine().start(models.request("rescued"), state))


def test_a_draft_falls_back_to_the_models_own_decoder(
    models: ModelHome, decoder_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(WAN, "draft", profile="draft", decoder=str(decoder_file(WAN)))
    decode = TinyDecoder.decode
    previews, failures = [STEPS], [1]
    error: list[RuntimeError] = [torch.OutOfMemoryError("out of memory, says the test")]

    def failing(self: TinyDecoder, latents: Tensor, *, together: int = 1) -> Tensor:
        if previews[0]:
            previews[0] -= 1
        elif failures[0]:
            failures[0] -= 1
            raise error[-1]
        return decode(self, latents, together=together)

    monkeypatch.setattr(TinyDecoder, "decode", failing)
    assert f"decoded {TINY_PROCESSOR}, for want of memory" in models.clip("draft").provenance.read_as
    previews[0], failures[0] = STEPS, 2
    assert "decoded in tiles, for want of memory" in models.clip("draft").provenance.read_as
    previews[0], failures[0] = STEPS, 2
    error.append(RuntimeError("broken, says the test"))
    assert "decoded in tiles, for the tiny decoder failed" in models.clip("draft").provenance.read_as


def test_the_memory_plan_counts_it(models: ModelHome, decoder_file: Callable[[str], Path]) -> None:
    file = decoder_file(WAN)
    needs = {}
    for name, changes in (("none", {}), ("previews", {"decoder": str(file)})):
        for profile in ("draft", "best"):
            models.add(WAN, "counted", profile=profile, **changes)
            run = models.run("counted", width=416, height=240, seconds=5.0)
            needs[name, profile] = run.model.sizes().needs(run.task, float8_storage=False)
    shapes = {name: tensor.shape for name, tensor in safetensors.torch.load_file(file).items()}
    weights = 4 * Layout.of(shapes).parameters
    for profile in ("draft", "best"):
        assert needs["previews", profile].rest - needs["none", profile].rest == weights
    assert needs["previews", "best"].decoding == needs["none", "best"].decoding
    assert needs["previews", "draft"].decoding < needs["none", "draft"].tiled
    assert needs["previews", "draft"].tiled == needs["previews", "draft"].decoding


def test_a_plan_for_a_draft_never_has_tiles(models: ModelHome, decoder_file: Callable[[str], Path]) -> None:
    models.add(WAN, "draft", profile="draft", decoder=str(decoder_file(WAN)))
    run = models.run("draft")
    sizes = run.model.sizes()
    peak = MemoryPlan.of(run.task, sizes, MemoryBudget(2**40, 2**40)).peak
    assert MemoryPlan.of(run.task, sizes, MemoryBudget(int(peak / 0.94), 2**40)).decode == TINY


def add(models: ModelHome, family: str, decoder: Path, **options: Any) -> Entry:
    source = str(models.checkpoint(family))
    entry = Entry("added", "diffusers", family, source, decoder=str(decoder), **options)
    return acquisition.add(entry, models.home)


@pytest.fixture
def _removed(models: ModelHome) -> Any:
    yield
    if "added" in entries.names(models.home):
        entries.remove("added", models.home)


@pytest.mark.usefixtures("_removed")
def test_a_decoder_that_does_not_fit_is_refused_when_it_is_added(
    models: ModelHome, tmp_path: Path, decoder_file: Callable[[str], Path]
) -> None:
    with pytest.raises(BadInput, match=r"has 48 channels, and the family wan2\.1-t2v has 16") as caught:
        add(models, WAN, decoder_file(WAN_2_2))
    assert caught.value.field == "decoder"
    file = tmp_path / "odd.safetensors"
    # Channels as in Wan 2.1, but a patch of two pixels, or another number of frames.
    for layout, message in (
        (Layout(16, (8, 8, 8, 8), (1, 2, 2), 2), "16 pixels to a side of one latent position"),
        (Layout(16, (8, 8, 8, 8), (2, 2, 2), 1), "8 frames to one of the latents"),
    ):
        safetensors.torch.save_file(TinyDecoder(layout).state_dict(), file)
        with pytest.raises(BadInput, match=message):
            add(models, WAN, file)
    weights = safetensors.torch.load_file(decoder_file(WAN))
    for damaged in (
        {name: tensor for name, tensor in weights.items() if name != "decoder.4.conv.2.bias"},
        {**weights, "decoder.23.weight": torch.zeros(1)},
        {**weights, "decoder.8.weight": torch.zeros(12, 16, 1, 1)},
        {"weight": torch.zeros(3)},
    ):
        safetensors.torch.save_file(damaged, file)
        with pytest.raises(BadInput, match=r"is no tiny decoder that can be read: its? "):
            add(models, WAN, file)
    assert "added" not in entries.names(models.home)


@pytest.mark.usefixtures("_removed")
def test_a_decoder_that_fits_is_added_verified_and_used(
    models: ModelHome, decoder_file: Callable[[str], Path]
) -> None:
    entry = add(models, WAN, decoder_file(WAN))
    assert acquisition.verify(entry, models.home).good
    assert any(progress.preview is not None for progress in models.run("added"))
    # Another file in its place, by hand.
    changed = dataclasses.replace(entry, decoder=str(decoder_file(WAN_2_2)))
    entries.save(changed, models.home)
    with pytest.raises(BadInput, match="48 channels"):
        acquisition.verify(changed, models.home)
    with pytest.raises(ModelError, match="48 channels"):
        models.run("added")


@pytest.mark.usefixtures("_removed")
def test_a_pickled_decoder_needs_permission_and_runs_no_code(
    models: ModelHome, tmp_path: Path, decoder_file: Callable[[str], Path]
) -> None:
    safe = decoder_file(WAN)
    file = tmp_path / "taew2_1.pth"
    torch.save(safetensors.torch.load_file(safe), file)
    with pytest.raises(BadInput, match="is a pickle"):
        add(models, WAN, file)
    entry = add(models, WAN, file, pickle=True)
    previews = [progress.preview for progress in models.run("added") if progress.preview is not None]
    entries.save(dataclasses.replace(entry, pickle=False), models.home)
    with pytest.raises(ModelError, match="is a pickle"):
        models.run("added")
    entries.remove("added", models.home)
    add(models, WAN, safe)
    expected = [progress.preview for progress in models.run("added") if progress.preview is not None]
    assert all(np.array_equal(*pair) for pair in zip(previews, expected, strict=True))
    entries.remove("added", models.home)

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"decoder.1.weight": Evil()}, file)
    with pytest.raises(BadInput, match="something other than named tensors"):
        add(models, WAN, file, pickle=True)
    assert not (tmp_path / "ran").exists()
