"""The `HINODE_…` variables of the environment, read and checked."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BeforeValidator, ConfigDict, Field

from hinode.errors import BadInput, quote
from hinode.parsing import Input, Integer, Number, field_names, parse

log = logging.getLogger(__name__)

MAX_THREADS = 1024
MAX_PROBE_SECONDS = 20.0
"""Between two probes, so that a failure shows within a minute though a probe may take half of it."""
MAX_SECONDS = 100 * 366 * 86400.0
MIN_SECRET_LENGTH, MAX_SECRET_LENGTH = 32, 1000
OF_BUCKETS = (
    "store_endpoint",
    "store_public_endpoint",
    "store_worker_endpoint",
    "store_cache",
    "store_cache_gb",
)


def read(environment: Mapping[str, str]) -> dict[str, Any]:
    """The values of the variables that are set, by the names of the fields of `Settings`.

    A variable that looks like a setting and is none, such as a misspelled one, is logged.

    Raises:
        BadInput: a variable has a wrong value.
    """
    names = field_names(Variables)
    for name in environment.keys() - set(names):
        if name.startswith("HINODE_"):
            _warn(name)
    values = {name: environment[name].strip() for name in names if name in environment}
    result = parse(Variables, values, what="the environment").model_dump(exclude_none=True)
    for name in OF_BUCKETS:
        if name in result and not isinstance(result.get("store"), str):
            variable = f"HINODE_{name.upper()}"
            remedy = "set HINODE_STORE to s3://BUCKET/PREFIX, or remove the variable"
            raise BadInput(f"{variable} is set, and HINODE_STORE names no bucket", remedy, field=variable)
    _check_pair(result, "stripe_key", "stripe_webhook_secrets")
    return result


def _check_pair(values: Mapping[str, Any], *names: str) -> None:
    """Refuse one of two settings without the other."""
    there, missing = sorted(names, key=lambda name: name not in values)
    if (there in values) != (missing in values):
        field = f"HINODE_{missing.upper()}"
        raise BadInput(f"{field} is missing, and HINODE_{there.upper()} is set", "set both", field=field)


@lru_cache(maxsize=64)  # once in each process
def _warn(name: str) -> None:
    nearest = difflib.get_close_matches(name, field_names(Variables), n=1)
    remedy = f"the nearest setting is {nearest[0]}" if nearest else "remove it"
    log.warning("the variable %s is no setting and is ignored; %s", name, remedy)


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _store(text: str) -> Path | str:
    """Read a folder, or a bucket as s3://BUCKET/PREFIX."""
    if "://" not in text:
        return _folder(text)
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.-]{1,200}){0,8}/?", text, re.ASCII) is None:
        remedy = "write it like s3://BUCKET or s3://BUCKET/PREFIX, and keys into the AWS_ variables"
        # Not a ValueError, after which the sentence would repeat the value, and a key in it.
        raise BadInput("HINODE_STORE is not the address of a bucket", remedy, field="HINODE_STORE")
    return text.rstrip("/")


def _endpoint(text: str, name: str) -> str:
    if re.fullmatch(r"https?://[\w.-]{1,253}(:[0-9]{1,5})?/?", text, re.ASCII) is None:
        remedy = "write it like https://s3.example.com, without bucket and path"
        raise BadInput(f"{name} is not the address of a server", remedy, field=name)
    return text.rstrip("/")


def _device(text: str) -> str:
    if re.fullmatch("(cpu|mps|cuda)(:[0-9]{1,3})?", text) is None:
        raise ValueError("give cpu, cuda or cuda:1, say")
    return text


def _decimal(text: str) -> str:
    if "e" in text.lower():
        raise ValueError("give a number without an exponent")
    return text


