"""Every operation of `k8s` on an API server: the embedded one always, a real one where `KUBECONFIG_TEST` names its kubeconfig.

What only a real one does (server-side apply, kinds with versions and schemas of their own) is skipped on the embedded one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dispatcher.program import TriggerProgram, render
from tests.dispatcher.support import World, creates, event, firing, program
from tests.emulator.fixtures import EmulatorProcess
from tiphys.bus.firing import Target, TriggerKey
from tiphys.clients.kube import Kube, KubeObject, connect
from tiphys.emulator.kubeconfig import kubeconfig
from tiphys.errors import Refused

DEFINITION = "CustomResourceDefinition"
EXTENSIONS = "apiextensions.k8s.io/v1"
APPLY = "application/apply-patch+yaml"


@dataclass
class Api:
    """A server, and a namespace and a group of the test's own on it."""

    kube: Kube
    real: bool
    group: str = field(default_factory=lambda: f"g{uuid4().hex[:8]}.tiphys.dev")
    namespace: str = ""

    async def get(self, kind: str, name: str, api_version: str = "v1", namespace: str | None = None) -> KubeObject:
        found = await self.kube.get(api_version, kind, name, self.namespace if namespace is None else namespace or None)
        assert found is not None
        return found

    async def do(self, operation: str, obj: dict[str, Any], number: int = 1, trigger: str = "build", **more: Any) -> Target:
        """Render and execute for one firing of a trigger."""
        key = TriggerKey(self.namespace, "ci", trigger)
        template = {"name": trigger, "k8s": {"operation": operation, "source": {"resource": obj}} | more}
        made = program({"template": template}, World(self.kube), key)
        one = firing(key, number)
        request = await render(made, {"dep": event({"body": {"n": number}})}, one)
        return await made.trigger({}).execute(request, one)


@pytest.fixture(params=["embedded", "real"])
async def api(request: pytest.FixtureRequest, shared_emulator: EmulatorProcess, tmp_path: Path) -> AsyncIterator[Api]:
    named = os.environ.get("KUBECONFIG_TEST", "")
    if request.param == "real" and not named:
        pytest.skip("KUBECONFIG_TEST names no kubeconfig of a real cluster")
    config = Path(named)
    if request.param == "embedded":
        config = tmp_path / "kubeconfig"
        config.write_text(kubeconfig(shared_emulator.url, shared_emulator.token))
    async with connect(config) as kube:
        made = Api(kube, request.param == "real")
        space = await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "tiphys-k8s-"}})
        made.namespace = space["metadata"]["name"]
        yield made
        await kube.delete("v1", "Namespace", made.namespace)
        await kube.delete(EXTENSIONS, DEFINITION, f"foxen.{made.group}")


async def served(api: Api, obj: dict[str, Any]) -> bool:
    try:
        await api.kube.get(obj["apiVersion"], obj["kind"], "nobody")
    except Refused:
        return False
    return True


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": data}


def deployment(image: str, *more: dict[str, Any]) -> dict[str, Any]:
    containers = [{"name": "web", "image": image}, *more]
    labels = {"app": "web"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


async def test_a_kind_is_found_by_what_the_server_says_of_it_and_not_by_its_name(api: Api) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "foxen", "singular": "fox", "kind": "Fox", "listKind": "FoxList"}
    spec = {"group": api.group, "scope": "Cluster", "names": names, "versions": [version]}
    definition = {"apiVersion": EXTENSIONS, "kind": DEFINITION, "metadata": {"name": f"foxen.{api.group}"}, "spec": spec}
    await api.do("create", definition)
    fox = {"apiVersion": f"{api.group}/v1", "kind": "Fox", "metadata": {"name": "reynard"}}

    async with asyncio.timeout(60):
        while not await served(api, fox):  # a definition is served a moment later
            await asyncio.sleep(0.05)
    made = await api.do("create", fox)

    assert (made.kind, made.namespace) == ("Fox", "")
    assert (await api.get("Fox", "reynard", f"{api.group}/v1", ""))["metadata"]["labels"]["events.argoproj.io/sensor"] == "ci"


async def test_an_object_is_updated_and_a_stale_one_refused(api: Api) -> None:
    await api.kube.create(config_map(kept="1", changed="1"), namespace=api.namespace)

    await api.do("update", config_map(changed="2"))

    assert (await api.get("ConfigMap", "web"))["data"] == {"kept": "1", "changed": "2"}


async def test_a_merge_patch_and_its_null(api: Api) -> None:
    await api.kube.create(config_map(kept="1", gone="1"), namespace=api.namespace)

    await api.do("patch", {**config_map(), "data": {"gone": None, "new": "1"}})

    assert (await api.get("ConfigMap", "web"))["data"] == {"kept": "1", "new": "1"}


