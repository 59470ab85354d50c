"""Manifests from a cluster: every change of a manifest, none of our own, and nothing gone because it could not be seen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from tests.app.origins.conftest import QUICK, write_kubeconfig
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess
from tiphys.app.origins import Change, ClusterOrigin
from tiphys.clients.kube import Kube, connect

AV = "argoproj.io/v1alpha1"


# as little as the definitions of `tiphys crds` ask for, where a real cluster has them
SPECS = {
    "EventBus": {"jetstream": {"version": "latest"}},
    "Sensor": {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v"}],
        "triggers": [{"template": {"name": "t", "log": {}}}],
    },
}


def obj(name: str, kind: str = "Sensor", **metadata) -> dict:
    return {
        "apiVersion": AV,
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": {"value": 1, **SPECS.get(kind, {})},
    }


@asynccontextmanager
async def reading(kube: Kube, **options):
    """The origin, and the changes that it told so far."""
    origin, told = ClusterOrigin(kube, **options), list[Change]()

    async def run() -> None:
        async for change in origin.changes():
            told.append(change)

    task = asyncio.create_task(run())
    try:
        yield origin, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


async def until(condition, limit: float = 15) -> None:
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.01)


def shown(told: list[Change]) -> list[tuple[str, str, bool]]:
    return [(change.kind, change.name, change.document is not None) for change in told]


async def test_what_is_there_is_told_before_it_is_synced(kube: Kube, namespace: str) -> None:
    await kube.create(obj("s"), namespace=namespace)
    await kube.create(obj("e", "EventSource"), namespace=namespace)
    await kube.create(obj("b", "EventBus"), namespace=namespace)
    async with reading(kube, namespaces=[namespace]) as (origin, told):
        async with asyncio.timeout(15):
            await origin.synced.wait()
        assert sorted(shown(told)) == [("EventSource", "e", True), ("Sensor", "s", True)], "only the kinds that were asked for"
    change = next(change for change in told if change.kind == "Sensor")
    assert (change.namespace, change.where) == (namespace, f"Sensor {namespace}/s")
    assert change.document is not None
    assert change.document.where("spec.value") == f"Sensor {namespace}/s"


async def test_changes_are_told_live(kube: Kube, namespace: str) -> None:
    async with reading(kube, namespaces=[namespace], kinds=("Sensor", "EventBus")) as (_, told):
        await kube.create(obj("s"), namespace=namespace)
        await until(lambda: len(told) == 1)
        await kube.patch(AV, "Sensor", "s", namespace, {"spec": {"value": 2}})
        await until(lambda: len(told) == 2)
        await kube.patch(AV, "Sensor", "s", namespace, {"metadata": {"annotations": {"tiphys.dev/adopt": "true"}}})
        await until(lambda: len(told) == 3)
        await kube.delete(AV, "Sensor", "s", namespace)
        await until(lambda: len(told) == 4)
    assert [change.document.object["spec"]["value"] if change.document else None for change in told] == [1, 2, 2, None]


async def test_a_status_that_was_written_is_no_news(kube: Kube, namespace: str) -> None:
    await kube.create(obj("s"), namespace=namespace)
    async with reading(kube, namespaces=[namespace], kinds=("Sensor", "EventBus")) as (_, told):
        await until(lambda: len(told) == 1)
        await kube.patch(AV, "Sensor", "s", namespace, {"status": {"conditions": []}}, subresource="status")
        await kube.create(obj("b", "EventBus"), namespace=namespace)
        await until(lambda: len(told) == 2)
        await kube.patch(AV, "EventBus", "b", namespace, {"status": {"config": {"jetstream": {}}}}, subresource="status")
        await until(lambda: len(told) == 3)
        await asyncio.sleep(0.1)
    assert [change.kind for change in told] == ["Sensor", "EventBus", "EventBus"]


async def test_an_object_that_is_being_deleted_is_gone_although_a_finalizer_holds_it(kube: Kube, namespace: str) -> None:
    await kube.create(obj("held", finalizers=["sensor-controller"]), namespace=namespace)
    await kube.create(obj("s"), namespace=namespace)
    async with reading(kube, namespaces=[namespace], kinds=("Sensor",)) as (_, told):
        await until(lambda: len(told) == 2)
        await kube.delete(AV, "Sensor", "held", namespace)
        await until(lambda: len(told) == 3)
    assert shown(told)[-1] == ("Sensor", "held", False)
    await kube.patch(AV, "Sensor", "held", namespace, {"metadata": {"finalizers": None}})


async def test_only_the_listed_namespaces_are_watched(kube: Kube, namespace: str) -> None:
    other = f"{namespace}-other"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    await kube.create(obj("mine"), namespace=namespace)
    await kube.create(obj("theirs"), namespace=other)
    async with reading(kube, namespaces=[namespace]) as (origin, told):
        async with asyncio.timeout(15):
            await origin.synced.wait()
        assert shown(told) == [("Sensor", "mine", True)]
    async with reading(kube, namespaces=None) as (origin, told):
        async with asyncio.timeout(15):
            await origin.synced.wait()
        assert {(change.namespace, change.name) for change in told} >= {(namespace, "mine"), (other, "theirs")}
    await kube.delete("v1", "Namespace", other)


async def test_noise_of_the_api_is_left_out(kube: Kube, namespace: str) -> None:
    noise = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "x"}
    await kube.create(obj("s", annotations=noise), namespace=namespace)
    async with reading(kube, namespaces=[namespace], kinds=("Sensor",)) as (_, told):
        await until(lambda: len(told) == 1)
    assert told[0].document is not None
    metadata = told[0].document.object["metadata"]
    assert metadata["annotations"] == {"mine": "x"}
    assert "managedFields" not in metadata


async def test_a_missing_definition_is_a_clear_trouble_and_found_when_it_comes(emulator: EmulatorProcess) -> None:
    async with connect(emulator.kubeconfig, settings=QUICK) as kube:
        crd = await kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "sensors.argoproj.io")
        assert crd is not None
        await kube.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", "sensors.argoproj.io")
        async with reading(kube) as (origin, told):
            await until(lambda: "Sensor in all namespaces" in origin.faults)
            assert "CustomResourceDefinition installed?" in origin.faults["Sensor in all namespaces"][0]
            assert not origin.synced.is_set(), "it has not answered for Sensors"
            await kube.create({**crd, "metadata": {"name": "sensors.argoproj.io"}})
            async with asyncio.timeout(15):
                await origin.synced.wait()
            await until(lambda: not origin.faults)
        assert told == []


async def test_a_server_that_is_away_takes_nothing_away(emulator: EmulatorProcess, tmp_path) -> None:
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
    ):
        for name in ("a", "b", "c"):
            await kube.create(obj(name), namespace="default")
        async with reading(kube, kinds=("Sensor",)) as (origin, told):
            await until(lambda: len(told) == 3)
            await proxy.refuse()
            await until(lambda: bool(origin.faults))
            async with connect(emulator.kubeconfig) as sure:
                await sure.delete(AV, "Sensor", "b", "default")
            proxy.answer(500, times=2)
            proxy.answer(200, times=1, body=b"{}")
            proxy.answer(404, times=1, body=b"<html>")
            await proxy.accept()
            await until(lambda: len(told) == 4)
            await until(lambda: not origin.faults)
    assert shown(told)[3] == ("Sensor", "b", False), "what went away meanwhile is told, and nothing else"
