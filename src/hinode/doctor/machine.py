"""Checks of this machine: disk, codecs, device, models, port."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Literal

import httpx

from hinode.doctor.installation import Installation
from hinode.errors import DeviceError, ModelError, OutputError, join_names

MIN_FREE_BYTES = 1 << 30
ENCODERS, DECODERS = ("libx264", "aac"), ("h264", "aac")
PICTURES = ("jpg", "zlib", "webp")
HEALTH_SECONDS = 3.0


def check_disk(installation: Installation) -> str:
    """There is some space where files are written."""
    settings = installation.settings
    free = {}
    for folder in (settings.home, settings.store, Path(tempfile.gettempdir())):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free[folder] = shutil.disk_usage(there).free
    full = [folder for folder, count in free.items() if count < MIN_FREE_BYTES]
    if full:
        message = f"less than 1 GiB is free in {join_names(tuple(map(str, full)))}"
        raise OutputError(message, "free some space")
    return f"{min(free.values()) / 2**30:.0f} GiB free"


def check_codecs(installation: Installation) -> str:
    """The libraries of this installation read and write what clips are made of."""
    import av
    from PIL import features

    missing = [
        *(f"the encoder {name}" for name in ENCODERS if not _has_codec(name, "w")),
        *(f"the decoder {name}" for name in DECODERS if not _has_codec(name, "r")),
        *(f"pictures in {name}" for name in PICTURES if not features.check(name)),
    ]
    if missing:
        message = f"the libraries lack {join_names(tuple(missing))}"
        raise OutputError(message, "install the packages av and pillow from their wheels")
    return f"H.264, AAC, JPEG, PNG and WebP, by PyAV {av.__version__}"


def _has_codec(name: str, mode: Literal["r", "w"]) -> bool:
    import av

    try:
        av.Codec(name, mode)
    except av.error.FFmpegError:
        return False
    return True


def check_device(installation: Installation) -> str:
    """torch computes on the device of the settings."""
    import torch

    name = installation.settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        total = float(torch.ones(64, 64, device=device).sum())
        text = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        message = f"torch {torch.__version__} cannot compute on {name}: {str(error).splitlines()[0]}"
        raise DeviceError(message, "check the driver, and HINODE_DEVICE") from error
    if total != 64 * 64:
        raise DeviceError(f"torch {torch.__version__} computes wrongly on {name}", "check the device")
    return f"{text}, by torch {torch.__version__}"


def check_models(installation: Installation) -> str:
    """There is a model that can be used."""
    from hinode.engines import inventory

    items = inventory.items(installation.settings)
    usable, others = [item for item in items if item.usable], [item for item in items if not item.usable]
    if not usable:
        raise ModelError("there is no usable model", "see `hinode models list`")
    text = f"{len(usable)} usable, such as {usable[0].engine}/{usable[0].name}"
    return f"{text}; {len(others)} not, see `hinode models list`" if others else text


def check_port(installation: Installation) -> str:
    """The server can listen, or listens already."""
    from hinode.api.serving import serve

    host, port = installation.host, installation.port
    try:
        with serve.listening(host, port):
            return f"{port} is free"
    except serve.ListenError:
        if not _answers(host, port):
            raise
    return f"a server of Hinode listens on {port}"


def _answers(host: str, port: int) -> bool:
    name = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.get(f"http://{name}:{port}/healthz", timeout=HEALTH_SECONDS, trust_env=False)
        return bool(answer.json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False
