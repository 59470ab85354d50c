"""The chart on a real API server: every rendering is taken by it, and what is installed has the rights that the service needs.

`KUBECONFIG_TEST` names the kubeconfig of somebody who may do everything there; the definitions of Argo Workflows and of
argo-events, or ours, must be installed. Each test has a namespace of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_real_cluster import created, kubeconfig_of, objects, sensor, source, stands, workflow_template
from tests.app.test_service import post, until
from tests.charts.made import CHART
from tests.charts.rendering import one, render, values_of
from tests.charts.test_rendering import OTHERS, ROWS
from tests.emulator.api import Api, open_real
from tests.running import Tiphys
from tiphys.schema.loader import load_documents

RELEASE = "events"
NAME = f"{RELEASE}-tiphys"
HELM = os.environ.get("HELM", "")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with open_real() as real:
        if (await real.get(objects(real, "sensors"))).status == 404:
            pytest.skip("the cluster of KUBECONFIG_TEST does not serve Sensors")
        yield real


async def path_of(api: Api, obj: dict[str, Any]) -> str:
    """The path of an object's collection, by discovery."""
    group = f"/{'apis' if '/' in obj['apiVersion'] else 'api'}/{obj['apiVersion']}"
    (found,) = [
        kind for kind in (await api.get(group)).body["resources"] if kind["kind"] == obj["kind"] and "/" not in kind["name"]
    ]
    place = f"/namespaces/{obj['metadata']['namespace']}" if found["namespaced"] else ""
    return f"{group}{place}/{found['name']}"


@pytest.mark.timeout(300)
async def test_every_rendering_is_taken_by_the_server(api: Api) -> None:
    """Server-side apply as a trial, with every unknown field an error."""
    for row in ROWS:
        values = values_of(*row.values())
        for part in ("prometheusRule", "dashboard"):
            values.get("metrics", {}).get(part, {}).pop("namespace", None)
        if values.get("namespaces"):
            values["namespaces"] = [api.namespace]
        for obj in render(values, RELEASE, api.namespace):
            if obj["apiVersion"].partition("/")[0] in OTHERS:
                continue
            obj["metadata"].setdefault("namespace", api.namespace)
            path = f"{await path_of(api, obj)}/{obj['metadata']['name']}"
            query = "?dryRun=All&fieldValidation=Strict&fieldManager=helm&force=true"
            answer = await api.patch(f"{path}{query}", obj, content="application/apply-patch+yaml")
            assert answer.status in (200, 201), f"{obj['kind']} {obj['metadata']['name']}: {answer}"


