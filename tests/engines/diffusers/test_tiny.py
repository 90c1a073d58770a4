"""The tiny decoder: that it is the published one, what it is used for, and that it changes nothing else."""

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

from hinode.clip import Frames
from hinode.engines import saved_state
from hinode.engines.diffusers.execution.decode import TINY, TINY_PROCESSOR
from hinode.engines.diffusers.execution.previews import MAX_SIDE, heading
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.diffusers.memory.plan import MemoryBudget, MemoryPlan
from hinode.engines.diffusers.run import DiffusersRun
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import State
from hinode.errors import BadInput, ModelError
from hinode.registry import acquisition, entries
from hinode.registry.families import FAMILIES
from hinode.registry.tiny_decoders import Layout
from tests.engines.diffusers import twins
from tests.engines.diffusers.conftest import STEPS, Shelf, drawn
from tests.engines.diffusers.test_every_family import EVERY

WAN, WAN22, HUNYUAN, LTX2, COGVIDEOX = (
    "wan2.1-t2v",
    "wan2.2-ti2v",
    "hunyuanvideo-1.5-t2v",
    "ltx-2",
    "cogvideox",
)

PUBLISHED = {
    # file: the family it is for; channels of the latents; frames that each stage makes; colours out
    "taew2_1": (WAN, 16, (1, 2, 2), 3),
    "taew2_2": (WAN22, 48, (1, 2, 2), 12),
    "taehv1_5": (HUNYUAN, 32, (1, 2, 2), 12),
    "taeltx_2": (LTX2, 128, (2, 2, 2), 48),
    "taecvx": (COGVIDEOX, 16, (1, 2, 2), 3),
}


