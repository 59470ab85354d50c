"""Beside argo-events: an object is run by one of the two, and says by whom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.origins.conftest import QUICK, kube, namespace, write_kubeconfig  # noqa: F401  fixtures
from tests.app.origins.test_cluster import until
from tests.app.test_service import SENSOR, SOURCE, post
from tests.app.test_service import until as until_async
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tests.running import Tiphys
from tiphys.app.adoption import LABEL, Adoption, Verdict
from tiphys.clients.kube import Kube, connect

ARGO = "argoproj.io/v1alpha1"
LONG_AGO = "2024-01-01T00:00:00Z"


def sensor(namespace: str, *, label: str | None = None, made: str = LONG_AGO, finalizer: bool = False) -> dict[str, Any]:  # noqa: F811
    metadata: dict[str, Any] = {"name": "ci", "namespace": namespace, "creationTimestamp": made}
    if label is not None:
        metadata["labels"] = {LABEL: label}
    if finalizer:
        metadata["finalizers"] = ["sensor-controller"]
    return {"apiVersion": ARGO, "kind": "Sensor", "metadata": metadata}


def deployment(namespace: str, kind: str = "sensor", owner: str = "ci", replicas: int = 1) -> dict[str, Any]:  # noqa: F811
    labels = {"controller": f"{kind}-controller", "owner-name": owner}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "argo-events"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{owner}-{kind}-x7k2p", "namespace": namespace, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod},
    }


@contextlib.asynccontextmanager
async def watching(adoption: Adoption) -> AsyncIterator[None]:
    task = asyncio.create_task(adoption.run())
    try:
        await adoption.known(15)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_argo_events_every_object_is_ours_at_once(kube: Kube, namespace: str) -> None:  # noqa: F811
    adoption = Adoption(kube, "all", [namespace])
    async with watching(adoption):
        now = datetime.now(UTC).isoformat()
        assert adoption.verdict(sensor(namespace, made=now)) == Verdict(ours=True)
        assert adoption.verdict(sensor(namespace, finalizer=True)).ours, "argo-events was here and is gone"


async def test_what_argo_events_runs_is_left_to_it_until_its_deployment_goes(kube: Kube, namespace: str) -> None:  # noqa: F811
    adoption = Adoption(kube, "all", [namespace])
    heard: list[tuple[str, str, str]] = []
    adoption.on_change(heard.append)
    await kube.create(deployment(namespace))
    async with watching(adoption):
        verdict = adoption.verdict(sensor(namespace))
        assert not verdict.ours
        assert LABEL in verdict.why
        assert adoption.verdict(sensor(namespace, label="true")).ours
        assert adoption.verdict(sensor(namespace, label="false")) == Verdict(ours=False)
        # given that it is scaled to nothing
        heard.clear()
        name = deployment(namespace)["metadata"]["name"]
        await kube.patch("apps/v1", "Deployment", name, namespace, {"spec": {"replicas": 0}})
        await until(lambda: heard == [("Sensor", namespace, "ci")])
        assert adoption.verdict(sensor(namespace)).ours


async def test_where_argo_events_is_at_work_a_new_object_is_given_time_to_get_its_deployment(kube: Kube, namespace: str) -> None:  # noqa: F811
    adoption = Adoption(kube, "all", [namespace])
    await kube.create(deployment(namespace, owner="another"))
    async with watching(adoption):
        fresh = adoption.verdict(sensor(namespace, made=(datetime.now(UTC) - timedelta(seconds=4)).isoformat()))
        assert not fresh.ours
        assert 4 < fresh.again < 7
        assert adoption.verdict(sensor(namespace)).ours
        assert not adoption.verdict(sensor(namespace, finalizer=True)).ours


async def test_labelled_takes_nothing_else_and_watches_nothing() -> None:
    adoption = Adoption(None, "labelled")  # type: ignore[arg-type]  it asks no server
    await adoption.known()
    await adoption.run()
    assert not adoption.verdict(sensor("argo")).ours
    assert adoption.verdict(sensor("argo", label="true")).ours
    assert adoption.verdict({"kind": "WorkflowTemplate", "metadata": {"name": "t"}}).ours


async def test_where_deployments_may_not_be_seen_the_finalizer_tells(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,  # noqa: F811
    ):
        proxy.answer(403, times=1000, when=lambda request: "/deployments" in request.path)
        adoption = Adoption(kube)
        async with watching(adoption):
            fresh = datetime.now(UTC).isoformat()
            assert adoption.verdict(sensor("argo", made=fresh)).ours, "nothing speaks of argo-events"
            verdict = adoption.verdict(sensor("argo", finalizer=True))
            assert not verdict.ours
            assert "list and watch" in verdict.why
            assert not adoption.verdict(sensor("argo", made=fresh)).ours


async def test_an_object_that_we_have_spoken_of_says_that_it_is_ours_no_more() -> None:
    adoption = Adoption(None, "labelled")  # type: ignore[arg-type]  it asks no server
    ours = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Deployed", "status": "True"}]}
    verdict = adoption.verdict({**sensor("argo"), "status": ours})
    assert not verdict.ours
    assert (verdict.reason, LABEL in verdict.why) == ("NotAdopted", True)
    theirs = {"conditions": [{"type": "Deployed", "status": "True"}, 7]}
    assert adoption.verdict({**sensor("argo"), "status": theirs}) == Verdict(ours=False)


async def test_the_status_of_a_bus_that_argo_events_keeps_is_left_to_it() -> None:
    bus = {"kind": "EventBus", "metadata": {"name": "default", "finalizers": ["eventbus-controller"]}}
    adoption = Adoption(None)  # type: ignore[arg-type]  it asks no server of a bus
    assert adoption.verdict(bus) == Verdict(ours=False)
    assert adoption.verdict({**bus, "metadata": {**bus["metadata"], "labels": {LABEL: "true"}}}).ours
    assert adoption.verdict({**bus, "metadata": {"name": "default"}}).ours
    assert not Adoption(None, "labelled").verdict({**bus, "metadata": {"name": "default"}}).ours  # type: ignore[arg-type]  as above


@pytest.mark.parametrize(
    "metadata", [{}, {"labels": None, "finalizers": None}, {"labels": "x", "creationTimestamp": 7}, None], ids=str
)
async def test_objects_of_any_shape_have_a_verdict(metadata: Any) -> None:
    assert not Adoption(None, "labelled").verdict({"kind": "Sensor", "metadata": metadata}).ours  # type: ignore[arg-type]  as above


@pytest.mark.timeout(120)
async def test_the_service_takes_an_object_over_and_gives_it_back(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    # given a Sensor and an EventSource that argo-events runs
    async with connect(emulator.kubeconfig, settings=QUICK) as api:
        await api.create(yaml.safe_load(SENSOR))
        await api.create(yaml.safe_load(SOURCE))
        await api.create(deployment("argo"))
        await api.create(deployment("argo", "eventsource", "hooks"))
        (tmp_path / "manifests").mkdir()
        tiphys = Tiphys(tmp_path / "data", emulator.kubeconfig, tmp_path / "manifests")
        await tiphys.start()

        async def conditions(kind: str, name: str) -> dict[str, str]:
            found = await api.get(ARGO, kind, name, "argo") or {}
            return {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", ())}

        try:
            assert await tiphys.ready(), tiphys.log.read_text()

            async def left() -> bool:
                return await conditions("Sensor", "ci") == {"LeftToArgoEvents": "True"}

            # then it is not run
            await until_async(left)
            assert await post(tiphys, {"after": "abc"}) == 404
            # when its owner hands the EventSource over
            await api.patch(ARGO, "EventSource", "hooks", "argo", {"metadata": {"labels": {LABEL: "true"}}})

            async def served() -> bool:
                return await post(tiphys, {"after": "abc"}) == 200

            await until_async(served)

            async def told() -> bool:
                found = await conditions("EventSource", "hooks")
                return found.get("Ready") == "True" and "LeftToArgoEvents" not in found

            await until_async(told)
            # and takes it back
            await api.patch(ARGO, "EventSource", "hooks", "argo", {"metadata": {"labels": {LABEL: None}}})

            async def gone() -> bool:
                return await post(tiphys, {"after": "abc"}) == 404

            await until_async(gone)

            async def again_left() -> bool:
                found = await conditions("EventSource", "hooks")
                return found.get("LeftToArgoEvents") == "True" and "Ready" not in found

            await until_async(again_left)
        finally:
            await tiphys.kill()
