"""The service on a real cluster: what `test_service` shows on the embedded API, with no more permissions than docs/cluster.md asks for.

`KUBECONFIG_TEST` names the kubeconfig of somebody who may make namespaces and roles; the definitions of `argoproj.io` must be installed.
Each test has a namespace of its own and deletes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.test_service import post, until
from tests.emulator.api import Api, open_real
from tests.running import Tiphys

ARGO = "argoproj.io/v1alpha1"
RBAC = "rbac.authorization.k8s.io/v1"
WORKFLOWS = [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create", "get"]}]
PERMISSIONS = Path(__file__).parents[2] / "docs" / "cluster.md"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with open_real() as real:
        for plural in ("eventsources", "sensors", "workflows", "workflowtemplates"):
            if (await real.get(objects(real, plural))).status == 404:
                pytest.skip(f"the cluster of KUBECONFIG_TEST does not serve {plural} of {ARGO}")
        yield real


@pytest.fixture
async def tiphys(tmp_path: Path, api: Api) -> AsyncIterator[Tiphys]:
    await allow(api, "tiphys", documented_rules())
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    running = Tiphys(tmp_path / "data", await kubeconfig_of(api, "tiphys", tmp_path), manifests, "--namespaces", api.namespace)
    yield running
    if running.running:
        assert await running.stop() == 0


def objects(api: Api, plural: str, api_version: str = ARGO) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{api_version}/namespaces/{api.namespace}/{plural}"


def documented_rules() -> list[dict[str, Any]]:
    """The table of docs/cluster.md as rules of a Role."""
    rows = re.findall(r"^\| (`[a-z.]+`|core) \| (.*?) \| ([a-z, ]+) \|$", PERMISSIONS.read_text(), re.MULTILINE)
    assert rows, "the table of permissions is gone"
    return [
        {"apiGroups": ["" if group == "core" else group.strip("`")], "resources": re.findall(r"`(.*?)`", kinds), "verbs": verbs.split(", ")}
        for group, kinds, verbs in rows
    ]  # fmt: skip


async def allow(api: Api, account: str, rules: list[dict[str, Any]]) -> None:
    """A service account that may do this in the test's namespace."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": api.namespace}
    await api.post(objects(api, "serviceaccounts", "v1"), {"metadata": {"name": account}})
    await api.made(objects(api, "roles", RBAC), {"metadata": {"name": account}, "rules": rules})
    role = {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": account}
    await api.made(objects(api, "rolebindings", RBAC), {"metadata": {"name": account}, "roleRef": role, "subjects": [subject]})


async def kubeconfig_of(api: Api, account: str, folder: Path) -> Path:
    """The kubeconfig of `KUBECONFIG_TEST`, as this service account."""
    answer = await api.post(f"{objects(api, 'serviceaccounts', 'v1')}/{account}/token", {"spec": {"expirationSeconds": 3600}})
    assert answer.status == 201, answer
    given = Path(os.environ["KUBECONFIG_TEST"])
    config = yaml.safe_load(given.read_text())
    for user in config["users"]:
        user["user"] = {"token": answer.body["status"]["token"]}
    for cluster in config["clusters"]:
        if authority := cluster["cluster"].get("certificate-authority"):
            cluster["cluster"]["certificate-authority"] = str(given.parent.resolve() / authority)
    written = folder / "kubeconfig"
    written.write_text(yaml.safe_dump(config))
    return written


def source(endpoint: str) -> dict[str, Any]:
    webhook = {"in": {"endpoint": endpoint, "port": "12000", "method": "POST"}}
    return {"apiVersion": ARGO, "kind": "EventSource", "metadata": {"name": "hooks"}, "spec": {"webhook": webhook}}


def sensor(revision: str, **template: str) -> dict[str, Any]:
    workflow = {"templateRef": {"name": "ci"}, "arguments": {"revision": revision}}
    spec = {
        "dependencies": [{"name": "push", "eventSourceName": "hooks", "eventName": "in"}],
        "triggers": [{"template": {"name": "build", "workflow": workflow}}],
    }
    if template:
        spec["template"] = template
    return {"apiVersion": ARGO, "kind": "Sensor", "metadata": {"name": "ci"}, "spec": spec}


def workflow_template() -> dict[str, Any]:
    spec = {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "revision"}]},
        "templates": [{"name": "main", "suspend": {}}],
    }
    return {"apiVersion": ARGO, "kind": "WorkflowTemplate", "metadata": {"name": "ci"}, "spec": spec}


async def create_all(api: Api, sensor: dict[str, Any]) -> None:
    await api.made(objects(api, "workflowtemplates"), workflow_template())
    await api.made(objects(api, "sensors"), sensor)
    await api.made(objects(api, "eventsources"), source("/in"))


async def created(api: Api, *wanted: str, seconds: float = 30.0) -> None:
    async def all_there() -> bool:
        items = (await api.get(objects(api, "workflows"))).body["items"]
        return sorted(one["spec"]["arguments"]["parameters"][0]["value"] for one in items) == sorted(wanted)

    await until(all_there, seconds)


