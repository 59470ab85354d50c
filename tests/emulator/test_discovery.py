"""Discovery and definitions. Also run against a real API server (`KUBECONFIG_TEST`)."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest

from tests.emulator.api import Api, widget_definition

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def test_groups_versions_and_resources_are_discovered(api: Api) -> None:
    groups = (await api.get("/apis")).body
    resources = (await api.get(f"/apis/{api.group}/v1")).body

    assert groups["kind"] == "APIGroupList"
    assert api.group in {group["name"] for group in groups["groups"]}
    found = {row["name"]: row for row in resources["resources"]}
    assert (found["widgets"]["kind"], found["widgets"]["namespaced"], found["widgets"]["singularName"]) == (
        "Widget",
        True,
        "widget",
    )
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(found["widgets"]["verbs"])
    assert "widgets/status" in found
    assert "plains/status" not in found
    core = {row["name"]: row for row in (await api.get("/api/v1")).body["resources"]}
    assert core["namespaces"]["namespaced"] is False
    assert core["configmaps"]["shortNames"] == ["cm"]
    assert (await api.get("/api")).body["versions"] == ["v1"]
    assert (await api.get("/version")).body["major"] == "1"
    assert (await api.get(f"/apis/{api.group}")).body["preferredVersion"]["version"] == "v1"


async def test_aggregated_discovery_says_the_same(api: Api) -> None:
    answer = await api.call("GET", "/apis", headers={"Accept": AGGREGATED})

    assert answer.body["kind"] == "APIGroupDiscoveryList"
    group = next(item for item in answer.body["items"] if item["metadata"]["name"] == api.group)
    widgets = next(row for row in group["versions"][0]["resources"] if row["resource"] == "widgets")
    assert widgets["responseKind"] == {"group": api.group, "version": "v1", "kind": "Widget"}
    assert widgets["scope"] == "Namespaced"
    assert [part["subresource"] for part in widgets["subresources"]] == ["status"]


async def test_a_definition_is_served_at_once_and_its_objects_go_with_it(api: Api) -> None:
    group = f"d{secrets.token_hex(3)}.tiphys.dev"
    crd = widget_definition(group, "gadgets", "Gadget", status=False)
    crd["spec"]["scope"] = "Cluster"
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": "v2", "storage": False})
    path = f"/apis/{group}/v1/gadgets"
    await api.made(CRDS, crd)
    async with asyncio.timeout(30):
        while (await api.get(path)).status != 200:
            await asyncio.sleep(0.1)

    await api.made(path, {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"x": 1}})

    other = (await api.get(f"/apis/{group}/v2/gadgets/a")).body
    assert (other["apiVersion"], other["spec"]) == (f"{group}/v2", {"x": 1})
    assert [v["version"] for v in (await api.get(f"/apis/{group}")).body["versions"]] == ["v2", "v1"]
    conditions = (await api.get(f"{CRDS}/gadgets.{group}")).body["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {"NamesAccepted": "True", "Established": "True"}

    unserved = [{"op": "replace", "path": "/spec/versions/1/served", "value": False}]
    assert (await api.patch(f"{CRDS}/gadgets.{group}", unserved, "application/json-patch+json")).status == 200
    async with asyncio.timeout(30):
        while (await api.get(f"/apis/{group}/v2/gadgets")).status != 404:
            await asyncio.sleep(0.1)
    assert (await api.get(path)).status == 200

    await api.delete(f"{CRDS}/gadgets.{group}")
    async with asyncio.timeout(30):
        while (await api.get(path)).status != 404:
            await asyncio.sleep(0.1)


async def test_a_definition_must_be_named_for_its_plural_and_group(api: Api) -> None:
    crd = widget_definition("x.tiphys.dev", "gadgets", "Gadget", status=False)
    crd["metadata"]["name"] = "other.x.tiphys.dev"

    answer = await api.post(CRDS, crd)

    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "metadata.name")


async def _conditions(api: Api, name: str) -> bool:
    """Whether a controller has begun to empty a namespace that is deleted: it says so there, or the namespace is gone."""
    for _ in range(100):
        found = await api.get(f"/api/v1/namespaces/{name}")
        if found.status == 404 or found.body["status"].get("conditions"):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_deleted_namespace_takes_its_objects_along(api: Api) -> None:
    name = f"{api.namespace}-gone"
    path = f"/apis/{api.group}/v1/namespaces/{name}/widgets"
    await api.made("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await api.made(path, api.widget("a"))
    version = (await api.get(path)).body["metadata"]["resourceVersion"]

    async with api.watch(path, resourceVersion=version) as stream:
        assert (await api.delete(f"/api/v1/namespaces/{name}")).status == 200
        if api.real and not await _conditions(api, name):
            pytest.skip("no namespace controller runs beside the API server of KUBECONFIG_TEST")
        assert await stream.names(1) == [("DELETED", "a")]
    async with asyncio.timeout(60):
        while (await api.get(f"/api/v1/namespaces/{name}")).status != 404:
            await asyncio.sleep(0.1)


async def test_a_namespace_is_active_and_labelled_with_its_name(api: Api) -> None:
    found = (await api.get(f"/api/v1/namespaces/{api.namespace}")).body

    assert found["status"]["phase"] == "Active"
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == api.namespace


async def test_openapi_says_that_the_server_validates_fields(api: Api) -> None:
    index = (await api.get("/openapi/v3")).body
    paths = (json.loads(index) if isinstance(index, bytes) else index)["paths"]  # Kubernetes calls it text/plain
    document = (await api.get(paths["api/v1"]["serverRelativeURL"].partition("?")[0])).body

    patch = document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
