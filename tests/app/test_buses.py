"""EventBuses say that they are served, for those who wait for it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.app.origins.conftest import kube, namespace  # noqa: F401  fixtures
from tests.emulator.fixtures import emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.app.adoption import LABEL
from tiphys.app.buses import EventBuses, bus_conditions
from tiphys.app.origins import StatusWriter
from tiphys.clients.kube import Kube

ARGO = "argoproj.io/v1alpha1"


def bus(name: str = "default", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    spec = {"jetstream": {"version": "latest"}} if spec is None else spec
    return {"apiVersion": ARGO, "kind": "EventBus", "metadata": {"name": name, **metadata}, "spec": spec}


def states(obj: dict[str, Any]) -> dict[str, str]:
    return {one.type: one.status for one in bus_conditions(obj)}


def test_a_valid_bus_is_served_by_our_own_log_and_says_what_it_asks_for() -> None:
    found = {one.type: one for one in bus_conditions(bus())}
    assert {name: one.status for name, one in found.items()} == {
        "Configured": "True",
        "Deployed": "True",
        "Ready": "True",
        "Notices": "True",
    }
    assert found["Deployed"].reason == "Embedded"
    assert found["Notices"].reason == "Information"
    assert "JetStream" in found["Notices"].message


def test_an_invalid_bus_says_what_is_wrong() -> None:
    assert states(bus(spec={})) == {"Configured": "False", "Deployed": "False", "Ready": "False"}
    assert bus_conditions(bus(spec={"nats": {}}))[0].reason == "InvalidSpec"


async def test_the_status_of_a_bus_is_written_but_not_of_one_that_argo_events_keeps(kube: Kube, namespace: str) -> None:  # noqa: F811
    # given
    await kube.create(bus("ours"), namespace=namespace)
    await kube.create(bus("theirs", finalizers=["eventbus-controller"]), namespace=namespace)
    await kube.create(bus("moved", finalizers=["eventbus-controller"], labels={LABEL: "true"}), namespace=namespace)
    async with StatusWriter(kube, interval=0.05) as writer:
        task = asyncio.create_task(EventBuses(kube, writer, "all", [namespace]).run())
        try:
            # then
            async with asyncio.timeout(15):
                while True:
                    found = {one["metadata"]["name"]: one for one in (await kube.list(ARGO, "EventBus", namespace)).items}
                    written = {name for name, one in found.items() if (one.get("status") or {}).get("conditions")}
                    if written == {"ours", "moved"}:
                        break
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    for name in ("theirs", "moved"):  # so that the namespace can go
        await kube.patch(ARGO, "EventBus", name, namespace, {"metadata": {"finalizers": None}})
