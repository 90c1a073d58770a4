"""LoRAs as they are written on the command line: `PATH[:WEIGHT][@PROFILE,...][@NOISE][#STEPS[,SHIFT]]`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path

from hinode.errors import BadInput, join_names, quote
from hinode.licensing import licences
from hinode.registry.entry import MAX_STEPS, NOISES, Lora, Remote
from hinode.registry.profiles import PROFILES

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf"
_LORA = re.compile(
    rf"(?P<source>.+?)(?::(?P<weight>{_NUMBER}))?(?:@(?P<profiles>[a-z]+(?:,[a-z]+)*))??"
    rf"(?:@(?P<noise>{'|'.join(NOISES)}))?"
    rf"(?:#(?P<steps>\d+)(?:,(?P<shift>{_NUMBER}))?)?"
)
# "low poly" is a style, so a bare "low" counts only in capitals or at the end, where trainers put it.
_END = r"(?:[^A-Za-z0-9]+(?:v?\d[\w.]*|fp\d+|bf16|rank\d+|e(?:poch)?\d*|steps?\d*|a?14b|lora|model))*$"
_NOISES = {
    noise: re.compile(
        rf"(?i:(?<![a-z]){noise}[ _.-]?noise)"
        rf"|(?<![A-Za-z])(?:{noise.upper()}|{noise[0].upper()}N)(?![A-Za-z])"
        rf"|(?i:(?<![a-z])(?:{noise}|{noise[0]}n|{noise[0]}){_END})"
    )
    for noise in ("high", "low")
}
"""How the name of a file, or of its folder, says for which denoiser it is."""


def parse(texts: Sequence[str], licence_keys: Sequence[str] = ()) -> tuple[Lora, ...]:
    """Read LoRAs from the command line; BadInput if a text or a licence is wrong.

    Args:
        texts: each a file on this machine or on the hub, and after it `:WEIGHT` if that is not 1,
            `@PROFILE,...` if it is not for all profiles, `@high`, `@low` or `@both` if the name of the file
            does not say for which of two denoisers it is, and `#STEPS`, or `#STEPS,SHIFT`, if it distils the
            model.
        licence_keys: keys of `licences.LICENCES`, or "" where it is not known: none, one for all LoRAs, or
            one for each in order.
    """
    loras = [_parse(text) for text in texts]
    if not licence_keys:
        return tuple(loras)
    if len(licence_keys) not in (1, len(loras)) or not loras:
        message = f"--lora-licence is given {len(licence_keys)} times and --lora {len(loras)} times"
        remedy = "give it once for all LoRAs, or once for each in their order"
        raise BadInput(message, remedy, field="lora-licence")
    keys = [licences.find(key).key if key else "" for key in licence_keys]
    if len(keys) == 1:
        keys *= len(loras)
    return tuple(dataclasses.replace(lora, licence=key) for lora, key in zip(loras, keys, strict=True))


def _parse(text: str) -> Lora:
    match = _LORA.fullmatch(text)
    if match is None or Path(text).expanduser().is_file():
        return Lora(text)
    source, weight, steps, shift = match["source"], _finite(match["weight"], 1.0), 0, 0.0
    profiles = tuple(match["profiles"].split(",")) if match["profiles"] else ()
    unknown = [name for name in profiles if name not in PROFILES]
    if unknown and len(profiles) == 1 and (remote := Remote.of(source)) is not None and not remote.revision:
        # A branch or a tag of the hub, such as `org/repo/fast.safetensors@main`.
        source, profiles = f"{source}@{profiles[0]}", ()
    elif unknown:
        message = f"there is no profile {quote(unknown[0])}"
        remedy = f"choose {join_names(PROFILES, 'or')}, several with commas between"
        raise BadInput(message, remedy, field="lora")
    if match["steps"]:
        steps, shift = int(match["steps"]), _finite(match["shift"], 0.0)
    if steps > MAX_STEPS or shift < 0:
        message = f"a LoRA cannot distil a model to {steps} steps with the timestep shift {shift:g}"
        remedy = f"give 1 to {MAX_STEPS} steps and a positive shift, such as #4 or #4,5"
        raise BadInput(message, remedy, field="lora")
    return Lora(source, weight, profiles, steps, shift, noise=match["noise"] or "")


def noise_of(lora: Lora) -> str:
    """For which denoiser of a family that has two a LoRA is: "high", "low", or "" for both. If the entry does
    not say so, the name of the file does, or that of its folder."""
    if lora.noise:
        return lora.noise if lora.noise != "both" else ""
    remote = Remote.of(lora.source)
    path = Path(remote.path if remote is not None else lora.source)
    for name in (path.stem, path.parent.name):
        if {"high", "low"} <= {*re.split("[^a-z]+", name.lower())}:
            return ""
        noises = {noise for noise, pattern in _NOISES.items() if pattern.search(name)}
        if noises:
            return noises.pop() if len(noises) == 1 else ""
    return ""


def _finite(text: str | None, default: float) -> float:
    number = default if text is None else float(text)
    if not math.isfinite(number):
        raise BadInput(f"a LoRA cannot have {quote(str(text))}", "give a number such as 0.8", field="lora")
    return number
