"""Clips drawn by one backend, in a process of its own: `python -m benchmarks.inference_backends JSON`.

All backends use the same weights, noise, texts and levels. A backend replaces the network of our sampler, or
(stock diffusers) the whole pipeline. The process prints one line of JSON and writes its frames into a file.
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

from hinode.engines.native import catalog, checkpoint
from hinode.engines.native.plan import Plan
from hinode.engines.native.sampling import to_frames
from hinode.engines.native.smoothing import smooth_patch_seams
from hinode.model import controls, fast
from hinode.model.dit import Condition, DiT
from hinode.model.flow import Sampler, null_text
from hinode.model.text import Vocabulary, padding_bias
from hinode.request import Request
from hinode.settings import Settings
from hinode.training.cost import flops
from hinode.world.caption import words

NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}
NEEDS["diffusers"] = ("diffusers",)
MATRIX = 2048


@dataclass(frozen=True)
class ClipInputs:
    """All that a clip is drawn from."""

    plan: Plan
    ids: Tensor  # [1, L]
    noise: Tensor  # [1, Tl, h, w, C]


Draw = Callable[[ClipInputs], Tensor]  # -> clean latents


def with_sampler(network: Any) -> Draw:
    """Draw with our sampler and a network, or a replacement of it."""

    def draw(clip: ClipInputs) -> Tensor:
        plan = clip.plan
        sampler = Sampler(network, clip.ids, plan.shape.fps, clip.noise, plan.sampling)
        for _ in sampler:
            pass
        return sampler.state.latents

    return draw


class Denoiser(nn.Module):
    """The network as exporters need it: tensors in, one tensor out."""

    def __init__(self, network: DiT, plan: Plan) -> None:
        super().__init__()
        self.network, self.fps = network, plan.shape.fps

    def forward(
        self, z: Tensor, t: Tensor, control: Tensor, bias: Tensor, summary: Tensor, *kv: Tensor
    ) -> Tensor:
        prefixes = tuple(zip(kv[::2], kv[1::2], strict=True))
        clean: Tensor = self.network(z, t, Condition(prefixes, bias, summary), self.fps, control)
        return clean


def inputs(z: Tensor, t: Tensor, condition: Condition, control: Tensor | None) -> dict[str, Tensor]:
    """The inputs of `Denoiser` for a call of the network, by name and in order."""
    kv = [tensor for prefix in condition.prefixes for tensor in prefix]
    control = z.new_zeros(0) if control is None else control
    values = {"z": z, "t": t, "control": control, "bias": condition.bias, "summary": condition.summary}
    return values | {f"kv{number}": tensor for number, tensor in enumerate(kv)}


def without_fast_layers() -> None:
    """From here on, attention and norm are torch's own, which exporters know and diffusers uses."""
    fast.applies = lambda x: False
    fast.prefers_products = lambda q, k: False


def export(network: DiT, clip: ClipInputs, path: Path) -> None:
    """Write the network as ONNX for clips of this shape, float32."""
    without_fast_layers()
    calls: list[dict[str, Tensor]] = []

    def record(z: Tensor, t: Tensor, condition: Condition, fps: float, control: Any = None) -> Tensor:
        calls.append(inputs(z, t, condition, control))
        clean: Tensor = network(z, t, condition, fps, control)
        return clean

    plan = clip.plan
    next(Sampler(replacement(network, record), clip.ids, plan.shape.fps, clip.noise, plan.sampling))
    example = {name: tensor.clone() for name, tensor in calls[-1].items()}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Denoiser(network, plan),
            tuple(example.values()),
            str(path),
            input_names=list(example),
            dynamo=True,
            verbose=False,
        )


def replacement(network: DiT, call: Callable[..., Tensor]) -> Any:
    """An object that our sampler can use as the network."""

    class Replacement:
        config = network.config
        encode_text = staticmethod(network.encode_text)
        __call__ = staticmethod(call)

    return Replacement()


def through_arrays(network: DiT, run: Callable[[dict[str, Any]], Any]) -> Draw:
    """Draw with a runtime that takes arrays by name."""

    def call(z: Tensor, t: Tensor, condition: Condition, fps: float, control: Any = None) -> Tensor:
        tensors = inputs(z, t, condition, control)
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}
        return torch.from_numpy(np.asarray(run(arrays)))

    return with_sampler(replacement(network, call))


