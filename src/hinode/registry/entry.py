"""An added model as a value: what it is, where its weights come from, and on what terms."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, with_config

from hinode.licensing import licences
from hinode.parsing import Integer, Number
from hinode.registry.profiles import PROFILES, STANDARD

MAX_STEPS = 200
"""Most steps that a LoRA may be distilled to."""

NOISES = ("high", "low", "both")
"""Denoisers that a LoRA may be for."""

_REMOTE = re.compile(r"([\w.-]+/[\w.-]+?)((?:/[^/@\\]+)*)(?:@([\w.-]+))?", re.ASCII)

ProfileName = Annotated[str, Field(pattern=f"^({'|'.join(PROFILES)})$")]
LicenceKey = Annotated[str, AfterValidator(lambda key: licences.find(key).key)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Lora:
    """Low-rank weights that are added to those of the model.

    Attributes:
        source: a file on this machine, or one on the hub; see `Remote`.
        weight: factor; 1 for the strength that they were trained with.
        profiles: profiles that they are for; empty for all.
        steps: steps that they distil the model to, without guidance; 0 if they do not.
        shift: timestep shift that they were distilled with; 0 for that of the family.
        noise: in a family with two denoisers, the one that they are for: NOISES; "" for what the name of the
            file says (see `loras.noise_of`).
        licence: key of `licences.LICENCES`; "" if it is not stated.
    """

    source: str
    weight: Number = 1.0
    profiles: tuple[ProfileName, ...] = ()
    steps: Annotated[Integer, Field(ge=0, le=MAX_STEPS)] = 0
    shift: Annotated[Number, Field(ge=0)] = 0.0
    licence: LicenceKey = ""
    noise: Annotated[str, Field(pattern=f"^({'|'.join(NOISES)})?$")] = ""


@dataclass(frozen=True)
class Entry:
    """An added model. Its references (source, second, base, decoder, LoRAs) are paths or places on the hub.
    The annotations check what is read from a file.

    Attributes:
        name: what clients ask for; the stem of the file.
        engine: engine that runs it.
        family: key of `families.FAMILIES`.
        source: a folder or a single file; absolute if it is a path.
        revision: of a source on the hub; a commit once it was pulled. "" for a path.
        files: SHA-256 in hexadecimal of every file, by its key (see `paths.key_of`). Empty until everything
            on the hub was pulled.
        profile: profile of requests that name none.
        loras: in the order in which they are added.
        licence: of the weights, a key of `licences.LICENCES`.
        base: for a single file: the folder, or repository, with the other parts of the pipeline.
        decoder: file of a tiny decoder; see `tiny_decoders`.
        pickle: whether the operator allows weights that can run code.
        eight_bits: whether the denoiser has 8-bit weights on a processor too, in all profiles but the best.
        second: for a single file of a family with two denoisers: the file of the second one.
    """

    name: str
    engine: str
    family: str
    source: str
    revision: str = ""
    files: Mapping[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = field(
        default_factory=dict, hash=False
    )
    profile: ProfileName = STANDARD
    loras: tuple[Lora, ...] = ()
    licence: LicenceKey = ""
    base: str = ""
    decoder: str = ""
    pickle: StrictBool = False
    eight_bits: StrictBool = False
    second: str = ""

    def with_profile(self, profile: str) -> Entry:
        """The same model under another profile, with the LoRAs that are for it."""
        loras = tuple(lora for lora in self.loras if not lora.profiles or profile in lora.profiles)
        return dataclasses.replace(self, profile=profile, loras=loras)

    @property
    def terms(self) -> str:
        """The licences of all its weights, as an SPDX expression.

        Base and second file have the licence of the model. Tiny decoders are under MIT, which requires
        nothing of those who generate clips.
        """
        return licences.combine(self.licence, *(lora.licence for lora in self.loras))

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """Every reference with the name of its field; the source first."""
        references = (
            (self.source, "source"),
            (self.second, "second"),
            (self.base, "base"),
            (self.decoder, "decoder"),
            *((lora.source, "lora") for lora in self.loras),
        )
        return tuple((reference, name) for reference, name in references if reference or name == "source")

    def map_references(self, change: Callable[[str, str], str]) -> Entry:
        """The same model with `change(reference, field)` in place of each of its `references`."""
        fields: dict[str, Any] = {
            name: change(reference, name) for reference, name in self.references if name != "lora"
        }
        loras = (dataclasses.replace(lora, source=change(lora.source, "lora")) for lora in self.loras)
        return dataclasses.replace(self, **fields, loras=tuple(loras))

    @property
    def remote(self) -> bool:
        """Whether any of it comes from the hub."""
        return any(Remote.of(reference) is not None for reference, _ in self.references)

    @property
    def pulled(self) -> bool:
        """Whether everything is on this machine, as far as the entry knows."""
        return bool(self.files)


@dataclass(frozen=True)
class Remote:
    """A place on the hub, written `ORG/REPO[/PATH/FILE][@REVISION]`.

    Attributes:
        repository: "org/repo".
        path: of one file in it, or "" for all that a pipeline loads.
        revision: a commit, a branch or a tag; "" for the newest.
    """

    repository: str
    path: str = ""
    revision: str = ""

    @classmethod
    def of(cls, reference: str) -> Remote | None:
        """The place that a reference names, or None if it is a path on this machine."""
        if Path(reference).is_absolute() or reference.startswith((".", "~")):
            return None
        match = _REMOTE.fullmatch(reference)
        if match is None or ".." in reference.split("/"):
            return None
        return cls(match[1], match[2].lstrip("/"), match[3] or "")

    def __str__(self) -> str:
        path = f"/{self.path}" if self.path else ""
        return f"{self.repository}{path}" + (f"@{self.revision}" if self.revision else "")
