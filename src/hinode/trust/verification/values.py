"""The values of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What is known of a file, or of a manifest in it. The names do not change."""

    TRUSTED = "trusted"
    UNKNOWN_SIGNER = "unknown_signer"
    TAMPERED = "tampered"
    DAMAGED = "damaged"
    NONE = "none"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Finding:
    """Something that the check found out.

    Attributes:
        code: of the standard, such as "assertion.bmffHash.mismatch", or one of `report`.
        text: the same in words.
        is_fault: whether it counts against the file.
    """

    code: str
    text: str
    is_fault: bool = True


@dataclass(frozen=True)
class Watermark:
    """An invisible watermark.

    Attributes:
        algorithm: its name.
        id: that it carries, in hexadecimal digits.
        is_registered: whether this server gave that id.
        carrier: "pictures" or "sound", or "record" for one that was not looked for: the registry says that
            the pictures and the sound are those of a file with it.
        made_at: when the first clip with it was made, in seconds since 1970, if it is registered.
        operation: how that was made, such as "generate", or None.
    """

    algorithm: str
    id: str
    is_registered: bool
    carrier: str = "pictures"
    made_at: float | None = None
    operation: str | None = None


@dataclass(frozen=True)
class Signer:
    """Whom the certificate of a signature names, and until when it is valid."""

    name: str
    organization: str
    issuer: str
    algorithm: str
    serial_number: str
    valid_from: str
    valid_until: str


@dataclass(frozen=True)
class Action:
    """Something that was done; `source` says in words how the result came to be, and `at` says when."""

    code: str
    text: str
    source_type: str = ""
    source: str = ""
    software: str = ""
    at: str = ""


@dataclass(frozen=True)
class Ingredient:
    """A file that another was made from.

    Attributes:
        relationship: in words.
        state: its own; what was signed is checked again, but its pictures were compared only by the program
            that added it, since they are not in this file.
        manifest: its own, or None.
    """

    title: str
    media_type: str
    relationship: str
    state: State
    findings: tuple[Finding, ...]
    manifest: Manifest | None


@dataclass(frozen=True)
class Manifest:
    """One signed record, and what it says.

    Attributes:
        label: its name, which no other has.
        state: of this record alone; that of a file it was made from stands there.
        signed_at: as a time authority says, or "".
        generator: the program that wrote it.
        source_types: addresses of the digital source types of its actions.
        sources: the same in words.
        model: the model that generated, or "".
        oversight: how much a person took part, as the standard names it, or "".
        soft_bindings: algorithms of the watermarks or fingerprints that lead back to this record.
        training: for each use, such as "cawg.ai_training", whether it is allowed.
        uncovered: names of the boxes that the signature leaves out.
    """

    label: str
    title: str
    state: State
    signer: Signer | None
    signed_at: str
    generator: str
    actions: tuple[Action, ...]
    source_types: tuple[str, ...]
    sources: tuple[str, ...]
    model: str
    oversight: str
    soft_bindings: tuple[str, ...]
    training: tuple[tuple[str, str], ...]
    uncovered: tuple[str, ...]
    ingredients: tuple[Ingredient, ...]
    findings: tuple[Finding, ...]

    def all_ingredients(self) -> Iterable[Ingredient]:
        """Those of this manifest, and theirs, from the nearest on."""
        for ingredient in self.ingredients:
            yield ingredient
            if ingredient.manifest is not None:
                yield from ingredient.manifest.all_ingredients()

    def labels(self) -> list[str]:
        """Its label and those of all that it was made from."""
        nodes = [self, *(entry.manifest for entry in self.all_ingredients() if entry.manifest)]
        return list(dict.fromkeys(node.label for node in nodes))