def _boolean(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("give 1 or 0")


def _aliases(text: str) -> dict[str, str]:
    """Read `NAME=ENGINE/MODEL,…`; the model may be left out, for the engine's default."""
    aliases: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([\w.:-]{1,100})\s*=\s*([\w-]{1,64}(?:/[\w./:-]{1,200})?)", pair, re.ASCII)
        if match is None:
            raise ValueError(f"write {quote(pair)} as NAME=ENGINE/MODEL, such as sora-2=native/book")
        if match[1] in aliases:
            raise ValueError(f"keep one of the two entries for {quote(match[1])}")
        aliases[match[1]] = match[2]
    return aliases


def _origins(text: str) -> tuple[str, ...]:
    """Read `ORIGIN,…`; an origin has a scheme, a name and perhaps a port."""
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        if re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://[\w.\[\]:-]{1,200}", origin, re.ASCII) is None:
            raise ValueError(f"write {quote(origin)} like http://localhost:3000, or * for all pages")
    return origins


def _hosts(text: str) -> tuple[str, ...]:
    """Read `NAME,…`, names or addresses without scheme and port."""
    hosts = tuple(part.strip().lower().rstrip(".") for part in text.split(",") if part.strip())
    for host in hosts:
        if re.fullmatch(r"[a-z0-9_.-]{1,253}|[0-9a-f:.]{2,45}", host, re.ASCII) is None:
            raise ValueError(f"write {quote(host)} like studio.example.com, without scheme and port")
    return hosts


def _models(text: str) -> tuple[str, ...]:
    """Read `ENGINE/MODEL,…`, at most one model of each engine, as the status page has one line for each."""
    models = tuple(part.strip() for part in text.split(",") if part.strip())
    for model in models:
        if re.fullmatch(r"[\w-]{1,64}(/[\w./:-]{1,200})?", model, re.ASCII) is None:
            raise ValueError(f"write {quote(model)} as ENGINE/MODEL, such as native/book")
    if len({model.partition("/")[0] for model in models}) < len(models):
        raise ValueError("name one model of each engine")
    return models


def _recipients(text: str) -> tuple[str, ...]:
    recipients = tuple(part.strip() for part in text.split(",") if part.strip())
    for recipient in recipients:
        if re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,253}", recipient) is None:
            raise ValueError(f"write {quote(recipient)} like operator@example.com")
    return recipients


def _smtp_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("smtp", "smtps") and parts.hostname and (parts.port or 1) > 0
        sender = parse_qs(parts.query).get("from", [""])[0] or unquote(parts.username or "")
    except ValueError:
        right, sender = False, ""
    if not right or not re.fullmatch(r"[^@\s]+@[^@\s]+", sender):
        remedy = "write it like smtps://USER:PASSWORD@HOST:465?from=studio@example.com"
        # Not a ValueError, after which the sentence would repeat the value, and the password in it.
        raise BadInput("HINODE_SMTP_URL is not that of a mail server", remedy, field="HINODE_SMTP_URL")
    return text


def _secret(text: str) -> str:
    if not MIN_SECRET_LENGTH <= len(text) <= MAX_SECRET_LENGTH:
        remedy = f"give {MIN_SECRET_LENGTH} to {MAX_SECRET_LENGTH} random characters"
        # Not a ValueError, after which the sentence would repeat the value.
        message = f"HINODE_TRUST_SECRET has {len(text)} characters"
        raise BadInput(message, remedy, field="HINODE_TRUST_SECRET")
    return text


def _stripe_key(text: str) -> str:
    if re.fullmatch(r"[sr]k_[A-Za-z0-9_]{8,250}", text, re.ASCII) is None:
        remedy = "give the secret key of the account, sk_live_… or sk_test_…"
        # Not a ValueError, after which the sentence would repeat the value.
        raise BadInput("HINODE_STRIPE_KEY is no secret key of Stripe", remedy, field="HINODE_STRIPE_KEY")
    return text


def _stripe_secrets(text: str) -> tuple[str, ...]:
    secrets = tuple(part.strip() for part in text.split(",") if part.strip())
    for secret in secrets:
        if re.fullmatch(r"whsec_[A-Za-z0-9+/=_-]{8,250}", secret, re.ASCII) is None:
            name = "HINODE_STRIPE_WEBHOOK_SECRETS"
            remedy = "give the signing secret of the webhook endpoint, whsec_…"
            raise BadInput(f"{name} has something that is no signing secret", remedy, field=name)
    return secrets


