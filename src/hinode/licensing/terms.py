"""The terms of the licences of model weights; the data is in `licences.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from pydantic import TypeAdapter

from hinode.licensing.operator import parse_territories

READINGS = {
    "full text": "the whole text was read",
    "copy": "the whole text was read in a copy that others published",
    "sister text": "the whole text was read as it stands for another model of the same maker",
    "excerpts": "only excerpts of the text were read",
    "second-hand": "the text was not read, only what others quote from it",
    "unread": "nothing of it was read",
}
"""How much of a licence's text was read for `licences.toml`. The text itself decides."""


@dataclass(frozen=True)
class Ceiling:
    """A size up to which a licence holds, with `inclusive` also at exactly that size."""

    clause: str
    maximum: int
    inclusive: bool

    def exceeded_by(self, amount: float) -> bool:
        return amount > self.maximum or (amount == self.maximum and not self.inclusive)


@dataclass(frozen=True)
class Duty:
    """Something that a licence requires, in plain words, and the clause that says so."""

    clause: str
    text: str


@dataclass(frozen=True)
class Licence:
    """The terms that a program can act on, and the rest in plain words.

    Attributes:
        key: SPDX identifier, or a name of ours where SPDX has none.
        reading: key of `READINGS`.
        licensor: who grants it, and can grant another licence.
        excluded: ISO 3166-1 codes of the territories where it grants nothing.
        revenue: highest annual revenue in US dollars, all companies under one control together.
        users: highest number of users, or visits, a month.
        registration: what to do before any commercial use.
        noncommercial: where it forbids commercial use; "" if it does not.
        attribution: words to show beside a clip; "" if none are required.
        duties: everything else that it requires.
        use: what must not be made, in one sentence.
    """

    key: str
    name: str
    reading: str
    licensor: str
    url: str = ""
    excluded: tuple[str, ...] = ()
    territory_clause: str = ""
    revenue: Ceiling | None = None
    users: Ceiling | None = None
    registration: Duty | None = None
    noncommercial: str = ""
    attribution: str = ""
    attribution_clause: str = ""
    duties: tuple[Duty, ...] = ()
    use: str = ""


def _read() -> tuple[Licence, ...]:
    data = tomllib.loads(resources.files(__package__).joinpath("licences.toml").read_text("utf-8"))
    for licence in data["licences"]:
        licence["excluded"] = parse_territories(licence.get("excluded", ()))
        licence["use"] = licence.get("use", "").format(**data["texts"])
        for duty in licence.get("duties", ()):
            duty["text"] = duty["text"].format(**data["texts"])
    return TypeAdapter(tuple[Licence, ...]).validate_python(data["licences"])


LICENCES: Mapping[str, Licence] = MappingProxyType({licence.key: licence for licence in _read()})
"""Every known licence by its key."""
