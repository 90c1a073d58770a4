"""The parts of a model, read from its folder or its single file; nothing is fetched, no code in it is run."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hinode.engines.diffusers.execution import acceleration
from hinode.engines.diffusers.execution.acceleration import UNACCELERATED, Execution, first_line
from hinode.engines.diffusers.loading import headers, loras, single_files
from hinode.engines.diffusers.loading.loras import CONNECTORS
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder, layout_of
from hinode.engines.diffusers.memory import footprint
from hinode.engines.diffusers.memory.footprint import Footprint
from hinode.engines.diffusers.memory.plan import Sizes
from hinode.errors import HinodeError, ModelError, quote
from hinode.registry import entries
from hinode.registry.entries import Entry
from hinode.registry.family import Family
from hinode.registry.tiny_decoders import Layout
from hinode.request import Size

INDEX = "model_index.json"
SUFFIXES = (".safetensors", ".gguf")
"""What a single file of weights ends in."""

EXACT, LIGHT = torch.float32, torch.float8_e4m3fn


class Model:
    """A model on this machine, loaded a part at a time.

    Attributes:
        entry: what the registry says of it.
        family: what kind it is.
        device: where it computes.
        dtype: what it computes in.
        light: whether its denoisers keep their weights in 8 bits; set before they are loaded.
        wanted: how its denoisers are to compute; set before they are loaded.
        ways: how they do, for want of what could not be set up.
        narrowed: whether something of `wanted` was given up after it had been set up, or before that.
        parts: what is loaded, by name.
        tiny: the tiny decoder, once it is loaded, if it has one.
    """

    def __init__(
        self, entry: Entry, family: Family, home: Path, device: torch.device, dtype: torch.dtype
    ) -> None:
        """
        Args:
            home: `Settings.home`.

        Raises:
            ModelError: its files are not what the registry says.
        """
        self.entry = entry
        self.family = family
        self.device = device
        self.dtype = dtype
        self.source = entries.folder(entry, home)
        self.folder = self.source
        self.singles: dict[str, Path] = {}
        if self.source.suffix.lower() in SUFFIXES:
            if not entry.base:
                raise ModelError(
                    f"the model {entry.name} is a single file, and nothing says where its other parts are",
                    "add it again with the folder of the model that it belongs to as its base",
                )
            files = [self.source, *([entries.locate(entry.second, entry, home)] if entry.second else [])]
            if len(files) != len(family.denoisers):
                raise ModelError(
                    f"a model of the family {family.name} has {len(family.denoisers)} denoisers, and "
                    f"{entry.name} has single files for {len(files)}",
                    "add it again with as many files, or with the folder of the whole model",
                )
            self.singles = dict(zip(family.denoisers, files, strict=True))
            self.folder = entries.locate(entry.base, entry, home)
        self.loras = [(entries.locate(lora.source, entry, home), lora.weight) for lora in entry.loras]
        self.index = read_index(self.folder)
        self.tiny_file = entries.locate(entry.decoder, entry, home) if entry.decoder else None
        self.tiny: TinyDecoder | None = None
        self.parts: dict[str, Any] = {}
        self._streamed: set[str] = set()
        self.light = False
        self.wanted = self.ways = UNACCELERATED
        self.narrowed = False
        self._quickened: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all its parts."""
        return tuple(
            name
            for name, kind in self.index.items()
            if isinstance(kind, list) and kind and kind[0] is not None
        )

    @property
    def values(self) -> Mapping[str, Any]:
        """What its index says beside the parts, such as where the second network takes over."""
        return {
            name: value
            for name, value in self.index.items()
            if not name.startswith("_") and not isinstance(value, list)
        }

    def prepare(self) -> None:
        """Load what every stage needs: all but the denoisers and what reads the prompt."""
        if self.tiny is None and self.tiny_file is not None:
            layout = self._tiny_layout()
            assert layout is not None
            paired = self.family.shape.paired
            self.tiny = TinyDecoder.read(self.tiny_file, layout, paired=paired, device=self.device)
        for name in self.names:
            if name not in (*self.family.encoders, *self.family.denoisers):
                part = self.load(name)
                if isinstance(part, nn.Module):
                    part.to(self.device)

    def load(self, name: str) -> Any:
        """The part called `name`, loaded if it is not there yet, or None if it has none of that name.

        Raises:
            ModelError: it cannot be read.
        """
        if name not in self.parts and name in self.names:
            self.parts[name] = self._read(name)
        return self.parts.get(name)

    def settle(self, name: str, *, streamed: bool = False) -> nn.Module:
        """A loaded part, moved to where it computes.

        Args:
            streamed: whether its weights come there a block at a time, each for as long as it is used.
        """
        part: nn.Module = self.parts[name]
        if streamed and self.device.type != "cpu":
            if name not in self._streamed:
                self._quicken(name)
                self._streamed.add(name)
                part.enable_group_offload(  # type: ignore[operator]
                    onload_device=self.device,
                    offload_device=torch.device("cpu"),
                    offload_type="block_level",
                    num_blocks_per_group=1,
                    use_stream=True,
                )
            return part
        # Asked before every pass, so no walk through the whole network if it is there.
        if next(part.parameters()).device.type != self.device.type:
            part.to(self.device)
        self._quicken(name)
        return part

    def _quicken(self, name: str) -> None:
        if name in self.family.denoisers and name not in self._quickened:
            self._quickened.add(name)
            self.ways = acceleration.accelerate(self.parts[name], self.ways)

    def let_go(self, name: str) -> None:
        """Forget a part; the next time it is wanted it is read again."""
        for names in (self._quickened, self._streamed):
            names.discard(name)
        self.parts.pop(name, None)

    def narrow(self, ways: Execution) -> None:
        """Have the denoisers compute in `ways`, which are less than they were to; they are read again."""
        self.ways, self.narrowed = ways, True
        for name in self.family.denoisers:
            self.let_go(name)

    def retire(self, name: str) -> None:
        """Take a part out of the memory that is short: off the accelerator, or without one out of memory."""
        part = self.parts.get(name)
        if part is None or name in self._streamed:
            return
        if self.device.type == "cpu":
            self.let_go(name)
        else:
            part.to("cpu")

    def kind(self, name: str) -> Any:
        """The class of a part.

        Raises:
            ModelError: it is none of the libraries'.
        """
        return _class(*self.index[name])

    def empty(self, name: str) -> Any:
        """A part without weights: it knows its settings and takes no memory."""
        made = self.kind(name)
        with torch.device("meta"):
            empty = made.from_config(made.load_config(self.folder / name, local_files_only=True))
        return nn.Module.to(empty, self._dtype(name))

    def assemble(self, kind: str, **given: Any) -> Any:
        """A pipeline of the parts that are loaded; the others are None in it.

        Args:
            kind: class in diffusers.
            given: parts to use instead of those that are loaded.

        Raises:
            ModelError: diffusers has no such class.
        """
        import diffusers

        pipeline = getattr(diffusers, kind, None)
        if pipeline is None:
            raise ModelError(f"the installed diffusers has no {kind}", "install the one in constraints.txt")
        known = inspect.signature(pipeline.__init__).parameters
        parts = {
            name: None for name in known if name != "self" and known[name].default is inspect.Parameter.empty
        }
        parts |= {name: part for name, part in {**self.parts, **given}.items() if name in known}
        made = _placed(pipeline, self.device)(
            **parts, **{name: value for name, value in self.values.items() if name in known}
        )
        made.set_progress_bar_config(disable=True)
        return made

    @property
    def packed(self) -> bool:
        """Whether its denoiser comes in blocks of few bits."""
        return any(file.suffix.lower() == ".gguf" for file in self.singles.values())

    def same(self, other: Model, *, but_denoisers: bool = False) -> bool:
        """Whether it is made of the same weights as another one."""
        if but_denoisers:
            rest = [name for name in self.names if name not in self.family.denoisers]
            return self.fingerprint(*rest) == other.fingerprint(*rest)
        return self.loras == other.loras and self.fingerprint() == other.fingerprint()

    def take_over(self, other: Model) -> None:
        """Use what another model has in memory and this one needs in just the same way."""
        own = {*self.family.denoisers, *((CONNECTORS,) if self.loras or other.loras else ())}
        self.parts |= {name: part for name, part in other.parts.items() if name not in own}

    def fingerprint(self, *names: str) -> str:
        """A digest of what the parts called `names` are made of, or of the whole model without any."""
        digest = hashlib.sha256()
        digest.update(
            json.dumps([self.entry.family, str(self.dtype), sorted(self.index.items(), key=str)]).encode()
        )
        for file in self._files(*names):
            digest.update(f"{file.name}\0{self._digest(file)}\0".encode())
        return digest.hexdigest()

    def sizes(self) -> Sizes:
        """What its files say of its size; no weight is read.

        Raises:
            ModelError: one of them cannot be read.
        """
        width = self.dtype.itemsize
        weights = {name: headers.read(self._weights(name)) for name in self.names}
        loaded = {name: weights[name].loaded(self._dtype(name).itemsize) for name in self.names}
        denoisers = [name for name in self.family.denoisers if name in self.names]
        for name, file in self.singles.items():
            if file.suffix.lower() == ".gguf":
                loaded[name] = weights[name].stored
        settings = self._settings(denoisers[0])
        channels = settings.get("num_attention_heads", 1) * settings.get("attention_head_dim", 1)
        return Sizes(
            encoders=sum(loaded[name] for name in self.family.encoders if name in loaded),
            denoisers=tuple(loaded[name] for name in denoisers),
            light=tuple(min(loaded[name], weights[name].numbers) for name in denoisers),
            rest=sum(
                size for name, size in loaded.items() if name not in (*self.family.encoders, *denoisers)
            ),
            width=channels,
            feed_forward=int(settings.get("ffn_dim") or settings.get("mlp_ratio", 4) * channels),
            decoder=self._footprint(),
            number=width,
            accelerated=self.device.type != "cpu",
            tiny=self._tiny_layout(),
            hints=len(settings.get("vace_layers") or ()),
        )

    @property
    def only_size(self) -> Size | None:
        """The one size that its denoiser can draw at, where it learnt its positions by heart; else None."""
        settings = self._settings(self.family.denoisers[0])
        if not settings.get("use_learned_positional_embeddings"):
            return None
        edge = self.family.shape.compression[1]
        return settings["sample_width"] * edge, settings["sample_height"] * edge

    def _footprint(self) -> Footprint:
        """What its decoder takes."""
        settings, shape = self._settings("vae"), self.family.shape
        channels = int(settings.get("z_dim") or settings.get("latent_channels") or shape.channels)
        return footprint.of(
            self.kind("vae"), json.dumps(settings), self._dtype("vae"), channels, shape.compression[1]
        )

    @property
    def held(self) -> int:
        """Bytes of the weights that are loaded."""
        return sum(
            tensor.numel() * tensor.element_size()
            for part in (*self.parts.values(), self.tiny)
            if isinstance(part, nn.Module)
            for tensor in part.parameters()
        )

    @property
    def tiny_digest(self) -> str:
        """A digest of the tiny decoder, "" if there is none. It is not in the fingerprint: what is saved of a
        run does not depend on it."""
        return self._digest(self.tiny_file) if self.tiny_file is not None else ""

    def _tiny_layout(self) -> Layout | None:
        if self.tiny_file is None:
            return None
        return layout_of(self.tiny_file, self.family, self.folder, pickle=self.entry.pickle)

    def _weights(self, name: str) -> list[Path]:
        if name in self.singles:
            return [self.singles[name]]
        variant = _variant(self.folder / name)
        files = sorted((self.folder / name).glob("*.safetensors"))
        return [file for file in files if not variant or f".{variant}" in file.name]

    def _settings(self, name: str) -> dict[str, Any]:
        try:
            settings = json.loads((self.folder / name / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the part {name} of the model {self.entry.name} has no settings that can be read",
                "fetch it again",
            ) from error
        return settings if isinstance(settings, dict) else {}

    def _files(self, *names: str) -> list[Path]:
        """The files of some parts in a fixed order; without names all, single files and LoRAs too."""
        folders = [self.folder / name for name in names or self.names]
        files = [file for folder in folders for file in sorted(folder.glob("*")) if file.is_file()]
        rest = [] if names else list(self.singles.values())
        return files + rest + ([path for path, _ in self.loras] if not names else [])

    def _digest(self, file: Path) -> str:
        """What the registry noted for a file, else its size and when it was written."""
        for key, digest in self.entry.files.items():
            if file.as_posix().endswith(key) and file == self.source / key:
                return digest
        about = file.stat()
        return f"{about.st_size} {about.st_mtime_ns}"

    def _read(self, name: str) -> Any:
        library, kind = self.index[name]
        try:
            made = _class(library, kind)
            if name in self.singles:
                part = single_files.read(
                    made,
                    self.singles[name],
                    self.folder / name,
                    self._options(made, name),
                    converted=self.family.converted,
                )
            else:
                part = made.from_pretrained(self.folder / name, **self._options(made, name))
        except HinodeError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError, ImportError) as error:
            raise ModelError(
                f"the part {name} of the model {self.entry.name} cannot be read: {first_line(error)}",
                "fetch it again, or install what the sentence names",
            ) from error
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
        if name in (*self.family.denoisers, CONNECTORS):
            loras.add(self, name, part)
        if name in self.family.denoisers and self.light:
            part.enable_layerwise_casting(storage_dtype=LIGHT, compute_dtype=self.dtype)
        return part

    def _options(self, made: type, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {"local_files_only": True}
        if not _of_diffusers(made):
            options |= {"trust_remote_code": False}
        if issubclass(made, nn.Module):
            options |= {"dtype": self._dtype(name)}
            options |= {"use_safetensors": None if self.entry.pickle else True}
            variant = _variant(self.folder / name)
            options |= {"variant": variant} if variant else {}
        return options

    def _dtype(self, name: str) -> torch.dtype:
        return EXACT if name in self.family.exact else self.dtype


def read_index(folder: Path) -> dict[str, Any]:
    """What a model folder says of its parts.

    Raises:
        ModelError: it says nothing, or asks for code of its own.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder} has no {INDEX} that can be read",
            "give the folder of a whole model in its layout",
        ) from error
    if not isinstance(index, dict) or isinstance(index.get("_class_name"), list):
        raise ModelError(f"{folder} asks for code of its own", "take a model of one of the known families")
    return index


def _class(library: str, kind: str) -> Any:
    """A class of diffusers, of one of its pipelines, or of transformers, and of nothing else."""
    if library in ("diffusers", "transformers"):
        found = getattr(importlib.import_module(library), kind, None)
    elif re.fullmatch("[a-z0-9_]{1,40}", library):
        try:
            found = getattr(importlib.import_module(f"diffusers.pipelines.{library}"), kind, None)
        except ModuleNotFoundError:
            found = None
    else:
        found = None
    # A pipeline as a part of another could bring code of its own.
    if not hasattr(found, "from_pretrained") or hasattr(found, "register_modules"):
        raise ModelError(
            f"the model asks for {quote(kind)} of {quote(library)}, which is not installed",
            "install the versions in constraints.txt",
        )
    return found


def _placed(pipeline: Any, device: torch.device) -> Any:
    """A kind of pipeline that computes on `device`, wherever its parts are while they wait."""
    places = {"device": property(lambda self: device), "_execution_device": property(lambda self: device)}
    return type(pipeline.__name__, (pipeline,), {**places, "__module__": pipeline.__module__})


def _of_diffusers(made: type) -> bool:
    return made.__module__.startswith("diffusers.")


def _variant(folder: Path) -> str:
    """ "fp16" where a part is there in that kind only, "" where it is there without a kind."""
    names = [file.name for file in folder.glob("*.safetensors")]
    if not names or any(name.count(".") == 1 for name in names):
        return ""
    match = re.search(r"\.(fp16|bf16|fp32)[.-]", names[0])
    return match[1] if match else ""