def _time_authority(text: str) -> str:
    if re.fullmatch(r"https?://[\w.-]{1,253}(:[0-9]{1,5})?(/[\w./~-]{0,500})?", text, re.ASCII) is None:
        raise ValueError("write it like http://timestamp.example.com/tsr")
    return text


def _address(name: str) -> BeforeValidator:
    return BeforeValidator(partial(_endpoint, name=name))


_Folder = Annotated[Path, BeforeValidator(_folder)]
_Switch = Annotated[bool, BeforeValidator(_boolean)]
_Decimal = Annotated[Number, Field(le=MAX_SECONDS), BeforeValidator(_decimal)]


class Variables(Input):
    """The variables that are set, by the names of the fields of `Settings`."""

    model_config = ConfigDict(alias_generator=lambda name: f"HINODE_{name.upper()}")

    home: _Folder | None = None
    threads: Annotated[Integer, Field(ge=1, le=MAX_THREADS)] | None = None
    device: Annotated[str, BeforeValidator(_device)] | None = None
    upscale: _Switch | None = None
    watermark: _Switch | None = None
    watermark_key: Annotated[str, Field(max_length=200)] | None = None
    notice: Annotated[str, Field(max_length=60)] | None = None
    aigc_producer: Annotated[str, Field(max_length=200)] | None = None
    database_url: str | None = None
    store: Annotated[Path | str, BeforeValidator(_store)] | None = None
    store_endpoint: Annotated[str, _address("HINODE_STORE_ENDPOINT")] | None = None
    store_public_endpoint: Annotated[str, _address("HINODE_STORE_PUBLIC_ENDPOINT")] | None = None
    store_worker_endpoint: Annotated[str, _address("HINODE_STORE_WORKER_ENDPOINT")] | None = None
    store_cache: _Folder | None = None
    store_cache_gb: Annotated[_Decimal, Field(ge=0.1)] | None = None
    aliases: Annotated[dict[str, str], BeforeValidator(_aliases)] | None = Field(None, alias="HINODE_MODELS")
    retention_hours: Annotated[_Decimal, Field(gt=0)] | None = None
    lease_seconds: Annotated[_Decimal, Field(ge=1)] | None = None
    checkpoint_seconds: Annotated[_Decimal, Field(ge=0.1)] | None = None
    slice_seconds: Annotated[_Decimal, Field(ge=0.1)] | None = None
    drain_seconds: Annotated[_Decimal, Field(ge=0, le=3600)] | None = None
    allow_private_urls: _Switch | None = None
    allow_origins: Annotated[tuple[str, ...], BeforeValidator(_origins)] | None = None
    hosts: Annotated[tuple[str, ...], BeforeValidator(_hosts)] | None = None
    smtp_url: Annotated[str, BeforeValidator(_smtp_url)] | None = None
    status: _Switch | None = None
    status_url: Annotated[str, _address("HINODE_STATUS_URL")] | None = None
    status_models: Annotated[tuple[str, ...], BeforeValidator(_models)] | None = None
    status_mail: Annotated[tuple[str, ...], BeforeValidator(_recipients)] | None = None
    status_seconds: Annotated[_Decimal, Field(ge=1, le=MAX_PROBE_SECONDS)] | None = None
    likeness: Literal["attest", "review"] | None = None
    speech_command: Annotated[str, Field(max_length=2000)] | None = None
    takedown_mail: Annotated[tuple[str, ...], BeforeValidator(_recipients)] | None = None
    worker_token: str | None = None
    embed_prompt: _Switch | None = None
    trust_secret: Annotated[str, BeforeValidator(_secret)] | None = None
    trust_signer: str | None = None
    trust_certificates: _Folder | None = None
    time_authority: Annotated[str, BeforeValidator(_time_authority)] | None = None
    verify_anchors: _Folder | None = None
    stripe_key: Annotated[str, BeforeValidator(_stripe_key)] | None = None
    stripe_webhook_secrets: Annotated[tuple[str, ...], BeforeValidator(_stripe_secrets)] | None = None
    stripe_url: Annotated[str, _address("HINODE_STRIPE_URL")] | None = None
    watts: Annotated[_Decimal, Field(gt=0, le=100_000)] | None = None
    testcard_step_seconds: Annotated[_Decimal, Field(ge=0)] | None = None
