"""The files under deploy/: what they name exists in Hinode, and the tools of this machine accept them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from benchmarks import compose
from hinode import environment
from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.status import history
from hinode.jobs.status.history import Sample
from hinode.records.database import Database
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
MONITORING = DEPLOY / "monitoring"
OPERATIONS = ROOT / "docs" / "howto" / "operations.md"


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """The queries of the dashboard, without Grafana's own variables."""
    panels = json.loads((MONITORING / "grafana" / "hinode.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def kustomize(name: str) -> list[dict[str, Any]]:
    """What Kubernetes would get; the test is skipped where kubectl is not there."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_every_metric_of_rules_and_dashboard_is_one_of_a_server(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        history.enter(connection, [Sample("api", 1.0, True, 0.1, "", 60.0)])
    upstream = 'name = "east"\ndialect = "hinode"\nurl = "http://127.0.0.1:9"\nmodels = ["book"]\n'
    (tmp_path / "upstreams.toml").write_text(f"[[upstream]]\n{upstream}")
    with TestClient(create_app(Context(Settings(tmp_path), database))) as client:
        client.get("/healthz")
        lines = client.get("/metrics").text.splitlines()
    samples = {match[0] for line in lines if (match := re.match(r"hinode_\w+", line))}
    queries = [rule["expr"] for rule in rules()] + dashboard_queries()
    adapter = (DEPLOY / "kubernetes" / "base" / "autoscaling.yaml").read_text()
    queries += re.findall(r"the query (.*)\.", adapter)
    assert len(queries) > 20
    names = {name for query in queries for name in re.findall(r"\bhinode_\w+", query)}
    assert len(names) > 5
    assert names <= samples
    labels = {
        (name, label)
        for query in queries
        for name, chosen in re.findall(r"\b(hinode_\w+)\{([^}]*)\}", query)
        for label in re.findall(r"(\w+)(?:=|!)", chosen)
    }
    for name, label in labels:
        assert any(line.startswith(f"{name}{{") and f'{label}="' in line for line in lines), (name, label)


def test_every_alert_has_an_entry_in_the_runbook() -> None:
    headings = re.findall(r"(?m)^### (\w+)$", OPERATIONS.read_text())
    assert [rule["alert"] for rule in rules()] == headings
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/howto/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("overlay", [(), ("compose.cuda.yaml",)], ids=["processors", "cuda"])
def test_settings_of_compose_are_read_by_hinode(overlay: tuple[str, ...]) -> None:
    variables = {**compose.VARIABLES, "HINODE_HOSTS": "studio.example.com", "HINODE_DEVICE": "cuda:1"}
    stack = compose.read(variables, "compose.yaml", *overlay)
    services = compose.hinode_services(stack)
    assert {"api-1", "api-2", "worker"} == set(services)
    for service in services.values():
        settings = {
            name: value for name, value in service["environment"].items() if name.startswith("HINODE_")
        }
        values = environment.read(settings)  # raises if one has a wrong value
        known = {name.removeprefix("HINODE_").lower() for name in settings}
        assert known <= {*environment.Variables.model_fields, "models"}
        assert values["hosts"] == ("studio.example.com",)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert (DEPLOY.parent / service["build"]["dockerfile"]).is_file()


def test_compose_asks_for_the_passwords_that_are_missing() -> None:
    with pytest.raises(ValueError, match="POSTGRES_PASSWORD is missing"):
        compose.read({})


def test_files_that_compose_mounts_exist() -> None:
    for service in compose.read(compose.VARIABLES)["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert not source.startswith("./") or (DEPLOY / source).is_file(), mount


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_images_are_made_from_files_that_exist(name: str) -> None:
    text = (DEPLOY / name).read_text()
    copied = [word for line in re.findall(r"(?m)^COPY (?!--)(.*) \S+$", text) for word in line.split()]
    assert "src" in copied
    assert [word for word in copied if not (ROOT / word).exists()] == []
    (constraints,) = re.findall(r"-c (\S+)", text)
    assert constraints in copied
    ignored = (DEPLOY / f"{name}.dockerignore").read_text().splitlines()
    assert [word for word in copied if f"!{word}" not in ignored] == []


def test_constraints_for_cuda_pin_what_the_others_do_not() -> None:
    lines = (DEPLOY / "constraints-cuda.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith(("#", "-c"))]
    assert "-c ../constraints.txt" in lines
    assert all(re.fullmatch(r"(nvidia|cuda|triton)[a-z0-9-]*==[\d.]+", pin) for pin in pins)
    others = (ROOT / "constraints.txt").read_text()
    assert not [pin for pin in pins if pin.split("==")[0] in others]


@pytest.mark.parametrize("name", ["base", "ray"])
def test_kustomize_builds_the_manifests(name: str) -> None:
    manifests = kustomize(name)
    assert {"Deployment", "NetworkPolicy", "PodDisruptionBudget"} <= {one["kind"] for one in manifests}
    assert ("RayCluster" in {one["kind"] for one in manifests}) == (name == "ray")
    images = set(re.findall(r"'image': '([^']*)'", str(manifests)))
    assert images == {"registry.example.com/hinode:latest"}
    claims = {one["metadata"]["name"] for one in manifests if one["kind"] == "PersistentVolumeClaim"}
    assert set(re.findall(r"'claimName': '(\w+)'", str(manifests))) == claims
    (settings,) = (one["data"] for one in manifests if one["kind"] == "ConfigMap")
    environment.read(settings)


def test_secrets_of_kubernetes_are_only_referred_to() -> None:
    manifests = kustomize("base")
    assert "Secret" not in {one["kind"] for one in manifests}
    for one in manifests:
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            (url,) = (entry for entry in container["env"] if entry["name"] == "HINODE_DATABASE_URL")
            assert url["valueFrom"]["secretKeyRef"] == {"name": "hinode", "key": "database-url"}


def test_promtool_accepts_rules_and_their_tests(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    queries = [{"record": f"q:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    dashboard = tmp_path / "dashboard.yml"
    dashboard.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": queries}]}))
    for words in (
        ["check", "config", str(MONITORING / "prometheus.yml")],
        ["check", "rules", str(MONITORING / "alerts.yml"), str(dashboard)],
        ["test", "rules", str(MONITORING / "alerts.test.yml")],
    ):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
