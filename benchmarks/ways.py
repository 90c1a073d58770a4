"""One clip drawn in one of several ways, in a process of its own: `python -m benchmarks.ways JSON`.

All ways use the same weights, noise, texts and levels. A way is a stand-in for the network of our sampler, or
(stock diffusers) a whole pipeline. Every process prints one line of JSON and leaves its frames in a file.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hinode.engines.native import catalog
from hinode.engines.native.engine import Plan, read_prompt, to_frames
from hinode.engines.native.smoothing import smooth_patch_seams
from hinode.model import checkpoint
from hinode.model import dit as parts
from hinode.model.dit import Condition, DiT
from hinode.model.flow import Sampler, null_text
from hinode.model.text import padding_bias
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.settings import Settings
from hinode.training.cost import flops
from hinode.world.caption import words

NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}
NEEDS["diffusers"] = ("diffusers",)
MATRIX = 2048


@dataclass(frozen=True)
class Drawing:
    """What one clip is drawn from."""

    plan: Plan
    ids: Tensor  # [1, L]
    noise: Tensor  # [1, Tl, h, w, C]


Clip = Callable[[Drawing], Tensor]  # -> clean latents


def sampled(network: Any) -> Clip:
    """Draw with our sampler and a network, or what stands in for it."""

    def draw(drawing: Drawing) -> Tensor:
        plan = drawing.plan
        sampler = Sampler(network, drawing.ids, plan.shape.fps, drawing.noise, plan.sampling)
        for _ in sampler:
            pass
        return sampler.state.latents

    return draw


class Denoiser(nn.Module):
    """The network as an exporter wants it: tensors in, one tensor out."""

    def __init__(self, network: DiT, plan: Plan) -> None:
        super().__init__()
        self.network, self.fps = network, plan.shape.fps
        embedded = network.config.guidance_embedded
        self.strength = torch.full((1,), plan.sampling.guidance) if embedded else None

    def forward(
        self, z: Tensor, t: Tensor, hinted: Tensor, bias: Tensor, pooled: Tensor, *kv: Tensor
    ) -> Tensor:
        half = len(kv) // 2
        clean: Tensor = self.network(
            z, t, Condition(kv[:half], kv[half:], bias, pooled), self.fps, None, hinted
        )
        return clean


def inputs(z: Tensor, t: Tensor, condition: Condition, hinted: Tensor | None) -> tuple[Tensor, ...]:
    """What `Denoiser` takes, for a call of the network."""
    if hinted is None:
        hinted = z.new_zeros(0)
    return z, t, hinted, condition.bias, condition.pooled, *condition.keys, *condition.values


def plainly() -> None:
    """From here on, attention and norm are torch's own, which exporters know and diffusers uses."""

    def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        bias = F.pad(bias, (0, k.shape[2] - bias.shape[-1]))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

    parts.attend = attend
    parts.rms_norm = lambda x: F.rms_norm(x, x.shape[-1:], eps=1e-6)


def exported(network: DiT, drawing: Drawing, path: Path) -> None:
    """Write the network as ONNX for clips of this shape, float32."""
    plainly()
    seen: list[tuple[Tensor, ...]] = []

    def look(z: Tensor, t: Tensor, condition: Condition, fps: float, strength: Any, hinted: Any) -> Tensor:
        seen.append(inputs(z, t, condition, hinted))
        clean: Tensor = network(z, t, condition, fps, strength, hinted)
        return clean

    sampler = Sampler(
        stand_in(network, look), drawing.ids, drawing.plan.shape.fps, drawing.noise, drawing.plan.sampling
    )
    next(sampler)
    given = tuple(tensor.clone() for tensor in seen[-1])
    names = ["z", "t", "hinted", "bias", "pooled", *(f"kv{i}" for i in range(len(given) - 5))]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        denoiser = Denoiser(network, drawing.plan)
        torch.onnx.export(denoiser, given, str(path), input_names=names, dynamo=True, verbose=False)


def stand_in(network: DiT, call: Callable[..., Tensor]) -> Any:
    """Something that our sampler takes for a network."""

    class StandIn:
        config = network.config
        encode_text = staticmethod(network.encode_text)
        __call__ = staticmethod(call)

    return StandIn()


def through_arrays(network: DiT, run: Callable[[dict[str, Any]], Any]) -> Clip:
    """Draw with a runtime that takes arrays by name."""

    def call(z: Tensor, t: Tensor, condition: Condition, fps: float, strength: Any, hinted: Any) -> Tensor:
        given = inputs(z, t, condition, hinted)
        names = ["z", "t", "hinted", "bias", "pooled", *(f"kv{i}" for i in range(len(given) - 5))]
        arrays = {
            name: np.ascontiguousarray(tensor.numpy()) for name, tensor in zip(names, given, strict=True)
        }
        return torch.from_numpy(np.asarray(run(arrays)))

    return sampled(stand_in(network, call))


