"""What the environment decides, read once at the edge of the process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from hinode.errors import BadInput, shown

MOST_THREADS = 1024


@dataclass(frozen=True)
class Settings:
    """Where Hinode keeps its state and how much of the machine it may use.

    Attributes:
        home: folder of everything that outlives a command: models, logs, later keys and jobs. It is made when
            something is first written to it. `HINODE_HOME`; by default the platform's data folder.
        threads: processor threads for the model, or None for torch's own choice. `HINODE_THREADS`.
        device: where the model runs, such as "cpu" or "cuda:1", or None for a GPU if there is one.
            `HINODE_DEVICE`.
    """

    home: Path
    threads: int | None = None
    device: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the `HINODE_…` variables of `environment`; one that is empty counts as not set.

        Raises:
            BadInput: a variable holds something that it cannot mean.
        """
        home = environment.get("HINODE_HOME", "").strip()
        return cls(
            home=Path(home).expanduser().absolute() if home else user_data_path("hinode", appauthor=False),
            threads=_threads(environment.get("HINODE_THREADS", "").strip()),
            device=_device(environment.get("HINODE_DEVICE", "").strip()),
        )

    @property
    def models(self) -> Path:
        """Folder of weight files that the person added: `NAME.safetensors` is model `NAME`."""
        return self.home / "models"

    @property
    def logs(self) -> Path:
        """Folder of the tracebacks of faults."""
        return self.home / "logs"


def _threads(text: str) -> int | None:
    if not text:
        return None
    if re.fullmatch("[0-9]{1,9}", text) is None or not 1 <= int(text) <= MOST_THREADS:
        raise BadInput(
            f"HINODE_THREADS is {shown(text)}",
            f"give a whole number from 1 to {MOST_THREADS} or leave it unset",
            field="HINODE_THREADS",
        )
    return int(text)


def _device(text: str) -> str | None:
    if not text:
        return None
    if re.fullmatch("(cpu|mps|cuda)(:[0-9]{1,3})?", text) is None:
        raise BadInput(
            f"HINODE_DEVICE is {shown(text)}", "give cpu, cuda or cuda:1, say", field="HINODE_DEVICE"
        )
    return text
