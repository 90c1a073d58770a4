"""The parts of a model in memory, loaded from a checkpoint one at a time."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hinode.engines.diffusers.loading import acceleration, loras, single_file, weight_file
from hinode.engines.diffusers.loading.acceleration import UNACCELERATED, Execution, first_line
from hinode.engines.diffusers.loading.checkpoint import LIBRARY_ERRORS, Checkpoint, quiet
from hinode.engines.diffusers.loading.lora_file import CONNECTORS
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.diffusers.memory.ledger import Ledger
from hinode.engines.diffusers.memory.needs import Sizes
from hinode.errors import HinodeError, ModelError
from hinode.registry.entry import Entry
from hinode.registry.families.family import Family


class Model:
    """The parts of a model.

    Attributes:
        parts: loaded parts by name.
        tiny: the tiny decoder, once it is loaded, if there is one.
        float8_storage: whether denoisers store their weights in float8; see `configure`.
        target_execution: how denoisers are to compute; see `configure`.
        execution: how they do compute, without what could not be set up.
        degraded: whether a part of the target was given up after it had been set up.
        remarks: what is to be said of the checkpoint and its LoRAs, in order.
    """

    def __init__(
        self, entry: Entry, family: Family, home: Path, device: torch.device, dtype: torch.dtype
    ) -> None:
        """ModelError if the files are not what the entry says."""
        self.checkpoint = Checkpoint(entry, family, home, dtype)
        self.device = device
        self.parts: dict[str, Any] = {}
        self.tiny: TinyDecoder | None = None
        self.float8_storage = self.degraded = False
        self.target_execution = self.execution = UNACCELERATED
        self.remarks = dict.fromkeys(self.checkpoint.notes)
        self._accelerated: set[str] = set()
        self._streamed: set[str] = set()

    @property
    def family(self) -> Family:
        return self.checkpoint.family

    @property
    def ledger(self) -> Ledger:
        """Where its weights are, with those of the tiny decoder."""
        return Ledger.of({**self.parts, "tiny": self.tiny}, self.device)

    def sizes(self) -> Sizes:
        """See `Checkpoint.sizes`."""
        return self.checkpoint.sizes(accelerated=self.device.type != "cpu")

    def configure(self, float8_storage: bool, execution: Execution, usable: Execution | None = None) -> None:
        """Decide how denoisers will store their weights and compute; before one of them is loaded.

        Args:
            execution: what the profile permits.
            usable: what of it did not fail before; by default all.
        """
        self.float8_storage = float8_storage
        self.target_execution = self.execution = execution
        if usable is not None and usable != execution:
            self.degrade(usable)

    def prepare(self) -> None:
        """Load what every stage needs: all parts but the denoisers and the encoders."""
        layout = self.checkpoint.tiny_layout() if self.tiny is None else None
        if layout is not None and self.checkpoint.tiny_file is not None:
            paired = self.family.shape.paired
            self.tiny = TinyDecoder.read(self.checkpoint.tiny_file, layout, paired=paired, device=self.device)
        for name in self.checkpoint.part_names:
            if name not in (*self.family.encoders, *self.family.denoisers):
                part = self.load(name)
                if isinstance(part, nn.Module):
                    self._move(name, self.device)

    def load(self, name: str) -> Any:
        """The part called `name`, loaded if necessary; None if there is none, ModelError if it is damaged."""
        if name not in self.parts and name in self.checkpoint.part_names:
            self.parts[name] = self._read(name)
        return self.parts.get(name)

    def place(self, name: str, *, streamed: bool = False, plain: bool = False) -> nn.Module:
        """Move a loaded part to the device; if `streamed`, block by block, each for as long as it is used.
        A denoiser is accelerated there, unless it is to compute `plain` passes first."""
        if name in self._streamed and not streamed:
            self.unload(name)  # the library cannot take its streaming back
            self.load(name)
        part: nn.Module = self.parts[name]
        if streamed and self.device.type != "cpu":
            if name not in self._streamed:
                if not plain:
                    self._accelerate(name)
                self._stream(name)
        # This runs before every pass, so it must not walk through the whole network.
        elif next(part.parameters()).device.type != self.device.type:
            self._move(name, self.device)
        if not plain:
            self._accelerate(name)
        return part

    def unload(self, name: str) -> None:
        """Drop a part; it is read again when it is needed."""
        for names in (self._accelerated, self._streamed):
            names.discard(name)
        self.parts.pop(name, None)

    def offload(self, name: str) -> None:
        """Take a part off the accelerator, or out of memory if there is none."""
        part = self.parts.get(name)
        if part is None or name in self._streamed:
            return
        if self.device.type == "cpu":
            self.unload(name)
        else:
            self._move(name, torch.device("cpu"))

    def degrade(self, execution: Execution) -> None:
        """Read the denoisers again to compute with less acceleration than before."""
        self.execution, self.degraded = execution, True
        for name in self.family.denoisers:
            self.unload(name)

    def assemble(self, pipeline_class: str, **parts: Any) -> Any:
        """A pipeline of the loaded parts, and of `parts` instead of loaded ones; missing parts are None in
        it. ModelError if diffusers has no such class."""
        import diffusers

        kind = getattr(diffusers, pipeline_class, None)
        if kind is None:
            message = f"the installed diffusers has no {pipeline_class}"
            raise ModelError(message, "install the one in constraints.txt")
        parameters = inspect.signature(kind.__init__).parameters
        required = [name for name in parameters if parameters[name].default is inspect.Parameter.empty]
        arguments: dict[str, Any] = dict.fromkeys(required[1:])  # without self
        values = {**self.checkpoint.settings, **self.parts, **parts}
        arguments |= {name: value for name, value in values.items() if name in parameters}
        pipeline = _on_device(kind, self.device)(**arguments)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def serves(self, other: Model, float8_storage: bool, execution: Execution, usable: Execution) -> bool:
        """Whether this model has the same weights as `other` and is configured like that."""
        own, others = self.checkpoint, other.checkpoint
        same_weights = own.loras == others.loras and own.fingerprint() == others.fingerprint()
        configuration = (self.float8_storage, self.target_execution)
        if not same_weights or configuration != (float8_storage, execution):
            return False
        return self.execution == usable if self.degraded else usable == execution

    def shares_parts(self, other: Model) -> bool:
        """Whether all parts but the denoisers are the same as those of `other`."""
        own, others = self.checkpoint, other.checkpoint
        names = [name for name in own.part_names if name not in self.family.denoisers]
        same_parts = own.fingerprint(*names) == others.fingerprint(*names)
        return same_parts and own.tiny_digest == others.tiny_digest

    def adopt_parts(self, other: Model) -> None:
        """Use the loaded parts of `other` that are the same here; see `shares_parts`."""
        own = {*self.family.denoisers}
        if self.checkpoint.loras or other.checkpoint.loras:
            own.add(CONNECTORS)
        self.parts |= {name: part for name, part in other.parts.items() if name not in own}
        self._streamed |= other._streamed & self.parts.keys()

    def _move(self, name: str, device: torch.device) -> None:
        """Move a part. One that does not arrive as a whole is dropped, for it would be on both sides."""
        try:
            self.parts[name].to(device)
        except BaseException:
            self.unload(name)
            raise

    def _stream(self, name: str) -> None:
        """Have a part stay in the memory of the machine; its blocks, or the layers of an encoder, are on the
        accelerator while they are used."""
        import diffusers

        host, blocks = torch.device("cpu"), name in self.family.denoisers
        self._move(name, host)
        try:
            diffusers.hooks.apply_group_offloading(
                self.parts[name],
                onload_device=self.device,
                offload_device=host,
                offload_type="block_level" if blocks else "leaf_level",
                num_blocks_per_group=1 if blocks else None,
                use_stream=True,
            )
        except BaseException:
            self.unload(name)
            raise
        self._streamed.add(name)

    def _accelerate(self, name: str) -> None:
        if name in self.family.denoisers and name not in self._accelerated:
            self._accelerated.add(name)
            self.execution = acceleration.accelerate(self.parts[name], self.execution)

    def _read(self, name: str) -> Any:
        checkpoint = self.checkpoint
        try:
            kind = checkpoint.part_class(name)
            folder, file = checkpoint.folder / name, checkpoint.single_files.get(name)
            if file is not None:
                dtype, pickle = checkpoint.part_dtype(name), checkpoint.entry.pickle
                part = single_file.load(kind, file, folder, dtype, pickle=pickle)
            elif issubclass(kind, nn.Module):
                part = self._read_folder(kind, name)
            else:
                part = kind.from_pretrained(folder, **self._options(kind, name))
        except HinodeError:
            raise
        except LIBRARY_ERRORS as error:
            raise ModelError(
                f"the part {name} of the model {checkpoint.entry.name} cannot be read: {first_line(error)}",
                "fetch it again, or install what the sentence names",
            ) from error
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
        if name in (*self.family.denoisers, CONNECTORS):
            self._add_loras(name, part)
        if isinstance(part, nn.Module):
            weight_file.check_values(dict(part.named_parameters()), f"{checkpoint.entry.name}/{name}")
        if name in self.family.denoisers and self.float8_storage:
            part.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=checkpoint.dtype)
        return part

    def _read_folder(self, kind: Any, name: str) -> Any:
        """A part with all of its weights: the library gives random values to those that its files lack."""
        folder, options = self.checkpoint.folder / name, self._options(kind, name)
        with quiet():
            part, info = kind.from_pretrained(folder, output_loading_info=True, **options)
        unknown = info["unexpected_keys"]
        if not kind.__module__.startswith("diffusers."):
            known = [*part.state_dict(), *(self.checkpoint.layout(name) or ())]
            unknown = weight_file.beside_weights(unknown, known)
        weight_file.check_names(info["missing_keys"], unknown, f"{self.checkpoint.entry.name}/{name}")
        return part

    def _add_loras(self, name: str, part: Any) -> None:
        checkpoint = self.checkpoint
        remarks = loras.add(checkpoint.loras, name, part, self.family, pickle=checkpoint.entry.pickle)
        self.remarks |= dict.fromkeys(remarks)

    def _options(self, kind: type, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {"local_files_only": True}
        if not kind.__module__.startswith("diffusers."):
            options |= {"trust_remote_code": False}
        if issubclass(kind, nn.Module):
            options |= {"dtype": self.checkpoint.part_dtype(name)}
            options |= {"use_safetensors": None if self.checkpoint.entry.pickle else True}
            variant = self.checkpoint.variant(name)
            options |= {"variant": variant} if variant else {}
        return options


def _on_device(kind: Any, device: torch.device) -> Any:
    """A subclass of a pipeline that computes on `device`, wherever its parts are while they wait."""
    properties = {"device": property(lambda self: device), "_execution_device": property(lambda self: device)}
    return type(kind.__name__, (kind,), {**properties, "__module__": kind.__module__})
