"""A checkpoint on disk: which parts it has, which files they come from, and how large they are. Nothing is
fetched, no code in it is run, and no weight is read."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from hinode.engines.diffusers.loading import weight_file
from hinode.engines.diffusers.loading.loras import Attachment
from hinode.engines.diffusers.loading.weight_file import Tensors
from hinode.engines.diffusers.memory import footprint
from hinode.engines.diffusers.memory.footprint import Footprint
from hinode.engines.diffusers.memory.needs import Sizes
from hinode.errors import BadInput, ModelError, quote
from hinode.registry import folders, inspection, paths, single_files, tiny_decoders
from hinode.registry.entry import Entry
from hinode.registry.families.family import Family
from hinode.registry.inspection import CONFIG, INDEX
from hinode.registry.loras import noise_of
from hinode.registry.tiny_decoders import Layout
from hinode.request import Size

TRANSFORMERS_STEM = "model"
WEIGHT_STEMS = ("diffusion_pytorch_model", TRANSFORMERS_STEM)
"""Names of weight files before their suffix, in diffusers and in transformers."""

LIBRARY_ERRORS = (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError, ImportError)
"""What diffusers and transformers raise for files and configs that they cannot read."""


class Checkpoint:
    """The files of a model on this machine.

    Attributes:
        dtype: type that it computes in.
        folder: folder in Diffusers' layout with all parts, or with those that single files do not replace.
        single_files: by the names of the denoisers that they replace.
        loras: file, weight and denoiser of each LoRA.
        index: parts of the pipeline and their classes, and further settings.
        tiny_file: file of the tiny decoder, or None.
    """

    def __init__(self, entry: Entry, family: Family, home: Path, dtype: torch.dtype) -> None:
        """ModelError if the files are not what the entry says."""
        self.entry = entry
        self.family = family
        self.dtype = dtype
        self.source = paths.locate(entry.source, entry, home)
        self.folder = paths.locate(entry.base or entry.source, entry, home)
        with _as_model_error():
            self.single_files = single_files.locate(entry, home)
        self.loras = [
            Attachment(paths.locate(lora.source, entry, home), lora.weight, noise_of(lora))
            for lora in entry.loras
        ]
        self.index = self._read_json(INDEX)
        if not self.index or isinstance(self.index.get("_class_name"), list):
            message = f"{self.folder} names no parts, or a pipeline of its own"
            raise ModelError(message, "take a model of one of the known families")
        with _as_model_error():
            folders.check_family(self.folder, family)
        self.tiny_file = paths.locate(entry.decoder, entry, home) if entry.decoder else None

    @property
    def part_names(self) -> tuple[str, ...]:
        kinds = self.index.items()
        return tuple(name for name, kind in kinds if isinstance(kind, list) and kind and kind[0] is not None)

    @property
    def denoisers(self) -> list[str]:
        """Names of its denoisers."""
        return [name for name in self.family.denoisers if name in self.part_names]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Further values of the index, such as the noise level where the second denoiser takes over."""
        values = {name: value for name, value in self.index.items() if not isinstance(value, list)}
        return {name: value for name, value in values.items() if not name.startswith("_")}

    @property
    def quantized(self) -> bool:
        """Whether its denoiser is stored in blocks of few bits."""
        return any(file.suffix.lower() == ".gguf" for file in self.single_files.values())

    @property
    def notes(self) -> list[str]:
        """What is to be said of a checkpoint of a newer version than the settings of its family are for."""
        config = self.config(self.family.denoisers[0])
        return [note for trait, note in self.family.notes if config.get(trait)]

    @property
    def fixed_size(self) -> Size | None:
        """The only size that its denoiser can sample, if it learned its positional embeddings; else None."""
        config = self.config(self.family.denoisers[0])
        if not config.get("use_learned_positional_embeddings"):
            return None
        edge = self.family.shape.pixels_per_latent
        return config["sample_width"] * edge, config["sample_height"] * edge

    @property
    def min_steps(self) -> int:
        """The fewest steps: a schedule that is stretched to a last noise level needs a first one too."""
        stretched = self._read_json("scheduler/scheduler_config.json").get("shift_terminal")
        return 2 if stretched else 1

    def part_dtype(self, name: str) -> torch.dtype:
        """The type that a part computes in."""
        return torch.float32 if name in self.family.float32 else self.dtype

    def part_class(self, name: str) -> Any:
        """The class of a part; ModelError if it is not one of diffusers or transformers."""
        return _find_class(*self.index[name])

    def empty_part(self, name: str) -> Any:
        """A part with its config and without weights; it takes no memory."""
        kind = self.part_class(name)
        with torch.device("meta"):
            part = kind.from_config(kind.load_config(self.folder / name, local_files_only=True))
        return nn.Module.to(part, self.part_dtype(name))

    def layout(self, name: str) -> Tensors | None:
        """The tensors of a part on the meta device, by the names in its files, of a single file without what
        belongs to other parts; None if one is a pickle. ModelError if a file cannot be read."""
        result: Tensors = {}
        listed = self._weight_map(name)
        for file in self.weight_files(name):
            tensors = _read_layout(file)
            if tensors is None:
                return None
            # What the index of the shards does not list is not read.
            result |= {key: tensor for key, tensor in tensors.items() if not listed or key in listed}
        return (
            weight_file.take_denoiser(result, self.part_dtype(name)) if name in self.single_files else result
        )

    def config(self, name: str) -> dict[str, Any]:
        """The config of a part; ModelError if it cannot be read."""
        return self._read_json(f"{name}/{CONFIG}")

    def variant(self, name: str) -> str:
        """ "fp16" or the like if the weights of a part exist only in that variant, else ""."""
        names = [file.name for file in (self.folder / name).glob("[!.]*.safetensors")]
        if not names or any(name.count(".") == 1 for name in names):
            return ""
        match = re.search(r"\.(fp16|bf16|fp32)[.-]", names[0])
        return match[1] if match else ""

    def tiny_layout(self) -> Layout | None:
        """The layout of the tiny decoder, or None if there is none; ModelError if it does not fit."""
        if self.tiny_file is None:
            return None
        with _as_model_error():
            return tiny_decoders.check(self.tiny_file, self.family, self.folder, pickle=self.entry.pickle)

    def sizes(self, *, accelerated: bool) -> Sizes:
        """The sizes of its parts, from the headers of its files; ModelError if one cannot be read."""
        layouts = {name: self.layout(name) or {} for name in self.part_names}
        elements = {name: sum(tensor.numel() for tensor in layouts[name].values()) for name in layouts}
        loaded = {name: count * self.part_dtype(name).itemsize for name, count in elements.items()}
        for name, file in self.single_files.items():
            if file.suffix.lower() == ".gguf":
                loaded[name] = file.stat().st_size
        added = {name: self._lora_bytes(name) for name in self.denoisers}
        encoders, denoisers = self.family.encoders, self.denoisers
        config = self.config(denoisers[0])
        width = config.get("num_attention_heads", 1) * config.get("attention_head_dim", 1)
        return Sizes(
            encoders=sum(loaded[name] for name in encoders if name in loaded),
            denoisers=tuple(loaded[name] + added[name] for name in denoisers),
            # Blocks of few bits stay what they are.
            float8_denoisers=tuple(
                added[name] + (loaded[name] if self.quantized else min(loaded[name], elements[name]))
                for name in denoisers
            ),
            rest=sum(size for name, size in loaded.items() if name not in (*encoders, *denoisers)),
            width=width,
            feed_forward=int(config.get("ffn_dim") or config.get("mlp_ratio", 4) * width),
            decoder=self._decoder_footprint(),
            element_bytes=self.dtype.itemsize,
            accelerated=accelerated,
            tiny=self.tiny_layout(),
            hints=len(config.get("vace_layers") or ()),
        )

    def fingerprint(self, *names: str) -> str:
        """A digest of the files of some parts, or of the whole model if none are named."""
        facts = [self.entry.family, str(self.dtype), sorted(self.index.items(), key=str)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        folders = [self.folder / name for name in names or self.part_names]
        files = [file for folder in folders for file in sorted(folder.glob("*")) if file.is_file()]
        if not names:
            files += [*self.single_files.values(), *(lora.path for lora in self.loras)]
        for file in files:
            digest.update(f"{file.name}\0{self._digest(file)}\0".encode())
        return digest.hexdigest()

    @property
    def tiny_digest(self) -> str:
        """A digest of the tiny decoder, "" if there is none. It is not in the fingerprint, because saved runs
        do not depend on it."""
        return self._digest(self.tiny_file) if self.tiny_file is not None else ""

    def _lora_bytes(self, name: str) -> int:
        """Bytes of the LoRAs beside the weights of a denoiser."""
        count = 0
        for lora in self.loras:
            if lora.is_for(name, self.family):
                layout = _read_layout(lora.path)
                elements = sum(tensor.numel() for tensor in (layout or {}).values())
                count += elements * self.part_dtype(name).itemsize if layout else lora.path.stat().st_size
        return count

    def _decoder_footprint(self) -> Footprint:
        config, shape = self.config("vae"), self.family.shape
        channels = int(config.get("z_dim") or config.get("latent_channels") or shape.channels)
        kind, dtype = self.part_class("vae"), self.part_dtype("vae")
        return footprint.of_config(kind, json.dumps(config), dtype, channels, shape.pixels_per_latent)

    def _read_json(self, path: str) -> dict[str, Any]:
        with _as_model_error():
            return inspection.read_json(self.folder / path)

    def weight_files(self, name: str) -> list[Path]:
        """The files that the library reads, and not what else lies there: copies, variants, a whole file
        beside shards."""
        if name in self.single_files:
            return [self.single_files[name]]
        if shards := self._weight_map(name):
            return sorted({self.folder / name / shard for shard in shards.values()})
        return [whole for whole, index in self._places(name) if index is None and whole.is_file()][:1]

    def _weight_map(self, name: str) -> dict[str, str]:
        """The shards of a part by the names of their tensors, if the library reads shards."""
        for whole, index in self._places(name) if name not in self.single_files else ():
            if index is not None:
                values = self._read_json(index.relative_to(self.folder).as_posix()).get("weight_map", {})
                return dict(values)
            if whole.is_file():
                break
        return {}

    def _places(self, name: str) -> Iterator[tuple[Path, Path | None]]:
        """Where the library looks for the weights of a part, in order: a whole file, and the index that it
        prefers to it."""
        folder, variant = self.folder / name, self.variant(name)
        middle = f".{variant}" if variant else ""
        for stem in WEIGHT_STEMS:
            whole = folder / f"{stem}{middle}.safetensors"
            indices = (f"{stem}.safetensors.index{middle}.json", f"{stem}{middle}.safetensors.index.json")
            index = next((folder / file for file in indices if (folder / file).is_file()), None)
            # Diffusers prefers shards, transformers a whole file.
            preferred = index is not None and not (whole.is_file() and stem == TRANSFORMERS_STEM)
            yield whole, index if preferred else None

    def _digest(self, file: Path) -> str:
        """The digest of a file in the entry, else its size and time of change."""
        for key, digest in self.entry.files.items():
            if file.as_posix().endswith(key) and file == self.source / key:
                return digest
        status = file.stat()
        return f"{status.st_size} {status.st_mtime_ns}"


def _read_layout(file: Path) -> Tensors | None:
    try:
        return weight_file.read_layout(file)
    except ImportError as error:
        remedy = 'install it with `pip install "hinode[diffusers]"`'
        raise ModelError("the library gguf is not installed", remedy) from error
    except (SafetensorError, OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"the header of {file} cannot be read", "fetch the file again") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers draws no progress and prints no report while it loads: errors say what is wrong."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _as_model_error() -> Iterator[None]:
    """Errors of the registry are those of the person who adds a model; here the model is at fault."""
    try:
        yield
    except BadInput as error:
        raise ModelError(error.message, error.remedy) from error


def _find_class(library: str, name: str) -> Any:
    """A class of diffusers, of one of its pipelines, or of transformers, and of nothing else."""
    kind = None
    if re.fullmatch("[a-z0-9_]{1,40}", library):
        own = library in ("diffusers", "transformers")
        with suppress(ModuleNotFoundError):
            module = importlib.import_module(library if own else f"diffusers.pipelines.{library}")
            kind = getattr(module, name, None)
    # A pipeline as a part of another could bring code of its own.
    if not hasattr(kind, "from_pretrained") or hasattr(kind, "register_modules"):
        message = f"the model asks for {quote(name)} of {quote(library)}, which is not installed"
        raise ModelError(message, "install the versions in constraints.txt")
    return kind
