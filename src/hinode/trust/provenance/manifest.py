"""The manifest of C2PA 2.4 that a statement becomes: claim version 2, actions, disclosure, ingredients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from hinode import __version__
from hinode.request import ROLES
from hinode.trust.provenance.statement import (
    IPTC,
    SOURCE_TYPES,
    Extent,
    Ingredient,
    Relation,
    Statement,
    source_type,
)

GENERATOR = "Hinode"
SPECIFICATION = "2.4"
NAMESPACE = "org.hinode"
WATERMARK = f"{NAMESPACE}.watermark.1"
"""The algorithm of the invisible watermark, as the soft binding names it."""
MINING = ("cawg.data_mining", "cawg.ai_training", "cawg.ai_generative_training", "cawg.ai_inference")

EDITS = {"crop": "c2pa.cropped", "convert": "c2pa.transcoded", "still": "c2pa.converted"}
"""Actions by operation; any other is "c2pa.edited"."""


def define(statement: Statement, label: str, kept: Iterable[str | None], now: dt.datetime) -> dict[str, Any]:
    """The definition of a manifest, for `c2pa.Builder`; ingredients are added to it by `ingredient`.

    Args:
        label: of the manifest.
        kept: digital source types of the ingredients whose pictures are kept; see `source_type`.
        now: when the file was made, with a time zone.
    """
    agent = {"name": GENERATOR, "version": __version__}
    assertions = [
        _assertion("c2pa.actions.v2", _actions(statement, source_type(statement.extent, kept), agent, now))
    ]
    if statement.watermark_id is not None:
        blocks = [{"scope": {}, "value": statement.watermark_id}]
        assertions.append(_assertion("c2pa.soft-binding", {"alg": WATERMARK, "blocks": blocks}))
    if statement.extent in (Extent.ALL, Extent.SOME):
        disclosure = {
            "modelType": "c2pa.types.model.pytorch",
            "modelName": statement.model,
            "modelIdentifier": f"{statement.engine}/{statement.model}",
            "contentProfile": {"humanOversightLevel": "prompt_guided"},
        }
        facts = {
            "operation": statement.operation,
            "engine": statement.engine,
            "model": statement.model,
            "licence": statement.licence,
        }
        assertions.append(_assertion("c2pa.ai-disclosure", disclosure))
        assertions.append(_assertion(f"{NAMESPACE}.generation", {k: v for k, v in facts.items() if v}))
    if statement.copy_of:
        assertions.append(_assertion(f"{NAMESPACE}.copy", {"of": f"sha256:{statement.copy_of}"}))
    entries = {name: {"use": "notAllowed"} for name in MINING}
    assertions.append(_assertion("cawg.training-mining", {"entries": entries}))
    return {
        "label": label,
        "claim_generator_info": [{**agent, "specVersion": SPECIFICATION}],
        "assertions": assertions,
    }


def name_ingredient(index: int) -> str:
    """By which actions refer to the ingredient with this index."""
    return f"ingredient-{index + 1}"


def ingredient(item: Ingredient, index: int) -> dict[str, Any]:
    """The definition of an ingredient. Its title says what it was used as, and nothing of its name."""
    title = ROLES.get(item.role, "a clip")
    return {
        "title": title,
        "format": item.media_type,
        "relationship": item.relation.value,
        "label": name_ingredient(index),
        "instance_id": f"sha256:{item.digest}",
    }


def _assertion(label: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "data": data, "created": True}


def _actions(
    statement: Statement, kind: str | None, agent: dict[str, str], now: dt.datetime
) -> dict[str, Any]:
    if kind is not None and kind not in SOURCE_TYPES:
        raise ValueError(f"{kind} is no digital source type of IPTC")
    when = now.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    made: dict[str, Any] = {"softwareAgent": agent, "when": when}
    if kind is not None:
        made["digitalSourceType"] = IPTC + kind
    by_relation: dict[Relation, list[str]] = {}
    for index, item in enumerate(statement.ingredients):
        by_relation.setdefault(item.relation, []).append(name_ingredient(index))

    def using(relation: Relation) -> dict[str, Any]:
        return {"parameters": {"ingredientIds": by_relation[relation]}} if relation in by_relation else {}

    actions: list[dict[str, Any]] = []
    if Relation.PARENT in by_relation:
        edit = EDITS.get(statement.operation, "c2pa.edited")
        actions.append({"action": "c2pa.opened", "when": when, **using(Relation.PARENT)})
        if Relation.COMPONENT in by_relation:
            actions.append({"action": "c2pa.placed", **made, **using(Relation.COMPONENT)})
        actions.append({"action": edit, **made, **using(Relation.INPUT)})
    else:
        actions.append({"action": "c2pa.created", **made, **using(Relation.INPUT)})
    if statement.watermark_id is not None:
        actions.append({"action": "c2pa.watermarked.bound", "when": when})
    return {"actions": actions, "allActionsIncluded": True}
