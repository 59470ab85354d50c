"""Every rendering of the chart: over its switches, two by two, each object is what its API takes and they fit together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.charts.pairwise import rows
from tests.charts.rendering import NAMESPACE, RELEASE, notes, render, values_of
from tiphys.app.settings import Settings, load_settings

Object = dict[str, Any]
NAME = f"{RELEASE}-tiphys"
CRD_FILES = os.environ.get("CHART_CRDS", "")
OTHERS = ("monitoring.coreos.com", "gateway.networking.k8s.io", "cert-manager.io")

SWITCHES: dict[str, list[dict[str, Any]]] = yaml.safe_load((Path(__file__).parent / "switches.yaml").read_text())
ROWS = rows(SWITCHES)
every_rendering = pytest.mark.parametrize("number", range(len(ROWS)))


@cache
def rendered(number: int) -> tuple[dict[str, Any], list[Object]]:
    values = values_of(*ROWS[number].values())
    return values, render(values)


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [obj for obj in objects if obj["kind"] == kind]


def workload(objects: list[Object]) -> Object:
    (found,) = of_kind(objects, "StatefulSet")
    return found


def test_every_two_values_meet() -> None:
    names = list(SWITCHES)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            met = {(SWITCHES[first].index(row[first]), SWITCHES[second].index(row[second])) for row in ROWS}
            assert len(met) == len(SWITCHES[first]) * len(SWITCHES[second])


@every_rendering
def test_every_object_is_what_kubernetes_takes(number: int) -> None:
    for obj in rendered(number)[1]:
        if obj["apiVersion"].partition("/")[0] not in OTHERS:
            kubernetes_validate.validate(obj, kubernetes_validate.latest_version(), strict=True)


@cache
def definitions() -> dict[tuple[str, str], jsonschema.Validator]:
    found = {}
    for path in sorted(Path(CRD_FILES).rglob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if crd and crd["kind"] == "CustomResourceDefinition":
                for version in crd["spec"]["versions"]:
                    schema = closed(version["schema"]["openAPIV3Schema"])
                    key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                    found[key] = jsonschema.Draft7Validator(schema)
    return found


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """As an API server takes it: fields that are not named are errors, whole numbers or texts where both may be."""
    for name, part in schema.get("properties", {}).items():
        schema["properties"][name] = closed(part)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
        for name in ("apiVersion", "kind", "metadata"):
            schema["properties"].setdefault(name, {})
        if not schema["properties"].get("metadata", {}).get("properties"):
            schema["properties"]["metadata"] = {}
    if isinstance(schema.get("items"), dict):
        schema["items"] = closed(schema["items"])
    return schema


@every_rendering
@pytest.mark.skipif(
    not CRD_FILES, reason="CHART_CRDS does not name a folder with the CRDs of the Prometheus operator, Gateway API and cert-manager"
)
def test_every_object_of_an_operator_is_what_its_definition_asks(number: int) -> None:
    for obj in rendered(number)[1]:
        if obj["apiVersion"].partition("/")[0] in OTHERS:
            validator = definitions()[obj["apiVersion"], obj["kind"]]
            assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(obj)] == []


@every_rendering
def test_every_object_has_a_place_and_the_labels_that_find_it(number: int) -> None:
    values, objects = rendered(number)
    seen = set()
    for obj in objects:
        metadata = obj["metadata"]
        key = (obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"])
        assert key not in seen
        seen.add(key)
        if metadata["name"] in ("mine", f"{RELEASE}-mine"):
            continue
        assert metadata["labels"]["app.kubernetes.io/instance"] == RELEASE
        assert metadata["labels"]["helm.sh/chart"] == "tiphys-0.1.0"
        cluster_wide = obj["kind"] in (
            "CustomResourceDefinition",
            "ClusterRole",
            "ClusterRoleBinding",
            "ValidatingWebhookConfiguration",
        )
        assert ("namespace" in metadata) is not cluster_wide
        assert metadata["labels"].get("team") == values.get("commonLabels", {}).get("team")


@every_rendering
def test_selectors_find_the_pod_and_ports_lead_to_it(number: int) -> None:
    objects = rendered(number)[1]
    pod = workload(objects)["spec"]["template"]
    labels = pod["metadata"]["labels"]
    ports = {one["name"]: one["containerPort"] for one in pod["spec"]["containers"][0]["ports"]}
    assert len(set(ports.values())) == len(ports)

    def finds(selector: dict[str, str]) -> None:
        assert selector
        assert selector.items() <= labels.items()

    finds(workload(objects)["spec"]["selector"]["matchLabels"])
    services = {}
    for service in of_kind(objects, "Service"):
        finds(service["spec"]["selector"])
        services[service["metadata"]["name"]] = {one["name"]: one["port"] for one in service["spec"]["ports"]}
        assert {one["targetPort"] for one in service["spec"]["ports"]} <= set(ports)
    assert workload(objects)["spec"]["serviceName"] in services
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        for obj in of_kind(objects, kind):
            finds((obj["spec"].get("podSelector") or obj["spec"].get("selector"))["matchLabels"])
    for policy in of_kind(objects, "NetworkPolicy"):
        opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert opened - {20000} == set(ports)
        assert (20000 in opened) is rendered(number)[0].get("eventSourceServices", True)
    for obj in of_kind(objects, "Ingress"):
        for rule in obj["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["port"]["name"] in services[path["backend"]["service"]["name"]]
    for obj in of_kind(objects, "HTTPRoute"):
        for ref in obj["spec"]["rules"][0]["backendRefs"]:
            assert ref["port"] in services[ref["name"]].values()
    for obj in of_kind(objects, "ValidatingWebhookConfiguration"):
        client = obj["webhooks"][0]["clientConfig"]["service"]
        assert client["port"] in services[client["name"]].values()
    for monitor in of_kind(objects, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = [one for one in of_kind(objects, "Service") if wanted <= one["metadata"]["labels"].items()]
        assert monitor["spec"]["endpoints"][0]["port"] in services[service["metadata"]["name"]]


@every_rendering
def test_what_is_mounted_is_there_and_nothing_else_can_be_written(number: int) -> None:
    values, objects = rendered(number)
    spec = workload(objects)["spec"]
    pod = spec["template"]["spec"]
    (container,) = [one for one in pod["containers"] if one["name"] == "tiphys"]
    volumes = [one["name"] for one in pod["volumes"]] + [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())]
    assert len(set(volumes)) == len(volumes)
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert {one["name"] for one in mounts.values()} == set(volumes)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {path for path, one in mounts.items() if not one.get("readOnly")} - {"/etc/ssl/private"} == {"/var/lib/tiphys", "/tmp"}
    # one volume for one process
    assert spec["replicas"] in (0, 1)
    for claim in spec.get("volumeClaimTemplates", ()):
        assert claim["spec"]["accessModes"] in (["ReadWriteOnce"], ["ReadWriteOncePod"])
    maps = {one["metadata"]["name"] for one in of_kind(objects, "ConfigMap")}
    assert {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one} - {"authorities"} <= maps
    assert ("persistence is off" in notes(values).lower()) is not values.get("persistence", {}).get("enabled", True)


@every_rendering
def test_the_pod_is_restricted(number: int) -> None:
    """The `restricted` profile of the Pod Security Standards, and nothing of the API server's but its own account."""
    pod = workload(rendered(number)[1])["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = pod["containers"][0]["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [one for one in pod["volumes"] if "hostPath" in one]
    assert pod["containers"][0]["resources"]["limits"]["memory"]
    # a Service called tiphys-ingress would set TIPHYS_INGRESS_PORT to an address
    assert pod["enableServiceLinks"] is False


@every_rendering
def test_probes_ask_what_the_service_answers(number: int) -> None:
    container = workload(rendered(number)[1])["spec"]["template"]["spec"]["containers"][0]
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/healthz", "port": "api"},
        "liveness": {"path": "/healthz", "port": "api"},
        "readiness": {"path": "/readyz", "port": "api"},
    }


