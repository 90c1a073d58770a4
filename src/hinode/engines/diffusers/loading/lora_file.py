"""What a LoRA changes in a part of a model. Its tensors have the names of one of many trainers: diffusers,
PEFT, kohya and musubi, ComfyUI, DiffSynth, LyCORIS, LightX2V. A file may have any subset of the layers."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import safe_open
from torch import Tensor, nn

from hinode.engines.diffusers.loading import weight_file
from hinode.engines.diffusers.loading.weight_file import Tensors
from hinode.errors import ModelError, quote
from hinode.registry.families.family import Family

CONNECTORS = "connectors"
"""The part between the text encoder of LTX-2 and its denoiser; a LoRA may be for both."""

_CONNECTOR_PREFIXES = ("connectors.", "text_embedding_projection.")
_PREFIXES = (
    "base_model.model.",
    "pipe.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "transformer_2.",
    "unet.",
    "dit.",
    "model.",
    *_CONNECTOR_PREFIXES,
    "lora_unet__",
    "lora_unet_",
    "lora_transformer_",
    "lycoris_",
)
_KEY = re.compile(
    r"(?P<layer>.+?)\.(?P<kind>lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up|alpha|diff_b|diff_m|diff"
    r"|lokr_\w+|hada_\w+|dora_scale|lora_magnitude_vector)(?:\.default(?:_\d+)?)?(?:\.(?P<leaf>weight|bias))?"
)
_KINDS = {"lora_down": "lora_A", "lora.down": "lora_A", "lora_up": "lora_B", "lora.up": "lora_B"}
_PARAMETERS = {"diff": "weight", "diff_b": "bias"}
_BIAS = "bias of lora_B"
_DORA = {"dora_scale", "lora_magnitude_vector"}
_MODULATION = "scale_shift_table"
"""What "diff_m" changes, in diffusers."""

Layers = Mapping[str, Mapping[str, Tensor]]
"""By layer, as a file calls it, tensors by kind."""


@dataclass
class Change:
    """What a file changes in one part.

    Attributes:
        pairs: low-rank matrices, by the names of PEFT.
        sums: by parameter, what is added to it.
        unknown: layers of the file that the part does not have.
    """

    pairs: Tensors = field(default_factory=dict)
    sums: dict[str, Callable[[], Tensor]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pairs or self.sums)


def read(file: Path, *, pickle: bool, layout: bool = False) -> tuple[Layers, dict[str, Any]]:
    """The layers of a file, and the settings that it was trained with, as PEFT calls them.

    Args:
        pickle: whether a file that can run code is allowed.
        layout: whether the tensors are needed on the meta device only; a pickle has none then.

    Raises:
        ModelError: it cannot be read, or holds what cannot be added to a model.
    """
    tensors = weight_file.read_layout(file) if layout else weight_file.read(file, pickle=pickle)
    layers: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, tensor in (tensors or {}).items():
        match = _KEY.fullmatch(key)
        if match is None:
            _refuse(file, f"has a tensor {quote(key, 100)}, which is none of a LoRA")
        kind = _KINDS.get(match["kind"], match["kind"])
        if kind in _DORA:
            _refuse(file, "is a DoRA, which cannot be added here", "take a LoRA of the same style")
        if kind == "lora_B" and match["leaf"] == "bias":
            kind = _BIAS
        layers[match["layer"]][kind] = tensor
    return layers, _settings(file)


def find_change(
    layers: Layers, settings: Mapping[str, Any], name: str, part: nn.Module, family: Family, file: Path
) -> Change:
    """What the layers of a file change in the part called `name`; tensors may be on the meta device.

    Raises:
        ModelError: a layer does not fit.
    """
    result = Change()
    names = _names(layers, name, part, family)
    for layer, tensors in layers.items():
        target = names.get(_strip(layer))
        if target is None or layer.startswith(_CONNECTOR_PREFIXES) != (name == CONNECTORS):
            if name != CONNECTORS and not layer.startswith(_CONNECTOR_PREFIXES):
                result.unknown.append(layer)
            continue
        _add_layer(result, target, dict(tensors), settings, part, file)
    return result


def apply(change: Change, part: Any, adapter: str, weight: float, file: Path) -> None:
    """Add a change to a part: the pairs as a PEFT adapter, whose weight is set elsewhere, and the sums times
    `weight` to the parameters themselves.

    Raises:
        ModelError: a parameter is in blocks of few bits.
    """
    for name, compute in change.sums.items():
        parameter = part.get_parameter(name)
        if not parameter.is_floating_point():
            _refuse(
                file, f"changes {name} itself, which is not possible in GGUF", "take a folder or safetensors"
            )
        total = parameter.float() + weight * compute().to(parameter.device, torch.float32).reshape(
            parameter.shape
        )
        parameter.data = total.to(parameter.dtype)
    if change.pairs:
        part.load_lora_adapter(change.pairs, prefix=None, adapter_name=adapter, low_cpu_mem_usage=True)


def _add_layer(
    result: Change, target: str, tensors: Tensors, settings: Mapping[str, Any], part: nn.Module, file: Path
) -> None:
    module = part.get_submodule(target) if target else part
    alpha = tensors.pop("alpha", None)
    parameters = {
        f"{target}.{_PARAMETERS[kind]}"
        if kind in _PARAMETERS
        else f"{target}.{_MODULATION}".lstrip("."): tensor
        for kind, tensor in tensors.items()
        if kind.startswith("diff")
    }
    own = dict(part.named_parameters())
    for name, tensor in parameters.items():
        # The shape of blocks of few bits is that of their bytes; `apply` refuses to change them.
        if name not in own or (own[name].is_floating_point() and own[name].numel() != tensor.numel()):
            _misfit(file, name)
        result.sums[name] = partial(_same, tensor)
    bias = tensors.pop(_BIAS, None)
    matrices = {kind: tensor for kind, tensor in tensors.items() if not kind.startswith("diff")}
    if not matrices:
        return
    shape = _shape(module)
    if matrices.keys() == {"lora_A", "lora_B"}:
        down, up = matrices["lora_A"], matrices["lora_B"]
        if shape is None or (*up.shape[:1], *down.shape[1:]) != shape or up.shape[1] != len(down):
            _misfit(file, target)
        # Half of the scale goes into each matrix, as a power of two: float16 loses small numbers.
        scale = _scale(alpha, len(down), target, settings)
        half = 2.0 ** round(math.log2(abs(scale)) / 2) if scale else 1.0
        result.pairs[f"{target}.lora_A.weight"] = down * (scale / half)
        result.pairs[f"{target}.lora_B.weight"] = up * half
        if bias is not None:
            if f"{target}.bias" not in own or len(bias) != len(up):
                _misfit(file, f"{target}.bias")
            result.sums[f"{target}.bias"] = partial(_same, bias * scale)
        return
    compute, size, rank = _product(matrices, target, file)
    if shape is None or size != math.prod(shape):
        _misfit(file, target)
    scale = _scale(alpha, rank, target, {}) if rank else 1.0
    result.sums[f"{target}.weight"] = lambda: scale * compute()


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _product(tensors: Tensors, target: str, file: Path) -> tuple[Callable[[], Tensor], int, int]:
    """The difference that the matrices of LyCORIS make, its number of elements, and their rank, 0 if they are
    not low-rank."""

    def matrix(name: str) -> tuple[Callable[[], Tensor], tuple[int, ...], int]:
        if name in tensors:
            whole = tensors[name]
            return (lambda: whole.float()), tuple(whole.shape), 0
        left, right = tensors[f"{name}_a"], tensors[f"{name}_b"]
        return (lambda: left.float() @ right.float()), (left.shape[0], right.shape[1]), len(right)

    kind = "lokr" if any(name.startswith("lokr") for name in tensors) else "hada"
    try:
        (first, shape, rank), (second, other, other_rank) = matrix(f"{kind}_w1"), matrix(f"{kind}_w2")
    except KeyError as error:
        _refuse(
            file, f"is incomplete at {target}: it has {', '.join(sorted(tensors))} without {error.args[0]}"
        )
    if not set(tensors) <= {f"{kind}_w{number}{end}" for number in "12" for end in ("", "_a", "_b")}:
        _refuse(file, f"has {', '.join(sorted(tensors))} at {target}, which cannot be added here")
    if kind == "hada":
        return (lambda: first() * second()), math.prod(shape), rank
    return (lambda: torch.kron(first(), second())), math.prod(shape) * math.prod(other), other_rank or rank


def _scale(alpha: Tensor | None, rank: int, target: str, settings: Mapping[str, Any]) -> float:
    if alpha is not None:
        return 1.0 if alpha.is_meta else float(alpha) / rank
    patterns = settings.get("alpha_pattern") or {}
    value = next(
        (value for name, value in patterns.items() if target.endswith(name)), settings.get("lora_alpha")
    )
    if value is None:
        return 1.0
    return float(value) / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _settings(file: Path) -> dict[str, Any]:
    """The settings of PEFT, in the header of the file as diffusers writes them, or beside it."""
    text = ""
    if file.suffix.lower() in (".safetensors", ".sft"):
        with safe_open(file, framework="pt") as opened:
            text = (opened.metadata() or {}).get("lora_adapter_metadata", "")
    beside = file.with_name("adapter_config.json")
    if not text and file.stem == "adapter_model" and beside.is_file():
        text = beside.read_text(encoding="utf-8")
    try:
        values = json.loads(text) if text else {}
    except ValueError:
        return {}
    return (
        {name.rpartition(".")[2]: value for name, value in values.items()} if isinstance(values, dict) else {}
    )


def _names(layers: Layers, name: str, part: nn.Module, family: Family) -> dict[str, str]:
    """What a file may call the modules of a part, and their names in diffusers. A name may mean one layer to
    the makers and another in diffusers, so only the names are used that the file agrees with more."""
    modules = [module for module, _ in part.named_modules()]
    rename = family.connector_names if name == CONNECTORS else family.maker_names

    def table(call: Callable[[str], str]) -> dict[str, str]:
        return {
            alias: module for module in modules for alias in (call(module), call(module).replace(".", "_"))
        }

    tables = table(lambda module: module), table(lambda module: _renamed(module, rename))
    stripped = {_strip(layer) for layer in layers}
    return max(tables, key=lambda names: len(stripped & names.keys()))


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for library, makers in rules:
        name = re.sub(library, makers, name)
    return name


def _strip(layer: str) -> str:
    """A layer without what trainers put before its name. "head" alone means the whole network to them."""
    for prefix in _PREFIXES:
        layer = layer.removeprefix(prefix)
    return "" if layer == "head" else layer


def _shape(module: nn.Module) -> tuple[int, ...] | None:
    """The shape of a layer's weight, which in GGUF is another one on disk; None if it has none."""
    if isinstance(module, nn.Linear):
        return module.out_features, module.in_features
    weight = getattr(module, "weight", None)
    return tuple(weight.shape) if isinstance(weight, Tensor) else None


def _misfit(file: Path, target: str) -> NoReturn:
    _refuse(file, f"is for a network of another size: {quote(target, 100)} does not fit")


def _refuse(
    file: Path, problem: str, remedy: str = "take one that was trained for this family and size"
) -> NoReturn:
    raise ModelError(f"the LoRA {file.name} {problem}", remedy)