async def test_a_json_patch(api: Api) -> None:
    await api.kube.create(config_map(kept="1", gone="1"), namespace=api.namespace)
    steps = [{"op": "remove", "path": "/data/gone"}, {"op": "add", "path": "/data/new", "value": "1"}]
    obj = {key: value for key, value in config_map().items() if key != "data"} | {"patch": steps}

    await api.do("patch", obj, patchStrategy="application/json-patch+json")

    assert (await api.get("ConfigMap", "web"))["data"] == {"kept": "1", "new": "1"}


async def test_a_strategic_merge_changes_one_container_and_keeps_the_others(api: Api) -> None:
    await api.kube.create(deployment("web:1", {"name": "log", "image": "log:1"}), namespace=api.namespace)

    await api.do("patch", deployment("web:2"), patchStrategy="application/strategic-merge-patch+json")

    found = (await api.get("Deployment", "web", "apps/v1"))["spec"]["template"]["spec"]["containers"]
    assert sorted((one["name"], one["image"]) for one in found) == [("log", "log:1"), ("web", "web:2")]


async def test_what_is_to_be_patched_is_made_where_it_is_not_there(api: Api) -> None:
    made = await api.do("patch", config_map(a="1"))

    assert (await api.get("ConfigMap", "web"))["metadata"]["labels"]["tiphys.dev/firing"] == firing(
        TriggerKey(api.namespace, "ci", "build")
    ).id
    assert made.operation == ""


async def test_an_object_is_deleted_and_one_that_is_not_there_is_deleted_already(api: Api) -> None:
    await api.kube.create(config_map(), namespace=api.namespace)

    for number in (1, 2):
        await api.do("delete", config_map(), number)

    assert await api.kube.get("v1", "ConfigMap", "web", api.namespace) is None


async def test_parameters_of_an_update_are_set_in_the_live_object(api: Api) -> None:
    await api.kube.create(config_map(kept="1", n=""), namespace=api.namespace)
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.n"}, "dest": "data.n"}

    await api.do("update", config_map(), 7, liveObject=True, parameters=[parameter])

    assert (await api.get("ConfigMap", "web"))["data"] == {"kept": "1", "n": "7"}


# -- server-side apply


@pytest.fixture
def applying(api: Api) -> Api:
    if not api.real:
        pytest.skip("the embedded API has no server-side apply")
    return api


async def test_an_apply_makes_what_is_not_there_and_owns_its_fields_alone(applying: Api) -> None:
    await applying.do("patch", config_map(a="1"), patchStrategy=APPLY)

    obj = await applying.get("ConfigMap", "web")
    assert [(one["manager"], one["operation"]) for one in obj["metadata"]["managedFields"]] == [
        (f"tiphys/{applying.namespace}/ci/build", "Apply")
    ]
    assert obj["data"] == {"a": "1"}


async def test_what_a_trigger_applied_and_applies_no_more_is_taken_away(applying: Api) -> None:
    await applying.do("patch", config_map(a="1", b="1"), 1, patchStrategy=APPLY)
    await applying.do("patch", config_map(b="2"), 2, patchStrategy=APPLY)

    assert (await applying.get("ConfigMap", "web"))["data"] == {"b": "2"}


async def test_two_triggers_that_apply_to_one_object_take_nothing_from_each_other(applying: Api) -> None:
    await applying.do("patch", config_map(a="1"), 1, "one", patchStrategy=APPLY)
    await applying.do("patch", config_map(b="1"), 2, "other", patchStrategy=APPLY)
    await applying.do("patch", config_map(a="2"), 3, "one", patchStrategy=APPLY)

    assert (await applying.get("ConfigMap", "web"))["data"] == {"a": "2", "b": "1"}


async def test_an_apply_takes_over_a_field_that_somebody_else_has_set(applying: Api) -> None:
    await applying.kube.create(config_map(a="theirs", kept="1"), namespace=applying.namespace)

    await applying.do("patch", config_map(a="ours"), patchStrategy=APPLY)

    assert (await applying.get("ConfigMap", "web"))["data"] == {"a": "ours", "kept": "1"}


async def test_an_apply_is_recognised_by_the_firing_that_made_it(applying: Api) -> None:
    target = await applying.do("patch", config_map(a="1"), patchStrategy=APPLY)
    key = TriggerKey(applying.namespace, "ci", "build")
    made: TriggerProgram = program(creates(), World(applying.kube), key)

    assert await made.trigger({}).look(target, firing(key, 1)) == target
    assert await made.trigger({}).look(target, firing(key, 2)) is None


async def test_a_trigger_with_a_very_long_name_applies_as_well(applying: Api) -> None:
    await applying.do("patch", config_map(a="1"), 1, "t" * 200 + "1", patchStrategy=APPLY)
    await applying.do("patch", config_map(b="1"), 2, "t" * 200 + "2", patchStrategy=APPLY)

    assert (await applying.get("ConfigMap", "web"))["data"] == {"a": "1", "b": "1"}
