"""Settings from the environment, read once at the edge of the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from platformdirs import user_data_path

HOUR = 3600.0
GB = 10**9


@dataclass(frozen=True)
class Settings:
    """Where Hinode keeps its state and how much of the machine it may use.

    Attributes:
        home: folder of everything that outlives a command: models, logs, jobs and keys. It is made when
            something is first written to it. `HINODE_HOME`; by default the platform's data folder.
        threads: processor threads for the model, or None for torch's own choice. `HINODE_THREADS`; the
            command applies it before torch is imported, see `thread_variables`.
        watermark: whether clips carry an invisible mark. `HINODE_WATERMARK`, 1.
        watermark_key: who knows it finds the marks of this installation, and can remove them; "" for the
            public key, with which every Hinode finds them. `HINODE_WATERMARK_KEY`.
        notice: words that every clip shows at its bottom, such as "AI-generated", or "". `HINODE_NOTICE`.
        aigc_producer: name or code of this service for the key `AIGC` that Chinese law asks for in the
            metadata of files, or "" to leave it out. `HINODE_AIGC_PRODUCER`.
        device: where the model runs, such as "cpu" or "cuda:1", or None for a GPU if there is one.
            `HINODE_DEVICE`.
        upscale: whether a network enlarges the clips of the native engine before they are resized.
            `HINODE_UPSCALE`, 1.
        database_url: where jobs, keys and webhooks are recorded. `HINODE_DATABASE_URL`; by default the SQLite
            file `hinode.db` in `home`.
        store: folder of the finished clips, the uploads and the saved states of runs; every machine of a
            fleet sees the same one. `HINODE_STORE`; by default `store` in `home`. With a bucket, the cache of
            its files on this machine: `HINODE_STORE_CACHE`, by default `store-cache` in `home`.
        store_url: bucket of those files instead of a folder, such as "s3://bucket/prefix", or "".
            `HINODE_STORE`.
        store_endpoint: address of an S3-compatible server, or "" for AWS. `HINODE_STORE_ENDPOINT`.
        store_public_endpoint: its address for clients of the API, who are sent there for finished clips; ""
            to send them ourselves. `HINODE_STORE_PUBLIC_ENDPOINT`.
        store_worker_endpoint: its address for workers over HTTP, who send their files there; "" to receive
            them ourselves. `HINODE_STORE_WORKER_ENDPOINT`.
        store_cache_bytes: size of the cache. `HINODE_STORE_CACHE_GB`, 10.
        aliases: names that clients use for a model, such as {"sora-2": "native/book"}. `HINODE_MODELS`, as
            `NAME=ENGINE/MODEL,…`.
        retention_seconds: how long the files of a finished job are kept. `HINODE_RETENTION_HOURS`, 168.
        lease_seconds: how long a worker may be silent before another one takes over its job.
            `HINODE_LEASE_SECONDS`, 15.
        checkpoint_seconds: how often the state of a run is saved. `HINODE_CHECKPOINT_SECONDS`, 10.
        slice_seconds: how long a job runs before another one may preempt it. `HINODE_SLICE_SECONDS`, 10.
        drain_seconds: how long the server answers after the first signal to stop, or None for 5 if other
            machines can reach it and 0 if not. `HINODE_DRAIN_SECONDS`.
        allow_private_urls: whether webhooks and image links may point into the private network or to this
            machine. `HINODE_ALLOW_PRIVATE_URLS`, 0.
        allow_origins: web pages that may call the API, such as ("http://localhost:3000",); ("*",) for all.
            `HINODE_ALLOW_ORIGINS`, separated by commas.
        hosts: names under which the server may be asked besides its own, such as ("studio.example.com",).
            `HINODE_HOSTS`, separated by commas.
        smtp_url: server for mail to members, or "". `HINODE_SMTP_URL`, as
            `smtps://USER:PASSWORD@HOST:PORT?from=ADDRESS`.
        status: whether `hinode serve` probes itself for the status page. `HINODE_STATUS`, 0.
        status_url: address of the server for its probes, such as its public one, or "" for the one that it
            listens on. `HINODE_STATUS_URL`.
        status_models: models whose clips are probed, such as ("native/book",), or empty for those of this
            machine. `HINODE_STATUS_MODELS`, separated by commas.
        status_mail: addresses that incidents are mailed to. `HINODE_STATUS_MAIL`, separated by commas.
        status_seconds: between two probes of a component. `HINODE_STATUS_SECONDS`, 15.
        likeness: what happens to pictures and videos from outside where no guard sees people: "attest":
            somebody confirms the rights once for each project; "review": a reviewer accepts each file first,
            for servers that are open to strangers. `HINODE_LIKENESS`, attest.
        speech_command: command that reads a WAV file from its standard input and prints what is said, for
            the screening of sound, or "". `HINODE_SPEECH_COMMAND`.
        takedown_mail: addresses that notices of takedown are mailed to. `HINODE_TAKEDOWN_MAIL`, separated by
            commas; by default those of `HINODE_STATUS_MAIL`.
        worker_token: with which `hinode worker --server` acts, or "". `HINODE_WORKER_TOKEN`.
        embed_prompt: whether a file says the prompt that it was made from. `HINODE_EMBED_PROMPT`, 0.
        trust_secret: what the keys that sign files are encrypted by; "" for a random one in `home`. Servers
            of one database share it. `HINODE_TRUST_SECRET`.
        trust_signer: command that signs what it reads with ES256, instead of a key of this machine, or "".
            `HINODE_TRUST_SIGNER`.
        trust_certificates: PEM file with the certificates of that signer, the leaf first and the root last.
            `HINODE_TRUST_CERTIFICATES`.
        time_authority: address of an RFC 3161 time-stamping authority, or "". `HINODE_TIME_AUTHORITY`.
        verify_anchors: PEM file of further authorities to trust in files of others, or None.
            `HINODE_VERIFY_ANCHORS`.
        stripe_key: secret key of the Stripe account that packs of credit are paid through, or "".
            `HINODE_STRIPE_KEY`.
        stripe_webhook_secrets: with which Stripe signs its webhooks; several while one is replaced.
            `HINODE_STRIPE_WEBHOOK_SECRETS`, separated by commas.
        stripe_url: address of Stripe's API; another one for what stands in for it. `HINODE_STRIPE_URL`.
        watts: what this machine draws while it works, for the energy of clips where no counter can be read,
            or None. `HINODE_WATTS`.
        testcard_step_seconds: duration of one step of the engine testcard. `HINODE_TESTCARD_STEP_SECONDS`, 0.
    """

    home: Path
    threads: int | None = None
    device: str | None = None
    watermark: bool = True
    watermark_key: str = field(default="", repr=False)
    notice: str = ""
    aigc_producer: str = ""
    upscale: bool = True
    database_url: str = field(default="", repr=False)  # it may hold a password
    store: Path = Path()
    store_url: str = ""
    store_endpoint: str = ""
    store_public_endpoint: str = ""
    store_worker_endpoint: str = ""
    store_cache_bytes: int = 10 * GB
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    retention_seconds: float = 168 * HOUR
    lease_seconds: float = 15.0
    checkpoint_seconds: float = 10.0
    slice_seconds: float = 10.0
    drain_seconds: float | None = None
    allow_private_urls: bool = False
    allow_origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    smtp_url: str = field(default="", repr=False)
    status: bool = False
    status_url: str = ""
    status_models: tuple[str, ...] = ()
    status_mail: tuple[str, ...] = ()
    status_seconds: float = 15.0
    likeness: Literal["attest", "review"] = "attest"
    speech_command: str = ""
    takedown_mail: tuple[str, ...] = ()
    worker_token: str = field(default="", repr=False)
    embed_prompt: bool = False
    trust_secret: str = field(default="", repr=False)
    trust_signer: str = ""
    trust_certificates: Path | None = None
    time_authority: str = ""
    verify_anchors: Path | None = None
    stripe_key: str = field(default="", repr=False)
    stripe_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    stripe_url: str = "https://api.stripe.com"
    watts: float | None = None
    testcard_step_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not self.database_url:
            path = quote((self.home / "hinode.db").as_posix(), safe=" +/:")
            object.__setattr__(self, "database_url", f"sqlite:///{path}")
        if self.store == Path():
            object.__setattr__(self, "store", self.home / ("store-cache" if self.store_url else "store"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the `HINODE_…` variables; an empty one counts as not set, a wrong value raises BadInput."""
        from hinode import environment as variables  # with pydantic, which `hinode --help` does without

        values = variables.read(environment)
        values.setdefault("home", user_data_path("hinode", appauthor=False))
        cache = values.pop("store_cache", None)
        if isinstance(values.get("store"), str):
            values["store_url"] = values.pop("store")
            values |= {} if cache is None else {"store": cache}
        if "store_cache_gb" in values:
            values["store_cache_bytes"] = int(values.pop("store_cache_gb") * GB)
        if "retention_hours" in values:
            values["retention_seconds"] = values.pop("retention_hours") * HOUR
        return cls(**values)

    @property
    def models(self) -> Path:
        """Folder of weight files that the person added: `NAME.safetensors` is model `NAME`."""
        return self.home / "models"

    @property
    def policy(self) -> Path:
        """The operator's policy of screening; without this file the one that Hinode ships holds."""
        return self.home / "policy.yaml"

    @property
    def trust(self) -> Path:
        """Folder of the keys and signed statements of this installation."""
        return self.home / "trust"

    @property
    def logs(self) -> Path:
        """Folder of the tracebacks of faults."""
        return self.home / "logs"


def thread_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables from which torch takes the behaviour of its threads when it is imported, as far as the
    environment leaves them open."""
    # A thread that waits for others sleeps. By default it spins, and beside one busy process the processor
    # then has more threads than cores that never rest: a clip takes several times as long.
    variables = {"OMP_WAIT_POLICY": environment.get("OMP_WAIT_POLICY") or "PASSIVE"}
    if threads := environment.get("HINODE_THREADS", "").strip():
        variables["OMP_NUM_THREADS"] = threads
    return variables