def onnx(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """ONNX Runtime: float32, or weights and activations of matrix products in int8."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(network, clip, path)
        path = quantize_graph(path) if kind == "int8" else path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    return through_arrays(
        network, lambda arrays: session.run(None, {k: v for k, v in arrays.items() if k in names})[0]
    )


def quantize_graph(path: Path) -> Path:
    """The same graph with its matrix products of weights quantised dynamically."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    target = path.with_name("int8.onnx")
    graph = onnx.load(path)
    graph.graph.ClearField("value_info")  # the quantiser rejects the shapes of the exporter
    onnx.save(graph, path)
    # Both factors of attention are activations; only products with a stored matrix are worth it.
    quantize_dynamic(path, target, weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    return target


def openvino(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """OpenVINO: float32, bfloat16, or the int8 graph of ONNX Runtime."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(network, clip, path)
        if kind == "int8":
            import onnxruntime.quantization  # noqa: F401  (the error names what is missing)

            path = quantize_graph(path)
        core = ov.Core()
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if kind == "bf16" else "f32"}
        compiled = core.compile_model(
            core.read_model(str(path)), "CPU", {**hint, "INFERENCE_NUM_THREADS": threads}
        )
        names = {name for port in compiled.inputs for name in port.get_names()}
        request = compiled.create_infer_request()

    def run(arrays: dict[str, Any]) -> Any:
        request.infer({k: v for k, v in arrays.items() if k in names}, share_inputs=True)
        return request.get_output_tensor(0).data.copy()

    return through_arrays(network, run)


def compile_network(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """torch.compile, its cache empty."""
    call = torch.compile(network.forward, dynamic=False)
    return with_sampler(replacement(network, call))


def quantize_network(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """torch's own dynamic int8 for linear layers; the rest in float32."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.__class__ = nn.Linear  # the converter knows no subclasses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import quantize_dynamic

        large = {"embed", "fine_in", "merge", "coarse", "split", "fine_out", "final"}
        return with_sampler(quantize_dynamic(network, large, dtype=torch.qint8))


def eager(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """Our engine."""
    return with_sampler(network)


def diffusers_pipeline(network: DiT, clip: ClipInputs, kind: str, threads: int) -> Draw:
    """The network in a pipeline as diffusers writes them: torch's own attention and norm, keys and values of
    the text computed in every step, the pair for guidance as one batch, the stock Euler scheduler."""
    without_fast_layers()
    from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ModelMixin

    class Transformer(ModelMixin):  # type: ignore[misc]
        def __init__(self, inner: DiT) -> None:
            super().__init__()
            self.inner = inner

        def forward(
            self, z: Tensor, timestep: Tensor, words: Tensor, mean: Tensor, bias: Tensor, plan: Plan
        ) -> Any:
            prefixes = tuple(block.text_prefix(words) for block in self.inner.blocks())
            condition = Condition(prefixes, bias, self.inner.text_proj(mean))
            t = (1 - timestep / 1000)[:, None].expand(-1, z.shape[1])
            control = z.new_zeros(*z.shape[:-1], controls.channels(self.inner.config.patch_frames))
            clean = self.inner(z, t, condition, plan.shape.fps, control)
            return SimpleNamespace(sample=clean)

    class Pipeline(DiffusionPipeline):  # type: ignore[misc]
        def __init__(self, transformer: Any, scheduler: Any) -> None:
            super().__init__()
            self.register_modules(transformer=transformer, scheduler=scheduler)

        @torch.no_grad()
        def __call__(self, ids: Tensor, latents: Tensor, plan: Plan) -> Tensor:
            inner, guidance = self.transformer.inner, plan.sampling.guidance
            ids = torch.cat((ids, null_text(ids)))
            words, mean = inner.text(ids, inner.compute)
            bias = padding_bias(ids, inner.compute)
            sigmas = (1 - plan.sampling.schedule()[:-1]).tolist()
            self.scheduler.set_timesteps(sigmas=sigmas)
            for t in self.progress_bar(self.scheduler.timesteps):
                pair = torch.cat((latents, latents))
                clean = self.transformer(pair, t.expand(len(pair)), words, mean, bias, plan).sample
                cond, uncond = clean.chunk(2)
                clean = uncond + guidance * (cond - uncond)
                velocity = (latents - clean) / (t / 1000)
                latents = self.scheduler.step(velocity, t, latents, return_dict=False)[0]
            return latents

    pipeline = Pipeline(Transformer(network), FlowMatchEulerDiscreteScheduler(shift=1.0))
    pipeline.set_progress_bar_config(disable=True)

    def draw(clip: ClipInputs) -> Tensor:
        latents: Tensor = pipeline(clip.ids, clip.noise * network.config.noise_scale, clip.plan)
        return latents

    return draw


BACKENDS: dict[str, tuple[Callable[..., Draw], str, str]] = {  # name: (function, number type, description)
    "eager-bf16": (eager, "bf16", "our engine, bfloat16"),
    "eager-fp32": (eager, "fp32", "our engine, float32"),
    "compile-bf16": (compile_network, "bf16", "torch.compile, bfloat16"),
    "diffusers-bf16": (diffusers_pipeline, "bf16", "stock diffusers pipeline, bfloat16"),
    "onnx-fp32": (onnx, "fp32", "ONNX Runtime, float32"),
    "onnx-int8": (onnx, "int8", "ONNX Runtime, dynamic int8"),
    "openvino-fp32": (openvino, "fp32", "OpenVINO, float32"),
    "openvino-bf16": (openvino, "bf16", "OpenVINO, bfloat16"),
    "openvino-int8": (openvino, "int8", "OpenVINO, the int8 graph of ONNX Runtime"),
    "torch-int8": (quantize_network, "int8", "torch, dynamic int8"),
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


def main(options: dict[str, Any]) -> None:
    """Draw with one backend and print the figures."""
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="inference-")
    name = options["backend"]
    backend, kind, _ = BACKENDS[name]
    clock = time.process_time if options["processor"] else time.perf_counter
    threads = options["threads"]
    torch.set_num_threads(threads)
    in_torch = "onnx" not in name and "openvino" not in name
    dtype = torch.bfloat16 if kind == "bf16" and in_torch else torch.float32
    figures: dict[str, Any] = {"clips": {}}
    frames: dict[str, Any] = {}
    fastest = rate(clock)
    for size in options["sizes"]:
        model = checkpoint.load(find_card(options["model"]).path, "cpu", dtype)

        def clip_inputs(
            prompt: str, seed: int, steps: int, size: str = size, vocabulary: Vocabulary = model.vocabulary
        ) -> ClipInputs:
            return make_inputs(prompt, seed, size, steps, options["model"], vocabulary)

        clips = {steps: clip_inputs(options["prompts"][0], 1, steps) for steps in options["steps"]}
        quickest = clips[min(clips)]
        # Compilers are processes of their own.
        total_clock = (lambda: sum(os.times()[:4])) if options["processor"] else clock
        start = total_clock()
        draw = backend(model.model, quickest, kind, threads)
        draw(quickest)
        line: dict[str, Any] = {"start": total_clock() - start, "seconds": {}, "floor": {}}
        line["native_size"] = "{}x{}".format(*quickest.plan.shape.size)
        for steps, clip in clips.items():
            draw(clip)
            times = []
            for _ in range(options["runs"]):
                begin = clock()
                draw(clip)
                times.append(clock() - begin)
            line["seconds"][steps] = statistics.median(times)
            shape, frame_count = clip.plan.shape, clip.plan.drawn_frames
            line["floor"][steps] = (
                2
                * steps
                * flops(model.model.config, frame_count, shape.height, shape.width, clip.ids.shape[1])
            )
        figures["clips"][size] = line
        for purpose, steps, prompts in (
            ("psnr", min(clips), options["prompts"]),
            ("judged", max(clips), options["judged"] if size == options["sizes"][0] else []),
        ):
            batch = [clip_inputs(text, seed, steps) for seed, text in enumerate(prompts)]
            frames[f"{purpose} {size}"] = np.array([decode(draw(clip), clip) for clip in batch])
    figures["rate"] = max(fastest, rate(clock))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures["peak"] = peak * (1 if sys.platform == "darwin" else 1024)
    np.savez(options["frames"], **frames)
    print(json.dumps(figures))


def make_inputs(
    prompt: str, seed: int, size: str, steps: int, model: str | None, vocabulary: Vocabulary
) -> ClipInputs:
    """The inputs of our engine for this request; the text is padded to 24 words, for static graphs."""
    width, height = map(int, size.split("x"))
    request = Request(prompt, seed=seed, steps=steps, model=model, width=width, height=height)
    plan = Plan.of(request, find_card(model))
    ids = vocabulary.batch([words(plan.prompt)], limit=24, multiple=24)
    shape = (1, *plan.canvas.latent_shape, plan.canvas.tokenizer.channels)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return ClipInputs(plan, ids, noise)


def find_card(model: str | None) -> catalog.Card:
    """The card of an installed model."""
    return catalog.find(model, Settings.from_environment(os.environ).models)


def decode(latents: Tensor, clip: ClipInputs) -> Any:
    """The frames of a clip as our engine makes them."""
    tokenizer = clip.plan.canvas.tokenizer
    video = smooth_patch_seams(tokenizer.decode(latents), tokenizer.frames)
    return to_frames(video)[0][: clip.plan.frames]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
