"""Write tests/deploy/raycluster-v1.json, the schema of RayCluster, from KubeRay's own definition.

python -m runs.raycluster_schema ray-operator/config/crd/bases/ray.io_rayclusters.yaml

The definition is part of KubeRay (Apache-2.0). Descriptions are left out, and so are the schemas of pods,
which are Kubernetes' own: the tests check those templates as pods.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parent.parent / "tests" / "deploy" / "raycluster-v1.json"
KEPT = (
    "type",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "required",
    "default",
)
ANY = "x-kubernetes-preserve-unknown-fields"


def schema(node: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The JSON schema of a node of a definition; a field that it does not name is an error."""
    if name in ("template", "status"):
        return {"type": "object"}
    result = {key: node[key] for key in KEPT if key in node}
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in node:
        result["properties"] = {key: schema(value, key) for key, value in node["properties"].items()}
        if not node.get(ANY):
            result["additionalProperties"] = False
    elif isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = schema(node["additionalProperties"])
    if "items" in node:
        result["items"] = schema(node["items"])
    return result


def main(path: Path) -> None:
    """Write the schema of the version v1."""
    definition = yaml.safe_load(path.read_text())
    version = next(version for version in definition["spec"]["versions"] if version["name"] == "v1")
    made = schema(version["schema"]["openAPIV3Schema"])
    made["$comment"] = "From KubeRay, Apache-2.0; python -m runs.raycluster_schema writes it."
    made["properties"]["metadata"] = {"type": "object"}
    TARGET.write_text(json.dumps(made, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
