"""Kubernetes Events about EventSources and Sensors: said once, counted, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.app.origins.conftest import QUICK, kube, namespace, write_kubeconfig  # noqa: F401  fixtures
from tests.app.origins.test_cluster import obj, until
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.app.announcing import Announcer
from tiphys.app.origins import Condition, StatusWriter
from tiphys.clients.kube import Kube, connect


@contextlib.asynccontextmanager
async def speaking(kube: Kube, **options: Any) -> AsyncIterator[Announcer]:  # noqa: F811
    announcer = Announcer(kube, **options)
    task = asyncio.create_task(announcer.run())
    try:
        yield announcer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def said(kube: Kube, namespace: str, count: int) -> list[dict[str, Any]]:  # noqa: F811
    """The Events of a namespace, once there are so many; those of the API server itself do not count."""
    async with asyncio.timeout(15):
        while True:
            listing = await kube.list("v1", "Event", namespace)
            found = [item for item in listing.items if (item.get("source") or {}).get("component") == "tiphys"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_an_event_is_about_its_object_and_is_what_describe_reads(kube: Kube, namespace: str) -> None:  # noqa: F811
    sensor = await kube.create(obj("s"), namespace=namespace)
    async with speaking(kube) as announcer:
        announcer.announce(sensor, "Warning", "DeadLetter", "trigger build: firing abc was given up: 403")
        (event,) = await said(kube, namespace, 1)
    assert event["involvedObject"]["uid"] == sensor["metadata"]["uid"]
    assert event["involvedObject"]["kind"] == "Sensor"
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "DeadLetter", 1)
    assert event["message"].startswith("trigger build")


async def test_the_same_thing_said_again_is_counted_also_after_a_restart(kube: Kube, namespace: str) -> None:  # noqa: F811
    sensor = await kube.create(obj("s"), namespace=namespace)
    for _ in range(2):
        async with speaking(kube) as announcer:
            announcer.announce(sensor, "Warning", "DeadLetter", "the same")
            announcer.announce(sensor, "Warning", "DeadLetter", "the same")
            announcer.announce(sensor, "Normal", "Accepted", "the end")
            await until(announcer._queue.empty)
            await said(kube, namespace, 2)
    async with asyncio.timeout(15):
        while True:
            counts = {event["reason"]: event["count"] for event in await said(kube, namespace, 2)}
            if counts["DeadLetter"] == 4:
                break
            await asyncio.sleep(0.02)


async def test_an_object_cannot_flood_and_others_are_still_heard(kube: Kube, namespace: str) -> None:  # noqa: F811
    loud = await kube.create(obj("loud"), namespace=namespace)
    quiet = await kube.create(obj("quiet"), namespace=namespace)
    async with speaking(kube, burst=3, refill=3600) as announcer:
        for number in range(100):
            announcer.announce(loud, "Warning", "DeadLetter", f"number {number}")
        announcer.announce(quiet, "Warning", "DeadLetter", "mine")
        found = await said(kube, namespace, 4)
    assert sorted(event["involvedObject"]["name"] for event in found) == ["loud", "loud", "loud", "quiet"]
    assert announcer.dropped == 97


async def test_what_changes_in_a_status_is_told_and_what_stands_there_is_not(kube: Kube, namespace: str) -> None:  # noqa: F811
    await kube.create(obj("s"), namespace=namespace)
    bad = Condition("Accepted", "False", "Invalid", "spec.triggers[0].template: says nothing of what to do")
    async with speaking(kube) as announcer:
        for _ in range(2):  # the second is a restart: the status says it already
            async with StatusWriter(kube, interval=0.01, written=announcer.conditions) as writer:
                writer.set_conditions(
                    "Sensor", namespace, "s", 1, [bad, Condition("TriggersProvided", "False", "InvalidTriggers", "no")]
                )
                (event,) = await said(kube, namespace, 1)
                await until(lambda: all(target.task is None for target in writer._targets.values()))
        assert (event["type"], event["reason"], event["count"]) == ("Warning", "Invalid", 1)
        async with StatusWriter(kube, interval=0.01, written=announcer.conditions) as writer:
            writer.set_conditions("Sensor", namespace, "s", 2, [Condition("Accepted", "True")])
            found = await said(kube, namespace, 2)
    assert sorted((event["type"], event["reason"]) for event in found) == [("Normal", "Accepted"), ("Warning", "Invalid")]


async def test_where_events_are_forbidden_nothing_is_held_up(emulator: EmulatorProcess, tmp_path) -> None:  # noqa: F811
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,  # noqa: F811
        speaking(kube) as announcer,
    ):
        sensor = await kube.create(obj("s"), namespace="default")
        proxy.answer(403, times=1000, when=lambda request: request.method == "POST" and "/events" in request.path)
        for number in range(5):
            announcer.announce(sensor, "Warning", "DeadLetter", f"number {number}")
        await until(lambda: announcer.dropped == 5)
        assert proxy.count("POST") == 2, "the sensor, and one try of an Event"


async def test_notices_warn_only_where_one_of_them_is_a_warning(kube: Kube, namespace: str) -> None:  # noqa: F811
    sensor = await kube.create(obj("s"), namespace=namespace)
    async with speaking(kube) as announcer:
        announcer.conditions(sensor, [Condition("Notices", "True", "Information", "spec.replicas: has no effect")])
        announcer.conditions(sensor, [Condition("Notices", "True", "Warnings", "spec.triggers[0]: is open to anybody")])
        announcer.conditions(sensor, [Condition("Listening", "Unknown", "Starting", "x"), Condition("Acting", "True")])
        found = await said(kube, namespace, 3)
    assert sorted((event["type"], event["reason"], event["message"].partition(":")[0]) for event in found) == [
        ("Normal", "Acting", "it can act as its service account"),
        ("Normal", "Notices", "spec.replicas"),
        ("Warning", "Notices", "spec.triggers[0]"),
    ]