async def stands(api: Api, plural: str, name: str, **conditions: str) -> None:
    """Wait until the status has these conditions."""

    async def written() -> bool:
        status = (await api.get(f"{objects(api, plural)}/{name}")).body.get("status", {})
        found = {one["type"]: one["status"] for one in status.get("conditions", [])}
        return conditions.items() <= found.items()

    await until(written, 30)


async def answers(tiphys: Tiphys, path: str, status: int) -> None:
    async def answered() -> bool:
        return await post(tiphys, {"after": "probe"}, path) == status

    await until(answered, 30)


@pytest.mark.timeout(180)
async def test_objects_of_a_real_cluster_are_followed_from_their_creation_to_their_end(api: Api, tiphys: Tiphys) -> None:
    await allow(api, "default", WORKFLOWS)
    await create_all(api, sensor("{{ .push.body.after }}"))
    await tiphys.start()
    assert await tiphys.ready(), tiphys.log.read_text()
    await stands(api, "eventsources", "hooks", Deployed="True", SourcesProvided="True", Listening="True", Ready="True")
    await stands(api, "sensors", "ci", Deployed="True", DependenciesProvided="True", TriggersProvided="True", Ready="True")

    assert await post(tiphys, {"after": "abc"}) == 200
    await created(api, "abc")
    made = (await api.get(objects(api, "workflows"))).body["items"][0]
    assert made["metadata"]["name"] == f"ci-{made['metadata']['labels']['tiphys.dev/firing']}"
    assert made["spec"]["workflowTemplateRef"] == {"name": "ci"}

    changed = {"spec": {"triggers": sensor("changed-{{ .push.body.after }}")["spec"]["triggers"]}}
    generation = (await api.patch(f"{objects(api, 'sensors')}/ci", changed)).body["metadata"]["generation"]

    async def acted_upon() -> bool:
        return bool((await api.get(f"{objects(api, 'sensors')}/ci")).body["status"].get("observedGeneration") == generation)

    await until(acted_upon, 30)
    assert await post(tiphys, {"after": "b"}) == 200
    await created(api, "abc", "changed-b")

    broken = {"spec": {"dependencies": [{"name": "push", "eventSourceName": "hooks", "eventName": 7}]}}
    if (
        await api.patch(f"{objects(api, 'sensors')}/ci", broken)
    ).status == 200:  # definitions with a full schema refuse it themselves
        await stands(api, "sensors", "ci", Accepted="False")
        assert await post(tiphys, {"after": "c"}) == 200
        await created(api, "abc", "changed-b", "changed-c")

    await api.delete(f"{objects(api, 'sensors')}/ci")
    await api.delete(f"{objects(api, 'eventsources')}/hooks")
    await answers(tiphys, "/in", 404)


@pytest.mark.timeout(180)
async def test_what_an_impersonated_account_may_not_do_is_refused_and_done_once_it_may(api: Api, tiphys: Tiphys) -> None:
    await api.made(objects(api, "serviceaccounts", "v1"), {"metadata": {"name": "builder"}})
    await create_all(api, sensor("{{ .push.body.after }}", serviceAccountName="builder"))
    await tiphys.start()
    assert await tiphys.ready(), tiphys.log.read_text()
    await stands(api, "sensors", "ci", Deployed="True", Acting="True")
    await stands(api, "eventsources", "hooks", Listening="True")

    assert await post(tiphys, {"after": "refused"}) == 200

    async def refused() -> bool:
        firings = (await tiphys.ask("firings"))["items"]
        return any("forbidden" in str(one) for one in firings)

    await until(refused, 30)
    await created(api)

    await allow(api, "builder", WORKFLOWS)
    assert await post(tiphys, {"after": "allowed"}) == 200

    async def done() -> bool:
        items = (await api.get(objects(api, "workflows"))).body["items"]
        return "allowed" in [one["spec"]["arguments"]["parameters"][0]["value"] for one in items]

    await until(done, 30)


@pytest.mark.timeout(180)
async def test_a_right_to_impersonate_that_is_missing_stands_in_the_status(api: Api, tiphys: Tiphys) -> None:
    role = await api.get(f"{objects(api, 'roles', RBAC)}/tiphys")
    rules = [rule for rule in role.body["rules"] if rule["verbs"] != ["impersonate"]]
    assert len(rules) == len(role.body["rules"]) - 1
    await api.patch(f"{objects(api, 'roles', RBAC)}/tiphys", {"rules": rules})
    await allow(api, "builder", WORKFLOWS)
    await create_all(api, sensor("{{ .push.body.after }}", serviceAccountName="builder"))
    await tiphys.start()
    assert await tiphys.ready(), tiphys.log.read_text()
    await stands(api, "sensors", "ci", Acting="False", Ready="False")

    async def told() -> bool:
        items = (await api.get(objects(api, "events", "v1"))).body["items"]
        return any(one["reason"] == "ImpersonationForbidden" for one in items)

    await until(told, 30)
    assert await post(tiphys, {"after": "waiting"}) == 200
    await api.patch(f"{objects(api, 'roles', RBAC)}/tiphys", {"rules": role.body["rules"]})
    await created(api, "waiting", seconds=60)
    await stands(api, "sensors", "ci", Acting="True", Ready="True")
