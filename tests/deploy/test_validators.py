"""The files under deploy/ against the schemas of their makers, by validators that are installed for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from benchmarks import compose
from tests.deploy.test_deploy import DEPLOY, kustomize
from tests.sdk import installed

HERE = Path(__file__).parent
KUBERNETES = "1.34"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def validators() -> Path:
    """The folder with the packages of requirements.txt."""
    return installed.packages_of("validators", HERE / "requirements.txt")


def run(validators: Path, *words: str) -> str:
    """Run a program of the validators, which has to accept what it is given; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(validators)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("overlay", [(), ("compose.cuda.yaml",)], ids=["processors", "cuda"])
def test_compose_is_valid(validators: Path, tmp_path: Path, overlay: tuple[str, ...]) -> None:
    stack = compose.read(compose.VARIABLES, "compose.yaml", *overlay)
    path = tmp_path / "compose.yaml"
    path.write_text(yaml.safe_dump(stack))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    run(validators, *command, str(path))
    run(validators, *command, *(str(DEPLOY / name) for name in ("compose.yaml", *overlay)))
    path.write_text(yaml.safe_dump({**stack, "services": {"api": {"imagge": "hinode"}}}))
    with pytest.raises(AssertionError, match="imagge"):
        run(validators, *command, str(path))


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_dockerfiles_are_valid(validators: Path, name: str) -> None:
    run(validators, str(validators / "bin" / "hadolint"), str(DEPLOY / name))


def pods_of(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods of a RayCluster, each as one of Kubernetes' own."""
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **group["template"]}
        for group in groups
    ]


@pytest.mark.parametrize("name", ["base", "ray"])
def test_manifests_are_valid(validators: Path, tmp_path: Path, name: str) -> None:
    manifests = kustomize(name)
    clusters = [one for one in manifests if one["kind"] == "RayCluster"]
    schema = jsonschema_rs.validator_for(json.loads((HERE / "raycluster-v1.json").read_text()))
    for cluster in clusters:
        assert [error.message for error in schema.iter_errors(cluster)] == []
    others = [one for one in manifests if one["kind"] != "RayCluster"]
    others += [pod for cluster in clusters for pod in pods_of(cluster)]
    path = tmp_path / "manifests.yaml"
    command = [sys.executable, "-m", "kubernetes_validate", "--strict"]
    command += ["--kubernetes-version", KUBERNETES, str(path)]
    path.write_text(yaml.safe_dump_all(others))
    # A kind without a schema is only a warning there.
    assert run(validators, *command).count(" passed ") == len(others)
    path.write_text(yaml.safe_dump({**others[-1], "specc": {}}))
    with pytest.raises(AssertionError, match="specc"):
        run(validators, *command)


def test_the_schema_of_raycluster_refuses_a_misspelled_field() -> None:
    (cluster,) = (one for one in kustomize("ray") if one["kind"] == "RayCluster")
    schema = jsonschema_rs.validator_for(json.loads((HERE / "raycluster-v1.json").read_text()))
    cluster["spec"]["workerGroupSpecs"][0]["maxReplica"] = 3
    assert [error.message for error in schema.iter_errors(cluster)]
