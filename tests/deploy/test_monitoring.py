"""Prometheus takes configuration and rules, every alert fires when it must, every panel shows figures."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.prometheus_process import PrometheusProcess, local_configuration
from tests.stack import Stack
from tests.traffic import traffic

Document = dict[str, Any]


@pytest.fixture(scope="module")
def monitoring(root: Path) -> Path:
    return root / "deploy" / "monitoring"


@pytest.fixture(scope="module")
def dashboard(monitoring: Path) -> Document:
    found: Document = json.loads((monitoring / "grafana" / "dashboards" / "facestats.json").read_text())
    return found


@pytest.fixture(scope="module")
def alerts(monitoring: Path) -> set[str]:
    groups = yaml.safe_load((monitoring / "prometheus" / "rules.yml").read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian's package `prometheus`)")
    return found


def promtool(*arguments: str) -> None:
    answer = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_configuration_and_its_rules_are_valid(monitoring: Path) -> None:
    promtool("check", "config", str(monitoring / "prometheus" / "prometheus.yml"))


def test_the_clusters_configuration_is_valid(monitoring: Path, tmp_path: Path) -> None:
    document = yaml.safe_load((monitoring / "prometheus" / "kubernetes.yml").read_text())
    (job,) = document["scrape_configs"]
    # Debian builds Prometheus without the discovery of Kubernetes; the rest is checked.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["facestats"]}}]
    document["rule_files"] = [str(monitoring / "prometheus" / name) for name in document["rule_files"]]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(document))
    promtool("check", "config", str(path))


def test_every_alert_fires_when_it_must_and_only_then(root: Path) -> None:
    promtool("test", "rules", str(root / "tests" / "deploy" / "rules_test.yml"))


def test_no_alert_is_left_untried(root: Path, alerts: set[str]) -> None:
    cases = yaml.safe_load((root / "tests" / "deploy" / "rules_test.yml").read_text())["tests"]
    seen = Counter((try_["alertname"], bool(try_["exp_alerts"])) for case in cases for try_ in case["alert_rule_test"])
    assert set(seen) == {(alert, fires) for alert in alerts for fires in (True, False)}


def test_the_scraped_names_are_those_of_compose(root: Path, monitoring: Path) -> None:
    services = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    scraped = yaml.safe_load((monitoring / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    jobs = {job["job_name"]: job for job in scraped}
    networks = set(services["prometheus"]["networks"])
    assert jobs["gateway"]["static_configs"] == [{"targets": ["gateway:8080"]}]
    assert networks & set(services["gateway"]["networks"])
    (lookup,) = jobs["triton"]["dns_sd_configs"]
    for name in ("triton", "triton-gpu"):
        reached = [services[name]["networks"][network] for network in networks & set(services[name]["networks"])]
        assert any(set(lookup["names"]) <= set(network["aliases"]) for network in reached), name


def test_the_dashboard_asks_the_provisioned_source(monitoring: Path, dashboard: Document) -> None:
    provisioning = monitoring / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["targets"], panel["title"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}


def test_compose_mounts_the_dashboard_where_grafana_looks(root: Path, monitoring: Path) -> None:
    provisioning = monitoring / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "facestats.yml").read_text())["providers"]
    grafana = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["grafana"]
    assert f"./deploy/monitoring/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]


@pytest.mark.integration
async def test_a_real_prometheus_fills_every_panel_and_judges_every_rule(
    stack: Stack, face: bytes, monitoring: Path, dashboard: Document, alerts: set[str], tmp_path: Path
) -> None:
    targets = {"gateway": [stack.url.removeprefix("http://")], "triton": [f"127.0.0.1:{stack.metrics_port}"]}
    configuration = local_configuration(monitoring / "prometheus" / "prometheus.yml", targets)
    # A problem, so that the panel of problems has something to show.
    async with httpx.AsyncClient(base_url=stack.url) as client:
        refused = await client.post("/v1/score", content=b"no image", headers={"Content-Type": "image/jpeg"})
    assert refused.status_code == 400
    async with (
        PrometheusProcess(program("prometheus"), configuration, tmp_path) as prometheus,
        traffic(stack.url, face, concurrency=1),
    ):

        async def all_are_up() -> bool:
            found = (await prometheus.ask("targets"))["activeTargets"]
            return sorted(each["labels"]["job"] for each in found if each["health"] == "up") == ["gateway", "triton"]

        await prometheus.until("both jobs are scraped", all_are_up)

        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "10s")

                async def shows_figures(expression: str = expression) -> bool:
                    values = await prometheus.values(expression)
                    return bool(values) and not any(math.isnan(value) for value in values)

                await prometheus.until(f"{panel['title']}: {expression}", shows_figures)

        (adapted,) = yaml.safe_load((monitoring / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
        query = adapted["metricsQuery"].replace("<<.GroupBy>>", "job").replace("<<.LabelMatchers>>", 'job="triton"')
        measured = (
            'max by () (1e-3 * rate(nv_inference_queue_duration_us{model=~"clip_image_encoder|psl"}[1m])'
            ' / clamp_min(rate(nv_inference_request_success{model=~"clip_image_encoder|psl"}[1m]), 0.001))'
        )
        assert await prometheus.values(f"({query}) / on () {measured}") == [pytest.approx(1.0)]

        async def all_are_judged() -> Document | None:
            groups = (await prometheus.ask("rules"))["groups"]
            rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
            return rules if all(rule["health"] != "unknown" for rule in rules.values()) else None

        rules = await prometheus.until("every rule has been evaluated", all_are_judged)
        assert alerts <= set(rules)
        for name, rule in rules.items():
            assert rule["health"] == "ok", (name, rule)
        raised = {name for name in alerts if rules[name]["state"] != "inactive"}
        # The stack of the tests serves random weights, and nothing else is wrong with it.
        assert raised == {"UntrainedWeights"}
