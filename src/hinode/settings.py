"""What the environment decides, read once at the edge of the process."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from hinode.errors import BadInput, quote

MAX_THREADS = 1024
MAX_SECONDS = 100 * 366 * 86400.0
HOUR = 3600.0


@dataclass(frozen=True)
class Settings:
    """Where Hinode keeps its state and how much of the machine it may use.

    Attributes:
        home: folder of everything that outlives a command: models, logs, jobs and keys. It is made when
            something is first written to it. `HINODE_HOME`; by default the platform's data folder.
        threads: processor threads for the model, or None for torch's own choice. `HINODE_THREADS`.
        device: where the model runs, such as "cpu" or "cuda:1", or None for a GPU if there is one.
            `HINODE_DEVICE`.
        upscale: whether clips of our own models are enlarged by a network before they are resized.
            `HINODE_UPSCALE`, 1.
        database_url: where jobs, keys and webhooks are recorded. `HINODE_DATABASE_URL`; by default the SQLite
            file `hinode.db` in `home`.
        store: folder of the finished clips, the uploads and the saved states of runs; every machine of a
            fleet sees the same one. `HINODE_STORE`; by default `store` in `home`.
        aliases: names that clients use for a model, such as {"sora-2": "native/nano"}. `HINODE_MODELS`, as
            `NAME=ENGINE/MODEL,…`.
        retention_seconds: how long the files of a finished job are kept. `HINODE_RETENTION_HOURS`, 168.
        lease_seconds: how long a worker may be silent before another takes over its job.
            `HINODE_LEASE_SECONDS`, 15.
        checkpoint_seconds: how often the state of a run is saved. `HINODE_CHECKPOINT_SECONDS`, 10.
        slice_seconds: how long a job runs before it may have to give way to one more due.
            `HINODE_SLICE_SECONDS`, 15.
        allow_private_urls: whether webhooks and image links may point into the private network or to this
            machine. `HINODE_ALLOW_PRIVATE_URLS`, 0.
        testcard_step_seconds: what one step of the test card engine takes. `HINODE_TESTCARD_STEP_SECONDS`, 0.
    """

    home: Path
    threads: int | None = None
    device: str | None = None
    upscale: bool = True
    database_url: str = field(default="", repr=False)  # it may hold a password
    store: Path = Path()
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    retention_seconds: float = 168 * HOUR
    lease_seconds: float = 15.0
    checkpoint_seconds: float = 10.0
    slice_seconds: float = 15.0
    allow_private_urls: bool = False
    testcard_step_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{(self.home / 'hinode.db').as_posix()}")
        if self.store == Path():
            object.__setattr__(self, "store", self.home / "store")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the `HINODE_…` variables of `environment`; one that is empty counts as not set.

        Raises:
            BadInput: a variable holds something that it cannot mean.
        """

        def text(name: str) -> str:
            return environment.get(name, "").strip()

        def seconds(name: str, default: float, *, least: float = 0.1, unit: float = 1.0) -> float:
            return _seconds(name, text(name), default, least=least, unit=unit)

        home, store = text("HINODE_HOME"), text("HINODE_STORE")
        return cls(
            home=Path(home).expanduser().absolute() if home else user_data_path("hinode", appauthor=False),
            threads=_threads(text("HINODE_THREADS")),
            device=_device(text("HINODE_DEVICE")),
            upscale=_switch("HINODE_UPSCALE", text("HINODE_UPSCALE") or "1"),
            database_url=text("HINODE_DATABASE_URL"),
            store=Path(store).expanduser().absolute() if store else Path(),
            aliases=_aliases(text("HINODE_MODELS")),
            retention_seconds=seconds("HINODE_RETENTION_HOURS", cls.retention_seconds, unit=HOUR),
            lease_seconds=seconds("HINODE_LEASE_SECONDS", cls.lease_seconds, least=1.0),
            checkpoint_seconds=seconds("HINODE_CHECKPOINT_SECONDS", cls.checkpoint_seconds),
            slice_seconds=seconds("HINODE_SLICE_SECONDS", cls.slice_seconds),
            allow_private_urls=_switch("HINODE_ALLOW_PRIVATE_URLS", text("HINODE_ALLOW_PRIVATE_URLS")),
            testcard_step_seconds=seconds(
                "HINODE_TESTCARD_STEP_SECONDS", cls.testcard_step_seconds, least=0.0
            ),
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
    if re.fullmatch("[0-9]{1,9}", text) is None or not 1 <= int(text) <= MAX_THREADS:
        raise BadInput(
            f"HINODE_THREADS is {quote(text)}",
            f"give a whole number from 1 to {MAX_THREADS} or leave it unset",
            field="HINODE_THREADS",
        )
    return int(text)


def _device(text: str) -> str | None:
    if not text:
        return None
    if re.fullmatch("(cpu|mps|cuda)(:[0-9]{1,3})?", text) is None:
        raise BadInput(
            f"HINODE_DEVICE is {quote(text)}", "give cpu, cuda or cuda:1, say", field="HINODE_DEVICE"
        )
    return text


def _seconds(name: str, text: str, default: float, *, least: float, unit: float) -> float:
    """The length of time that `text` gives in units of `unit` seconds, or `default` if it is empty."""
    if not text:
        return default
    # Not float() alone: it also reads "nan", "1_0" and other alphabets' digits.
    number = float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,12})?", text) else math.nan
    if not least <= number * unit <= MAX_SECONDS:
        word = "hours" if unit == HOUR else "seconds"
        raise BadInput(
            f"{name} is {quote(text)}",
            f"give a number of {word} from {least / unit:.2g} up or leave it unset",
            field=name,
        )
    return number * unit


def _switch(name: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("", "0", "false", "no", "off"):
        return False
    raise BadInput(f"{name} is {quote(text)}", "give 1 or 0", field=name)


def _aliases(text: str) -> Mapping[str, str]:
    """Read `NAME=ENGINE/MODEL,…`; the model may be left out, for the engine's default."""
    aliases: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([\w.:-]{1,100})\s*=\s*([\w-]{1,64}(?:/[\w./:-]{1,200})?)", pair, re.ASCII)
        if match is None:
            raise BadInput(
                f"HINODE_MODELS has {quote(pair)} in it",
                "write NAME=ENGINE/MODEL, several with commas between, such as sora-2=native/nano",
                field="HINODE_MODELS",
            )
        if match[1] in aliases:
            raise BadInput(
                f"HINODE_MODELS says twice what {quote(match[1])} is", "keep one", field="HINODE_MODELS"
            )
        aliases[match[1]] = match[2]
    return aliases
