"""Manifests read back, to see what was signed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa

from hinode.trust.provenance.authority import Authority
from hinode.trust.provenance.ingredients import context_settings
from hinode.trust.provenance.signing import OTHER, SIDECAR, media_type


@dataclass(frozen=True)
class ReadManifest:
    """The manifest of a file.

    Attributes:
        state: "Trusted", "Valid" or "Invalid".
        active: the manifest that is about the file.
        manifests: by label, with those of its ingredients.
    """

    state: str
    label: str
    active: dict[str, Any]
    manifests: dict[str, Any]

    def assertion(self, label: str) -> dict[str, Any]:
        """The data of the one assertion with a label."""
        (found,) = (item["data"] for item in self.active["assertions"] if item["label"] == label)
        return dict(found)

    @property
    def labels(self) -> list[str]:
        return [item["label"] for item in self.active["assertions"]]

    @property
    def actions(self) -> list[str]:
        return [action["action"] for action in self.assertion("c2pa.actions.v2")["actions"]]

    @property
    def source_types(self) -> set[str]:
        """The names of the digital source types of all actions."""
        actions = self.assertion("c2pa.actions.v2")["actions"]
        return {
            action["digitalSourceType"].rpartition("/")[2]
            for action in actions
            if "digitalSourceType" in action
        }

    @property
    def ingredients(self) -> list[dict[str, Any]]:
        return list(self.active.get("ingredients", []))


def read_manifest(path: Path, authority: Authority) -> ReadManifest:
    """The manifest in a file, or beside it; raises if there is none."""
    kind = media_type(path.read_bytes()[:200])
    sidecar = path.with_name(path.name + SIDECAR).read_bytes() if kind == OTHER else None
    with (
        path.open("rb") as file,
        c2pa.Context.from_dict(context_settings(authority.anchors(), verify=True)) as context,
        c2pa.Reader(kind, file, sidecar, context=context) as reader,
    ):
        values = json.loads(reader.json())
        label = values["active_manifest"]
        state = str(reader.get_validation_state())
    return ReadManifest(state, label, values["manifests"][label], values["manifests"])
