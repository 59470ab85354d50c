"""The chart as a whole: what it is made from is up to date, what it refuses is said in words, what it watches is what there is."""

from __future__ import annotations

import json
import re
from typing import Any

import helm_python
import pytest
import yaml

from tests.app.test_real_cluster import documented_rules
from tests.charts.made import CHART, CRDS, SCHEMA, THE_CHARTS, schema_text
from tests.charts.rendering import NAMESPACE, RELEASE, one, refusal, render, values_of
from tests.docs.pages import ROOT
from tiphys.app.crds import crds_text
from tiphys.app.metrics import Metrics
from tiphys.app.settings import Settings


def test_helm_lints_it(tmp_path: Any) -> None:
    found = helm_python.lint(str(CHART), values=values_of())
    assert [message for message in found["messages"] if message["severity"] > 1] == []
    assert found["errors"] == []


def test_what_is_made_from_the_service_is_up_to_date() -> None:
    assert CRDS.read_text() == crds_text("yaml"), "make it anew: python -m tests.charts.made"
    assert SCHEMA.read_text() == schema_text(), "make it anew: python -m tests.charts.made"


def test_the_chart_has_the_version_of_the_service() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()


def test_every_setting_is_the_users_or_the_charts() -> None:
    settings = json.loads(SCHEMA.read_text())["properties"]["settings"]["properties"]
    assert set(settings) | THE_CHARTS == set(Settings.model_fields)
    assert not set(settings) & THE_CHARTS


def test_every_value_has_a_place_in_the_schema_and_the_other_way_round() -> None:
    schema = json.loads(SCHEMA.read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def same(schema: dict[str, Any], values: dict[str, Any], path: str) -> None:
        if schema.get("additionalProperties") is False and path != ".settings":
            assert set(schema["properties"]) - {"global"} - _PROBES == set(values) - _PROBES, path
            for name, value in values.items():
                if isinstance(value, dict):
                    same(schema["properties"][name], value, f"{path}.{name}")

    same(schema, values, "")


_PROBES = {
    "initialDelaySeconds",
    "periodSeconds",
    "failureThreshold",
    "successThreshold",
    "timeoutSeconds",
    "name",
    "kind",
    "group",
}


def test_it_may_what_the_documentation_lists_and_no_more() -> None:
    """docs/cluster.md's table is what the tests on a real cluster give the service; Services of EventSources are a switch."""
    rules = one(render(values_of({"namespaces": ["ci"], "eventSourceServices": False})), "Role")["rules"]
    given = {
        (group, kind, verb) for rule in rules for group in rule["apiGroups"] for kind in rule["resources"] for verb in rule["verbs"]
    }
    listed = {
        (group, kind, verb)
        for rule in documented_rules()
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == listed


REFUSED = {
    "no image": ({"image": {"repository": ""}}, "image.repository is empty: there is no public image"),
    "two replicas": ({"replicas": 2}, "replicas is 2: the embedded bus is one file on one volume"),
    "a network file system": ({"persistence": {"storageClass": "aws-efs"}}, 'storageClass is "aws-efs", which sounds like a network file'),
    "another one": ({"persistence": {"storageClass": "nfs"}}, "must be on a block volume"),
    "many writers": ({"persistence": {"accessMode": "ReadWriteMany"}}, "accessMode"),
    "no time to stop": ({"settings": {"drain": 60}}, "terminationGracePeriodSeconds is 60: with settings.drain 60 a stop may take 130"),
    "an ingress to nowhere": ({"ingress": {"enabled": True}}, "name at least one host"),
    "a route of no gateway": ({"gateway": {"enabled": True}}, "name the Gateway that the route belongs to"),
    "a star as a namespace": ({"namespaces": ["*"]}, "leave the list empty to watch the whole cluster"),
    "a star as a right": (
        {"rbac": {"rules": [{"apiGroups": ["batch"], "resources": ["*"], "verbs": ["get"]}]}},
        'rbac.rules has a "*": name the API groups',
    ),
    "a port twice": ({"service": {"extraPorts": [{"name": "more", "port": 7777}]}}, "service.extraPorts has port 7777, which is taken"),
    "a certificate of nobody": ({"admissionWebhook": {"certManager": {"enabled": True}}}, "name the Issuer or ClusterIssuer"),
    "a misspelt value": ({"persistance": {"enabled": False}}, "'persistance' not allowed"),
    "a misspelt setting": ({"settings": {"retention_day": 1}}, "'retention_day' not allowed"),
    "a setting that is the chart's": ({"settings": {"data": "/tmp"}}, "'data' not allowed"),
    "a setting of another type": ({"settings": {"in_flight": "many"}}, "in_flight"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_in_words(case: str) -> None:
    values, said = REFUSED[case]
    assert said in refusal(values_of(values))


@pytest.mark.parametrize("name", ["fast-ssd", "nfsless", "premium-rwo", "gp3", "efsx"])
def test_a_block_class_is_not_taken_for_a_network_file_system(name: str) -> None:
    (claim,) = one(render(values_of({"persistence": {"storageClass": name}})), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == name


def test_a_change_of_settings_replaces_the_pod_and_nothing_else_does() -> None:
    def annotation(*values: dict[str, Any]) -> str:
        return one(render(values_of(*values)), "StatefulSet")["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

    assert annotation({"settings": {"strict": True}}) != annotation() == annotation({"metrics": {"dashboard": {"enabled": True}}})


def test_a_long_release_name_still_makes_names_that_kubernetes_takes() -> None:
    for obj in render(values_of(), release="a" * 53):
        assert len(obj["metadata"]["name"]) <= 63


def test_crds_stay_when_the_release_goes() -> None:
    for crd in [obj for obj in render(values_of()) if obj["kind"] == "CustomResourceDefinition"]:
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def monitored() -> list[dict[str, Any]]:
    return render(values_of({"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}))


def expressions() -> list[str]:
    objects = monitored()
    rules = [rule["expr"] for rule in one(objects, "PrometheusRule")["spec"]["groups"][0]["rules"]]
    dashboard = json.loads(one(objects, "ConfigMap", f"{RELEASE}-tiphys-dashboard")["data"]["tiphys.json"])
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*rules, *panels, *(variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable)]


def test_every_metric_that_is_watched_is_there_with_its_labels() -> None:
    # given what the service has, and what every scrape adds
    metrics = {sample_name: set(family._labelnames) for family, sample_name in _samples()}
    for expression in expressions():
        # when
        used = re.findall(r"\b((?:argo_events|tiphys)_\w+)(?:\{([^}]*)\})?", expression)
        # then
        assert used or "up{" in expression, expression
        for name, selector in used:
            assert name in metrics, name
            assert set(re.findall(r"(\w+)=~?\"", selector)) <= metrics[name], expression
        grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")}
        assert all(grouped <= metrics[name] for name, _ in used), expression


def _samples() -> list[tuple[Any, str]]:
    collectors = Metrics().registry._collector_to_names
    return [(collector, name) for collector, names in collectors.items() for name in names]


def test_every_alert_says_what_to_do() -> None:
    rules = one(monitored(), "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    assert f'namespace="{NAMESPACE}", service="{RELEASE}-tiphys-metrics"' in rules[0]["expr"]


def test_panels_do_not_lie_on_each_other() -> None:
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