async def install(api: Api, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Make every object of a release in the test's namespace."""
    made = render(values, RELEASE, api.namespace)
    for obj in made:
        assert "namespace" in obj["metadata"], f"{obj['kind']} would stay behind"
        await api.made(await path_of(api, obj), obj)
    return made


@pytest.mark.timeout(180)
async def test_what_is_installed_has_the_rights_that_the_service_needs(api: Api, tmp_path: Path) -> None:
    # given the chart for one namespace, and a Sensor's account with the role that the chart offers
    values = values_of({"namespaces": [api.namespace], "crds": {"install": False}, "rbac": {"impersonateAccounts": ["builder"]}})
    made = await install(api, values)
    await api.made(objects(api, "serviceaccounts", "v1"), {"metadata": {"name": "builder"}})
    rbac = "rbac.authorization.k8s.io/v1"
    await api.made(
        objects(api, "rolebindings", rbac),
        {
            "metadata": {"name": "builder"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{NAME}-submit"},
            "subjects": [{"kind": "ServiceAccount", "name": "builder", "namespace": api.namespace}],
        },
    )
    # when the service runs as the pod would: as its account, with its settings
    settings = tmp_path / "settings.yaml"
    settings.write_text(one(made, "ConfigMap", NAME)["data"]["settings.yaml"])
    (tmp_path / "manifests").mkdir()
    account = one(made, "StatefulSet", NAME)["spec"]["template"]["spec"]["serviceAccountName"]
    kubeconfig = await kubeconfig_of(api, account, tmp_path)
    tiphys = Tiphys(tmp_path / "data", kubeconfig, tmp_path / "manifests", "--config", str(settings), "--pod-address", "10.1.2.3")
    hooks = source("/in")
    hooks["spec"]["service"] = {"ports": [{"port": 12000, "targetPort": 12000}]}
    await api.made(objects(api, "workflowtemplates"), workflow_template())
    await api.made(objects(api, "sensors"), sensor("{{ .push.body.after }}", serviceAccountName="builder"))
    await api.made(objects(api, "eventsources"), hooks)
    await tiphys.start()
    try:
        assert await tiphys.ready(), tiphys.log.read_text()
        await stands(api, "sensors", "ci", Ready="True", Acting="True")
        await stands(api, "eventsources", "hooks", Ready="True")
        assert await post(tiphys, {"after": "abc"}) == 200
        # then
        await created(api, "abc")

        async def leads_here() -> bool:
            slices = (await api.get(objects(api, "endpointslices", "discovery.k8s.io/v1"))).body["items"]
            return any(end["addresses"] == ["10.1.2.3"] for one in slices for end in one["endpoints"] or ())

        await until(leads_here, 30)
        await until(lambda: told(api), 30)
        assert "forbidden" not in tiphys.log.read_text()
    finally:
        await tiphys.kill()


async def told(api: Api) -> bool:
    """There are Events on the objects."""
    return bool((await api.get(objects(api, "events", "v1"))).body["items"])


@pytest.mark.timeout(180)
async def test_an_account_that_the_values_do_not_name_cannot_be_acted_as(api: Api) -> None:
    # given
    await install(
        api, values_of({"namespaces": [api.namespace], "crds": {"install": False}, "rbac": {"impersonateAccounts": ["builder"]}})
    )

    async def allowed(verb: str, group: str, resource: str, name: str = "", namespace: str = api.namespace) -> bool:
        asked = {"verb": verb, "group": group, "resource": resource, "name": name, "namespace": namespace}
        spec = {"user": f"system:serviceaccount:{api.namespace}:{NAME}", "resourceAttributes": asked}
        answer = await api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return bool(answer.body["status"]["allowed"])

    # then
    assert await allowed("impersonate", "", "serviceaccounts", "builder")
    assert not await allowed("impersonate", "", "serviceaccounts", "default")
    assert not await allowed("impersonate", "", "serviceaccounts", "builder", "kube-system")
    assert not await allowed("impersonate", "", "users", "system:admin")
    assert await allowed("get", "", "secrets", "any")
    assert not await allowed("get", "", "secrets", "any", "kube-system")
    assert not await allowed("create", "argoproj.io", "workflows")
    assert not await allowed("create", "", "pods")
    assert not await allowed("create", "rbac.authorization.k8s.io", "rolebindings")


@pytest.mark.skipif(not HELM, reason="HELM names no helm to compare with")
@pytest.mark.parametrize("number", [0, len(ROWS) // 2, len(ROWS) - 1])
def test_another_helm_renders_the_same(number: int, tmp_path: Path) -> None:
    # given
    values = values_of(*ROWS[number].values())
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    # when
    command = [
        HELM,
        "template",
        RELEASE,
        str(CHART),
        "--namespace",
        "tools",
        "--values",
        str(tmp_path / "values.yaml"),
        "--kube-version",
        "1.33.0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # then
    assert done.returncode == 0, done.stderr
    found = [document.object for document in load_documents(done.stdout.encode()).documents]
    here = render(values, RELEASE)

    def by_name(all_of_them: list[dict[str, Any]]) -> dict[tuple[str, str, str], Any]:
        return {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in all_of_them}

    assert by_name(found) == by_name(here)