def onnx(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """ONNX Runtime: float32, or weights and activations of matrix products in int8."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        exported(network, drawing, path)
        path = in_int8(path) if kind == "int8" else path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = {entry.name for entry in session.get_inputs()}
    return through_arrays(
        network, lambda arrays: session.run(None, {k: v for k, v in arrays.items() if k in wanted})[0]
    )


def in_int8(path: Path) -> Path:
    """The same graph with its matrix products of weights quantised dynamically."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    target = path.with_name("int8.onnx")
    graph = onnx.load(path)
    graph.graph.ClearField(
        "value_info"
    )  # shapes of the exporter, which the quantiser takes for contradictions
    onnx.save(graph, path)
    # Both factors of attention are activations; only products with a stored matrix are worth it.
    quantize_dynamic(path, target, weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    return target


def openvino(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """OpenVINO: float32, bfloat16, or the int8 graph of ONNX Runtime."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        exported(network, drawing, path)
        if kind == "int8":
            import onnxruntime.quantization  # noqa: F401  (says what is missing)

            path = in_int8(path)
        core = ov.Core()
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if kind == "bf16" else "f32"}
        compiled = core.compile_model(
            core.read_model(str(path)), "CPU", {**hint, "INFERENCE_NUM_THREADS": threads}
        )
        wanted = {name for port in compiled.inputs for name in port.get_names()}
        request = compiled.create_infer_request()

    def run(arrays: dict[str, Any]) -> Any:
        request.infer({k: v for k, v in arrays.items() if k in wanted}, share_inputs=True)
        return request.get_output_tensor(0).data.copy()

    return through_arrays(network, run)


def compiled(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """torch.compile, its cache empty."""
    call = torch.compile(network.forward, dynamic=False)
    return sampled(stand_in(network, call))


def quantized(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """torch's own dynamic int8 for linear layers; the rest in float32."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.__class__ = nn.Linear  # the converter knows no subclasses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import quantize_dynamic

        large = {"embed", "fine_in", "merge", "coarse", "split", "fine_out", "final"}
        return sampled(quantize_dynamic(network, large, dtype=torch.qint8))


def eager(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """Our engine."""
    return sampled(network)


def diffusers(network: DiT, drawing: Drawing, kind: str, threads: int) -> Clip:
    """The network as pipelines of diffusers are written: torch's own attention and norm, keys and values
    of the text anew in every step, the pair for guidance as one batch, the stock Euler scheduler."""
    plainly()
    from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ModelMixin

    class Transformer(ModelMixin):  # type: ignore[misc]
        def __init__(self, inner: DiT) -> None:
            super().__init__()
            self.inner = inner

        def forward(
            self, z: Tensor, timestep: Tensor, words: Tensor, pooled: Tensor, bias: Tensor, plan: Plan
        ) -> Any:
            prefixes = [block.text_prefix(words) for block in self.inner._blocks()]
            keys, values = zip(*prefixes, strict=True)
            condition = Condition(keys, values, bias, self.inner.pool(pooled))
            t = (1 - timestep / 1000)[:, None].expand(-1, z.shape[1])
            spans = z.new_zeros(*z.shape[:-1], 2 * self.inner.config.patch_frames + 3)
            embedded = self.inner.config.guidance_embedded
            strength = z.new_full((len(z),), plan.sampling.guidance) if embedded else None
            clean = self.inner(z, t, condition, plan.shape.fps, strength, spans)
            return SimpleNamespace(sample=clean)

    class Pipeline(DiffusionPipeline):  # type: ignore[misc]
        def __init__(self, transformer: Any, scheduler: Any) -> None:
            super().__init__()
            self.register_modules(transformer=transformer, scheduler=scheduler)

        @torch.no_grad()
        def __call__(self, ids: Tensor, latents: Tensor, plan: Plan) -> Tensor:
            inner, guidance = self.transformer.inner, plan.sampling.guidance
            twice = not inner.config.guidance_embedded
            ids = torch.cat((ids, null_text(ids))) if twice else ids
            words, pooled = inner.text(ids, inner.compute)
            bias = padding_bias(ids, inner.compute)
            sigmas = (1 - plan.sampling.schedule()[:-1]).tolist()
            self.scheduler.set_timesteps(sigmas=sigmas)
            for t in self.progress_bar(self.scheduler.timesteps):
                pair = torch.cat((latents, latents)) if twice else latents
                clean = self.transformer(pair, t.expand(len(pair)), words, pooled, bias, plan).sample
                if twice:
                    text, without = clean.chunk(2)
                    clean = without + guidance * (text - without)
                velocity = (latents - clean) / (t / 1000)
                latents = self.scheduler.step(velocity, t, latents, return_dict=False)[0]
            return latents

    pipeline = Pipeline(Transformer(network), FlowMatchEulerDiscreteScheduler(shift=1.0))
    pipeline.set_progress_bar_config(disable=True)

    def draw(drawing: Drawing) -> Tensor:
        latents: Tensor = pipeline(drawing.ids, drawing.noise * network.config.noise_scale, drawing.plan)
        return latents

    return draw


WAYS: dict[str, tuple[Callable[..., Clip], str, str]] = {  # name: (how, kind, what it is)
    "eager-bf16": (eager, "bf16", "our engine, bfloat16"),
    "eager-fp32": (eager, "fp32", "our engine, float32"),
    "compile-bf16": (compiled, "bf16", "torch.compile, bfloat16"),
    "diffusers-bf16": (diffusers, "bf16", "stock diffusers pipeline, bfloat16"),
    "onnx-fp32": (onnx, "fp32", "ONNX Runtime, float32"),
    "onnx-int8": (onnx, "int8", "ONNX Runtime, dynamic int8"),
    "openvino-fp32": (openvino, "fp32", "OpenVINO, float32"),
    "openvino-bf16": (openvino, "bf16", "OpenVINO, bfloat16"),
    "openvino-int8": (openvino, "int8", "OpenVINO, the int8 graph of ONNX Runtime"),
    "torch-int8": (quantized, "int8", "torch, dynamic int8"),
}


def rate(clock: Callable[[], float]) -> float:
    """Operations a second of large matrix products in bfloat16."""
    a, b = (torch.randn(MATRIX, MATRIX).bfloat16() for _ in range(2))
    times = []
    for _ in range(5):
        start = clock()
        a @ b
        times.append(clock() - start)
    return 2 * MATRIX**3 / min(times)


def main(asked: dict[str, Any]) -> None:
    """Draw in one way and print what it took."""
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="inference-")
    how, kind, _ = WAYS[asked["way"]]
    clock = time.process_time if asked["processor"] else time.perf_counter
    threads = asked["threads"]
    torch.set_num_threads(threads)
    in_torch = "onnx" not in asked["way"] and "openvino" not in asked["way"]
    dtype = torch.bfloat16 if kind == "bf16" and in_torch else torch.float32
    found: dict[str, Any] = {"clips": {}}
    frames: dict[str, Any] = {}
    fastest = rate(clock)
    for size in asked["sizes"]:
        loaded = checkpoint.load(card_of(asked["model"]).path, "cpu", dtype)
        network = loaded.model

        def drawing(
            prompt: str, seed: int, steps: int, size: str = size, known: Any = loaded.vocabulary
        ) -> Drawing:
            return drawing_of(prompt, seed, size, steps, asked["model"], known)

        drawings = {steps: drawing(asked["prompts"][0], 1, steps) for steps in asked["steps"]}
        few = drawings[min(drawings)]
        # Compilers are processes of their own.
        whole = (lambda: sum(os.times()[:4])) if asked["processor"] else clock
        start = whole()
        clip = how(network, few, kind, threads)
        clip(few)
        line: dict[str, Any] = {"start": whole() - start, "seconds": {}, "floor": {}}
        line["drawn"] = "{}x{}".format(*few.plan.shape.size)
        for steps, one in drawings.items():
            clip(one)
            times = []
            for _ in range(asked["runs"]):
                begun = clock()
                clip(one)
                times.append(clock() - begun)
            line["seconds"][steps] = statistics.median(times)
            shape = one.plan.shape
            once = flops(network.config, one.plan.drawn_frames, shape.height, shape.width, one.ids.shape[1])
            line["floor"][steps] = once * steps * (1 if network.config.guidance_embedded else 2)
        found["clips"][size] = line
        for purpose, steps, prompts in (
            ("psnr", min(drawings), asked["prompts"]),
            ("judged", max(drawings), asked["judged"] if size == asked["sizes"][0] else []),
        ):
            shown = [drawing(text, seed, steps) for seed, text in enumerate(prompts)]
            frames[f"{purpose} {size}"] = np.array([shot(clip(each), each) for each in shown])
    found["rate"] = max(fastest, rate(clock))
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    np.savez(asked["frames"], **frames)
    print(json.dumps(found))


def drawing_of(prompt: str, seed: int, size: str, steps: int, model: str | None, words_of: Any) -> Drawing:
    """What our engine draws from for this request; the text padded to 24 words, for static graphs."""
    width, height = map(int, size.split("x"))
    asked = Request(prompt, seed=seed, steps=steps, model=model, width=width, height=height)
    plan = Plan.of(asked, card_of(model))
    ids = words_of.batch([words(read_prompt(asked))], limit=24, multiple=24)
    shape = (1, *plan.latent_shape, SpacetimePatches(*plan.card.patch).channels)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Drawing(plan, ids, noise)


def card_of(model: str | None) -> catalog.Card:
    """The card of a model that is installed."""
    return catalog.find(model, Settings.from_environment(os.environ).models)


def shot(latents: Tensor, drawing: Drawing) -> Any:
    """The frames of a clip as our engine hands them out."""
    tokenizer = SpacetimePatches(*drawing.plan.card.patch)
    nothing = torch.zeros(latents.shape, dtype=torch.bool)
    video = smooth_patch_seams(
        tokenizer.decode(latents), tokenizer.frames, tokenizer.decode(nothing.float()) > 0.5
    )
    return to_frames(video)[0][: drawing.plan.frames]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