def published(channels: int, growth: tuple[int, int, int], colours: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the decoder in a published file, written down from others who load it strictly."""
    first, second, third = growth
    made: dict[str, tuple[int, ...]] = {
        "decoder.1.weight": (256, channels, 3, 3),
        "decoder.1.bias": (256,),
        "decoder.7.conv.weight": (first * 256, 256, 1, 1),
        "decoder.8.weight": (128, 256, 3, 3),
        "decoder.13.conv.weight": (second * 128, 128, 1, 1),
        "decoder.14.weight": (64, 128, 3, 3),
        "decoder.19.conv.weight": (third * 64, 64, 1, 1),
        "decoder.20.weight": (64, 64, 3, 3),
        "decoder.22.weight": (colours, 64, 3, 3),
        "decoder.22.bias": (colours,),
    }
    for places, width in (((3, 4, 5), 256), ((9, 10, 11), 128), ((15, 16, 17), 64)):
        for place in places:
            for inner, seen in ((0, 2 * width), (2, width), (4, width)):
                made[f"decoder.{place}.conv.{inner}.weight"] = (width, seen, 3, 3)
                made[f"decoder.{place}.conv.{inner}.bias"] = (width,)
    return made


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files_are_known_by_their_shapes(name: str) -> None:
    family, channels, growth, colours = PUBLISHED[name]
    shapes = published(channels, growth, colours)
    layout = Layout.of({"encoder.0.weight": (64, colours, 3, 3), **shapes})
    shape = FAMILIES[family].shape
    assert (layout.channels, (layout.frames, layout.side)) == (shape.channels, shape.compression)
    with torch.device("meta"):
        tiny = TinyDecoder(layout)
    assert {key: tuple(tensor.shape) for key, tensor in tiny.state_dict().items()} == shapes


def test_the_wide_file_is_known_too() -> None:
    """taeltx2_3_wide: widths 1024, 512, 256, 64, and blocks of 1x1 and grouped 3x3 convolutions in turn."""
    shapes = {
        name: shape for name, shape in published(128, (2, 2, 2), 48).items() if ".conv.weight" not in name
    }
    shapes = {name: shape for name, shape in shapes.items() if int(name.split(".")[1]) in (1, 8, 14, 20, 22)}
    shapes |= {
        "decoder.1.weight": (1024, 128, 3, 3),
        "decoder.1.bias": (1024,),
        "decoder.8.weight": (512, 1024, 3, 3),
        "decoder.14.weight": (256, 512, 3, 3),
        "decoder.20.weight": (64, 256, 3, 3),
    }
    for places, grow, width in (((3, 4, 5), 7, 1024), ((9, 10, 11), 13, 512), ((15, 16, 17), 19, 256)):
        shapes[f"decoder.{grow}.conv.weight"] = (2 * width, width, 1, 1)
        for place in places:
            for inner, seen, side in ((0, 2 * width, 1), (2, 64, 3), (4, width, 1), (6, 64, 3)):
                shapes[f"decoder.{place}.conv.{inner}.weight"] = (width, seen, side, side)
                shapes[f"decoder.{place}.conv.{inner}.bias"] = (width,)
    layout = Layout.of(shapes)
    assert (layout.wide, layout.frames, layout.side, layout.channels) == (True, 8, 32, 128)
    with torch.device("meta"):
        assert {
            key: tuple(tensor.shape) for key, tensor in TinyDecoder(layout).state_dict().items()
        } == shapes


def by_hand(weights: dict[str, Tensor], latents: Tensor, patch: int, groups: int) -> Tensor:
    """What TAEHV does, one frame after the other and one layer after the other; [frames, 3, H, W]."""
    queue = [(frame[None], 0) for frame in latents.unbind(1)]
    memory: dict[int, Tensor] = {}
    made = []

    def convolve(x: Tensor, name: str) -> Tensor:
        weight = weights[f"{name}.weight"]
        many = groups if x.shape[1] != weight.shape[1] else 1
        return functional.conv2d(
            x, weight, weights.get(f"{name}.bias"), padding=weight.shape[-1] // 2, groups=many
        )

    while queue:
        x, place = queue.pop(0)
        if place == 23:
            made.append(functional.pixel_shuffle(x, patch)[0].clamp(0, 1))
            continue
        after = [x]
        if place == 0:
            after = [torch.tanh(x / 3) * 3]
        elif place in (2, 21):
            after = [x.relu()]
        elif place in (6, 12, 18):
            after = [functional.interpolate(x, scale_factor=2)]
        elif place in (7, 13, 19):
            grown = convolve(x, f"decoder.{place}.conv")
            after = list(grown.split(x.shape[1], dim=1))
        elif place in (1, 8, 14, 20, 22):
            after = [convolve(x, f"decoder.{place}")]
        else:
            y = torch.cat([x, memory.get(place, x * 0)], 1)
            inner = 0
            while f"decoder.{place}.conv.{inner}.weight" in weights:
                y = convolve(y.relu() if inner else y, f"decoder.{place}.conv.{inner}")
                inner += 2
            memory[place] = x
            after = [(y + x).relu()]
        queue = [(one, place + 1) for one in after] + queue
    return torch.stack(made)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("growth", "patch"), [((1, 2, 2), 1), ((1, 2, 2), 2), ((2, 2, 2), 4)])
def test_decodes_as_taehv_does_however_many_frames_together(
    growth: tuple[int, int, int], patch: int, wide: bool
) -> None:
    torch.manual_seed(1)
    width = 128 if wide else 12
    tiny = TinyDecoder(Layout(5, (width, 8, 8, 6), growth, patch, wide)).eval()
    with torch.no_grad():
        for tensor in tiny.parameters():
            tensor.mul_(1.5)
    latents = 4 * torch.randn(5, 4, 3, 2)
    expected = by_hand(dict(tiny.state_dict()), latents, patch, 2)[tiny.layout.frames - 1 :].transpose(0, 1)
    assert expected.std() > 0.02
    assert expected.shape == (3, 3 * tiny.layout.frames + 1, 3 * tiny.layout.side, 2 * tiny.layout.side)
    for together in (1, 2, 3, 4):
        assert torch.allclose(tiny.decode(latents, together=together), expected, atol=1e-5)
    assert torch.allclose(tiny.decode(latents[:, :1]), expected[:, :1], atol=1e-5)


def test_latent_frames_in_pairs_lose_no_frame_at_the_beginning() -> None:
    tiny = TinyDecoder(Layout(4, (8, 8, 8, 8), (1, 2, 2), 1), paired=True)
    assert [tiny.decode(torch.zeros(4, count, 2, 2)).shape[1] for count in (1, 2, 3, 4)] == [1, 8, 9, 16]


@pytest.fixture
def tiny_file(shelf: Shelf, tmp_path: Path) -> Callable[[str], Path]:
    def write(family: str) -> Path:
        return twins.write_tiny(family, shelf.twin(family), tmp_path / f"{family}.safetensors")

    return write


def latents(run: DiffusersRun) -> Tensor:
    """The clean latents that a finished run drew, [C, T, h, w]."""
    assert run._call is not None
    assert run._call.steps is not None
    assert run._call.steps.kept is not None
    found = run._call.steps.kept.answers[0][0][0]
    frames = run.task.latent_frames
    if found.ndim == 2:
        side = run.task.family.shape.compression[1]
        height, width = run.task.size[1] // side, run.task.size[0] // side
        return found[-frames * height * width :].reshape(frames, height, width, -1).permute(3, 0, 1, 2)
    found = found.transpose(0, 1) if run.task.family.name.startswith("cogvideox") else found
    return found[:, -frames:]


def kept(state: State) -> bytes:
    """What is in a state but for the seconds that it took."""
    return saved_state.dump(saved_state.load(state.body)["kept"])


def alike(one: Frames, other: Frames) -> bool:
    """Whether two pictures are one but for latents that were rounded to bfloat16 on the way."""
    apart = np.abs(one.astype(int) - other)
    return one.shape == other.shape and float(apart.mean()) < 0.5 and int(apart.max()) <= 16


@pytest.mark.parametrize("family", twins.TWINS)
def test_a_draft_is_decoded_by_it(shelf: Shelf, tiny_file: Callable[[str], Path], family: str) -> None:
    role = next(iter(FAMILIES[family].pipelines))
    shelf.add(family, "quick", profile="draft", decoder=str(tiny_file(family)))
    run = shelf.run("quick", role, steps=2)
    assert run.plan.decode == TINY
    assert "by the tiny decoder" in run.plan.words
    clip = drawn(run)
    assert clip.provenance.read_as.endswith("; decoded by the tiny decoder")
    assert clip.frames.std() > 2
    assert clip.frames.shape[0] == run.task.frames
    drawn_by_it = run.model.tiny.decode(latents(run))  # type: ignore[union-attr]
    expected = np.rint(drawn_by_it.permute(1, 2, 3, 0).numpy() * 255).astype(np.uint8)[: run.task.frames]
    if family.startswith("ltx-video"):
        # Their pipelines add a little noise before they decode.
        assert float(np.abs(clip.frames.astype(int) - expected).mean()) < 5
    else:
        assert alike(clip.frames, expected)


@EVERY
def test_previews_change_no_frame_and_no_state(
    shelf: Shelf, tiny_file: Callable[[str], Path], family: str, role: str
) -> None:
    shelf.add(family, "seen")
    plain = shelf.run("seen", role)
    states, shown = {}, {}
    for progress in plain:
        assert progress.preview is None
        if progress.stage == "sample":
            states[progress.done] = plain.state()
    shelf.add(family, "seen", decoder=str(tiny_file(family)))
    run = shelf.run("seen", role)
    for progress in run:
        if progress.preview is not None:
            shown[progress.stage, progress.done] = progress.preview
            assert kept(run.state()) == kept(states[progress.done])
    assert list(shown) == [("sample", step) for step in range(1, STEPS + 1)]
    width, height = run.task.size
    for picture in shown.values():
        assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8)
    assert np.array_equal(run.clip().frames, plain.clip().frames)
    # The last step heads for what it reaches.
    final = latents(run)
    middle = final.shape[1] // 2
    decoded = run.model.tiny.decode(final[:, max(0, middle - 1) : middle + 1])[:, -1]  # type: ignore[union-attr]
    expected = np.rint(decoded.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    if role in ("remix", "edit"):
        # Where a source is drawn over, the last step of the schedule leaves a little noise.
        assert np.corrcoef(shown["sample", STEPS].ravel(), expected.ravel())[0, 1] > 0.8
    else:
        assert alike(shown["sample", STEPS], expected)


def test_a_run_that_goes_on_shows_the_same_pictures(shelf: Shelf, tiny_file: Callable[[str], Path]) -> None:
    shelf.add(LTX2, "seen", decoder=str(tiny_file(LTX2)))
    run = shelf.run("seen")
    shown, states = {}, {}
    for progress in run:
        if progress.preview is not None:
            shown[progress.done], states[progress.done] = progress.preview, run.state()
    shelf.add(LTX2, "seen")
    without = drawn(shelf.engine().start(shelf.request("seen"), states[2]))
    assert np.array_equal(without.frames, run.clip().frames)
    shelf.add(LTX2, "seen", decoder=str(tiny_file(LTX2)))
    again = shelf.engine().start(shelf.request("seen"), states[2])
    later = {one.done: one.preview for one in again if one.preview is not None}
    assert list(later) == list(range(3, STEPS + 1))
    assert all(np.array_equal(later[step], shown[step]) for step in later)


def flow(x: Tensor, noise: Tensor, scheduler: Any, step: int) -> tuple[Tensor, Tensor]:
    """What rectified flow is at before a step, and a perfect answer to it."""
    sigma = scheduler.sigmas[step]
    return (1 - sigma) * x + sigma * noise, noise - x


def diffusion(x: Tensor, noise: Tensor, scheduler: Any, step: int) -> tuple[Tensor, Tensor]:
    """The same for diffusion whose denoiser foretells v."""
    kept = scheduler.alphas_cumprod[scheduler.timesteps[step]]
    return kept**0.5 * x + (1 - kept) ** 0.5 * noise, kept**0.5 * noise - (1 - kept) ** 0.5 * x


FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the library's own
@pytest.mark.parametrize(
    ("kind", "settings", "at"),
    [
        ("FlowMatchEulerDiscreteScheduler", {"shift": 5.0}, flow),
        ("UniPCMultistepScheduler", FLOW, flow),
        ("DPMSolverMultistepScheduler", FLOW, flow),
        ("CogVideoXDDIMScheduler", {"prediction_type": "v_prediction"}, diffusion),
        ("CogVideoXDPMScheduler", {"prediction_type": "v_prediction"}, diffusion),
    ],
)
def test_a_picture_shows_where_the_steps_are_heading(kind: str, settings: dict[str, Any], at: Any) -> None:
    import diffusers

    torch.manual_seed(3)
    x, noise = torch.randn(2, 1, 4, 3, 2, 2)
    scheduler = getattr(diffusers, kind)(**settings)
    scheduler.set_timesteps(5)
    for step, time in enumerate(scheduler.timesteps):
        before, answer = at(x, noise, scheduler, step)
        inputs: tuple[Any, ...] = (answer, time, before)
        if kind == "CogVideoXDPMScheduler":
            inputs = (answer, None, time, scheduler.timesteps[step - 1] if step else None, before)
        after = scheduler.step(*inputs, return_dict=False)
        assert torch.allclose(heading(scheduler, inputs, after, {}), x, atol=1e-3)


def test_previews_are_few(shelf: Shelf, tiny_file: Callable[[str], Path]) -> None:
    shelf.add(WAN, "seen", decoder=str(tiny_file(WAN)))
    run = shelf.run("seen", steps=20)
    seen = [one.done for one in run if one.preview is not None]
    assert len(seen) == MAX_SIDE
    assert seen[-1] == 20


def test_a_preview_that_fails_is_left_out(
    shelf: Shelf, tiny_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add(WAN, "seen")
    whole = drawn(shelf.run("seen"))
    shelf.add(WAN, "seen", decoder=str(tiny_file(WAN)))

    def decode(self: TinyDecoder, latents: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory, says the test")

    monkeypatch.setattr(TinyDecoder, "decode", decode)
    run = shelf.run("seen")
    assert [one.preview for one in run if one.stage == "sample"] == [None] * (STEPS + 1)
    assert np.array_equal(run.clip().frames, whole.frames)


@pytest.mark.parametrize("broken", [False, True], ids=["no memory", "broken"])
def test_it_delivers_what_the_models_own_decoder_cannot(
    shelf: Shelf, tiny_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    shelf.add(WAN, "rescued", decoder=str(tiny_file(WAN)))
    run = shelf.run("rescued")
    kind: Any = None
    for progress in run:
        if (progress.stage, progress.done) == ("decode", 0):
            kind = type(run.model.parts["vae"])
            state = run.state()
    asked = []

    def decode(self: Any, *inputs: Any, **options: Any) -> Any:
        asked.append(1)
        raise RuntimeError("broken, says the test") if broken else torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(kind, "decode", decode)
    again = shelf.engine().start(shelf.request("rescued"), state)
    clip = drawn(again)
    assert len(asked) == (1 if broken else 4)
    why = "for the model's own decoder failed" if broken else "for want of memory"
    assert clip.provenance.read_as.endswith(f"; decoded {TINY}, {why}")
    assert clip.frames.shape == run.clip().frames.shape
    shelf.add(WAN, "rescued")
    with pytest.raises(RuntimeError, match="says the test" if broken else "out of memory"):
        drawn(shelf.engine().start(shelf.request("rescued"), state))


def test_a_draft_falls_back_to_the_models_own_decoder(
    shelf: Shelf, tiny_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add(WAN, "quick", profile="draft", decoder=str(tiny_file(WAN)))
    real, left = TinyDecoder.decode, [STEPS, 1]  # previews, then failures
    error: list[RuntimeError] = [torch.OutOfMemoryError("out of memory, says the test")]

    def decode(self: TinyDecoder, latents: Tensor, *, together: int = 1) -> Tensor:
        if left[0]:
            left[0] -= 1
        elif left[1]:
            left[1] -= 1
            raise error[-1]
        return real(self, latents, together=together)

    monkeypatch.setattr(TinyDecoder, "decode", decode)
    assert f"decoded {TINY_PROCESSOR}, for want of memory" in drawn(shelf.run("quick")).provenance.read_as
    left[:] = [STEPS, 2]
    assert "decoded in tiles, for want of memory" in drawn(shelf.run("quick")).provenance.read_as
    left[:] = [STEPS, 2]
    error.append(RuntimeError("broken, says the test"))
    assert "decoded in tiles, for the tiny decoder failed" in drawn(shelf.run("quick")).provenance.read_as


def test_it_is_in_the_memory_plan(shelf: Shelf, tiny_file: Callable[[str], Path]) -> None:
    file = tiny_file(WAN)
    peaks = {}
    for name, changes in (("none", {}), ("previews", {"decoder": str(file)})):
        for profile in ("draft", "best"):
            shelf.add(WAN, "weighed", profile=profile, **changes)
            run = shelf.run("weighed", width=416, height=240, seconds=5.0)
            needs = run.model.sizes().needs(run.task, light=False)
            peaks[name, profile] = needs
    weights = 4 * Layout.of({k: t.shape for k, t in safetensors.torch.load_file(file).items()}).numbers
    for profile in ("draft", "best"):
        assert peaks["previews", profile].rest - peaks["none", profile].rest == weights
    assert peaks["previews", "best"].decoding == peaks["none", "best"].decoding
    assert peaks["previews", "draft"].decoding < peaks["none", "draft"].tiled
    assert peaks["previews", "draft"].tiled == peaks["previews", "draft"].decoding


def test_a_plan_for_a_draft_never_tiles(shelf: Shelf, tiny_file: Callable[[str], Path]) -> None:
    shelf.add(WAN, "quick", profile="draft", decoder=str(tiny_file(WAN)))
    run = shelf.run("quick")
    task = Task.of(shelf.request("quick"), shelf.settings)
    sizes = run.model.sizes()
    least = MemoryPlan.of(task, sizes, MemoryBudget(2**40, 2**40)).peak
    assert MemoryPlan.of(task, sizes, MemoryBudget(int(least / 0.94), 2**40)).decode == TINY


def add(shelf: Shelf, family: str, decoder: Path, **options: Any) -> entries.Entry:
    return acquisition.add(
        "added",
        shelf.home,
        family=family,
        source=str(shelf.twin(family)),
        licence="Apache-2.0",
        decoder=str(decoder),
        **options,
    )


@pytest.fixture
def added(shelf: Shelf) -> Any:
    yield
    if "added" in entries.names(shelf.home):
        entries.remove("added", shelf.home)


@pytest.mark.usefixtures("added")
def test_adding_refuses_what_does_not_fit(
    shelf: Shelf, tmp_path: Path, tiny_file: Callable[[str], Path]
) -> None:
    other = tiny_file(WAN22)
    with pytest.raises(BadInput, match=r"has 48 channels, and the family wan2\.1-t2v has 16") as caught:
        add(shelf, WAN, other)
    assert caught.value.field == "decoder"
    good = safetensors.torch.load_file(tiny_file(WAN))
    # Channels as in Wan 2.1, but a patch of two pixels, or another number of frames.
    for layout, said in (
        (Layout(16, (8, 8, 8, 8), (1, 2, 2), 2), "16 pixels to a side of one latent position"),
        (Layout(16, (8, 8, 8, 8), (2, 2, 2), 1), "8 frames to one of the latents"),
    ):
        safetensors.torch.save_file(TinyDecoder(layout).state_dict(), tmp_path / "odd.safetensors")
        with pytest.raises(BadInput, match=said):
            add(shelf, WAN, tmp_path / "odd.safetensors")
    for broken in (
        {name: tensor for name, tensor in good.items() if name != "decoder.4.conv.2.bias"},
        {**good, "decoder.23.weight": torch.zeros(1)},
        {**good, "decoder.8.weight": torch.zeros(12, 16, 1, 1)},
        {"weight": torch.zeros(3)},
    ):
        safetensors.torch.save_file(broken, tmp_path / "odd.safetensors")
        with pytest.raises(BadInput, match=r"is no tiny decoder that can be read: its? "):
            add(shelf, WAN, tmp_path / "odd.safetensors")
    assert "added" not in entries.names(shelf.home)


@pytest.mark.usefixtures("added")
def test_what_fits_is_added_verified_and_used(shelf: Shelf, tiny_file: Callable[[str], Path]) -> None:
    entry = add(shelf, WAN, tiny_file(WAN))
    assert acquisition.verify(entry, shelf.home).good
    assert any(one.preview is not None for one in shelf.run("added"))
    # Another file in its place, by hand.
    wrong = dataclasses.replace(entry, decoder=str(tiny_file(WAN22)))
    entries.save(wrong, shelf.home)
    with pytest.raises(BadInput, match="48 channels"):
        acquisition.verify(wrong, shelf.home)
    with pytest.raises(ModelError, match="48 channels"):
        shelf.run("added")


@pytest.mark.usefixtures("added")
def test_pickled_weights_need_leave_and_run_no_code(
    shelf: Shelf, tmp_path: Path, tiny_file: Callable[[str], Path]
) -> None:
    safe = tiny_file(WAN)
    file = tmp_path / "taew2_1.pth"
    torch.save(safetensors.torch.load_file(safe), file)
    with pytest.raises(BadInput, match="is a pickle"):
        add(shelf, WAN, file)
    entry = add(shelf, WAN, file, pickle=True)
    pictures = [one.preview for one in shelf.run("added") if one.preview is not None]
    entries.save(dataclasses.replace(entry, pickle=False), shelf.home)
    with pytest.raises(ModelError, match="is a pickle"):
        shelf.run("added")
    entries.remove("added", shelf.home)
    add(shelf, WAN, safe)
    others = [one.preview for one in shelf.run("added") if one.preview is not None]
    assert all(np.array_equal(one, other) for one, other in zip(pictures, others, strict=True))
    entries.remove("added", shelf.home)

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"decoder.1.weight": Evil()}, file)
    with pytest.raises(BadInput, match="something other than named tensors"):
        add(shelf, WAN, file, pickle=True)
    assert not (tmp_path / "ran").exists()
