"""Whether a quick way to compute a denoiser gives what the plain way gives on this machine. The first pass of
the first clip is computed both ways; the result is kept on disk for this device and these versions."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from hinode.engines.diffusers.loading.acceleration import UNACCELERATED, Execution
from hinode.errors import EngineError, OutputError
from hinode.output import replace_file
from hinode.registry.families.family import Family

log = logging.getLogger(__name__)

MAX_ERROR = 0.1
"""Largest relative error of one pass. Float8 rounds to 1/16 of a value at most; a broken kernel is off by far
more."""
PACKAGES = ("torch", "diffusers", "torchao", "sageattention", "flash_attn_3")


@dataclass
class SelfTests:
    """The tests of this machine.

    Attributes:
        folder: holds a file for each that was carried out.
        failures: ways that failed with an error in this process, by key.
    """

    folder: Path
    failures: set[str] = field(default_factory=set)

    def usable(self, execution: Execution, family: Family, device: torch.device) -> Execution:
        """What of an execution did not fail before. Blocks are reused by the plain way too."""
        if self.failed(execution, family, device):
            execution = replace(UNACCELERATED, reusing=execution.reusing)
        return UNACCELERATED if self.failed(execution, family, device) else execution

    def due(self, execution: Execution, family: Family, device: torch.device) -> bool:
        """Whether an execution has to be compared with the plain way before it is used."""
        return bool(_facts(execution)) and not self._file(execution, family, device).is_file()

    def failed(self, execution: Execution, family: Family, device: torch.device) -> bool:
        """Whether an execution failed, or gave other numbers than the plain way."""
        if _key(execution, family, device) in self.failures:
            return True
        try:
            values = json.loads(self._file(execution, family, device).read_text(encoding="utf-8"))
            return not float(values["error"]) <= MAX_ERROR
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def record_failure(self, execution: Execution, family: Family, device: torch.device) -> None:
        """Note that an execution failed with an error; it is not tried again in this process."""
        self.failures.add(_key(execution, family, device))

    def compare(
        self,
        execution: Execution,
        family: Family,
        device: torch.device,
        output: Sequence[Tensor],
        reference: Sequence[Tensor],
    ) -> None:
        """Record how far the results of a pass are from those of the plain way, unless that was used.

        Raises:
            EngineError: too far.
        """
        if not _facts(execution):
            return
        error = max(relative_error(own, other) for own, other in zip(output, reference, strict=True))
        facts = {
            "error": error,
            "maximum": MAX_ERROR,
            "execution": execution.description,
            "family": family.name,
        }
        log.info("self-test of the denoiser %s: relative error %.4f", execution.description, error)
        file = self._file(execution, family, device)
        with contextlib.suppress(OSError, OutputError):  # then it is tested again next time
            self.folder.mkdir(parents=True, exist_ok=True)
            with replace_file(file) as part:
                part.write_text(json.dumps(facts), encoding="utf-8")
        if not error <= MAX_ERROR:
            raise EngineError(f"a pass {execution.description} is off by {error:.1%}; see {file}")

    def _file(self, execution: Execution, family: Family, device: torch.device) -> Path:
        return self.folder / f"{_key(execution, family, device)}.json"


def relative_error(output: Tensor, reference: Tensor) -> float:
    """Norm of the difference over that of the plain result; NaN if either has values that are not numbers."""
    difference = torch.linalg.vector_norm(output.float() - reference.float())
    return float(difference / torch.linalg.vector_norm(reference.float()).clamp(min=1e-12))


def _facts(execution: Execution) -> list[str | bool]:
    """What of an execution has to be tested; nothing for the plain way."""
    quick = replace(execution, reusing=False)
    return [] if quick == UNACCELERATED else [quick.bits, quick.compiled, quick.attention]


def _key(execution: Execution, family: Family, device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    versions = []
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{package} {metadata.version(package)}")
    facts = [_facts(execution) or [execution.reusing], family.name, name, versions]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