def settings_of(objects: list[Object], folder: Path) -> Settings:
    """The settings as the container reads them."""
    (name,) = [
        one["configMap"]["name"] for one in workload(objects)["spec"]["template"]["spec"]["volumes"] if one["name"] == "settings"
    ]
    (text,) = [one["data"]["settings.yaml"] for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"] == name]
    (folder / "settings.yaml").write_text(text)
    return load_settings({}, folder / "settings.yaml", {})


@every_rendering
def test_the_service_takes_its_settings(number: int, tmp_path: Path) -> None:
    values, objects = rendered(number)
    settings = settings_of(objects, tmp_path)
    assert settings.namespaces == tuple(values.get("namespaces", ()))
    assert settings.impersonate is values.get("rbac", {}).get("impersonate", True)
    assert (settings.host, settings.api_host, settings.ingress_port, settings.api_port) == ("0.0.0.0", "0.0.0.0", 12000, 7777)
    assert settings.data == Path("/var/lib/tiphys")
    assert settings.retention_bytes == values.get("settings", {}).get("retention_bytes", 2 << 30)
    assert (settings.api_token_file is not None) is bool(values.get("api", {}).get("existingSecret"))
    assert settings.webhook is values.get("admissionWebhook", {}).get("enabled", False)
    pod = workload(objects)["spec"]["template"]["spec"]
    for mount, path in (("api", settings.api_token_file), ("webhook", settings.webhook_certificates)):
        found = [one["mountPath"] for one in pod["containers"][0]["volumeMounts"] if one["name"] == mount]
        assert [path is not None and str(path).startswith(one) for one in found] == [True] * (path is not None)
    assert pod["terminationGracePeriodSeconds"] >= 2 * settings.drain + 10


def bindings(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Each binding with the role that it names."""
    for binding in objects:
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            ref = binding["roleRef"]
            (role,) = [
                one
                for one in of_kind(objects, ref["kind"])
                if one["metadata"]["name"] == ref["name"]
                and (ref["kind"] == "ClusterRole" or one["metadata"]["namespace"] == binding["metadata"]["namespace"])
            ]
            yield binding, role


@every_rendering
def test_no_right_is_a_star_and_none_reaches_further_than_what_is_watched(number: int) -> None:
    values, objects = rendered(number)
    account = workload(objects)["spec"]["template"]["spec"]["serviceAccountName"]
    watched = values.get("namespaces", [])
    for role in of_kind(objects, "Role") + of_kind(objects, "ClusterRole"):
        for rule in role["rules"]:
            assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            if watched and role["kind"] == "ClusterRole":
                # its own webhook configuration, which lives in no namespace, is the one thing
                assert rule["resources"] == ["validatingwebhookconfigurations"]
                assert rule["resourceNames"] == [f"{NAMESPACE}-{workload(objects)['metadata']['name']}"]
    bound = set()
    for binding, role in bindings(objects):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]
        if not role["metadata"]["name"].endswith("-webhook"):
            bound.add(binding["metadata"].get("namespace", ""))
    assert bound == (set(watched or [""]) if values.get("rbac", {}).get("create", True) else set())
    if values.get("serviceAccount", {}).get("create", True):
        assert account in {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}


@every_rendering
def test_acting_as_others_is_bounded_as_the_values_say(number: int) -> None:
    values, objects = rendered(number)
    rbac = values.get("rbac", {})
    rules = [rule for _, role in bindings(objects) for rule in role["rules"] if "impersonate" in rule["verbs"]]
    if not rbac.get("create", True) or not rbac.get("impersonate", True):
        assert rules == []
        return
    assert rules
    for rule in rules:
        assert (rule["resources"], rule["verbs"]) == (["serviceaccounts"], ["impersonate"])
        assert rule.get("resourceNames", []) == rbac.get("impersonateAccounts", [])
    # then it can make nothing by itself
    own = [
        rule
        for _, role in bindings(objects)
        for rule in role["rules"]
        if {"create", "update", "patch", "delete"} & set(rule["verbs"])
    ]
    written = {resource for rule in own for resource in rule["resources"]}
    assert written - {one for rule in rbac.get("rules", []) for one in rule["resources"]} <= {
        "eventbus/status",
        "eventsources/status", "sensors/status", "events", "validatingwebhookconfigurations", "services", "endpointslices",
    }  # fmt: skip
