"""Conditions in the status: written when they change, beside argo-events' own, and never waited for."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.origins.conftest import QUICK, write_kubeconfig
from tests.app.origins.test_cluster import AV, obj, until
from tests.emulator.faulty import FaultyProxy, Seen
from tests.emulator.fixtures import EmulatorProcess
from tiphys.app.origins import Condition, StatusWriter
from tiphys.app.origins.status import merge
from tiphys.clients.kube import Kube, connect

READY = Condition("TriggersProvided", "True")


async def status_of(kube: Kube, namespace: str, name: str = "s") -> dict:
    found = await kube.get(AV, "Sensor", name, namespace)
    assert found is not None
    return found.get("status") or {}


async def until_status(kube: Kube, namespace: str, **expected: str) -> dict:
    """Poll until the conditions have these states."""
    async with asyncio.timeout(15):
        while True:
            status = await status_of(kube, namespace)
            if {entry["type"]: entry["status"] for entry in status.get("conditions", ())} == expected:
                return status
            await asyncio.sleep(0.02)


async def test_conditions_are_written_with_the_generation_they_are_about(kube: Kube, namespace: str) -> None:
    made = await kube.create(obj("s"), namespace=namespace)
    async with StatusWriter(kube, interval=0.05) as writer:
        problem = Condition("DependenciesProvided", "False", "InvalidDependencies", "dependency 'x' is unknown")
        writer.set_conditions("Sensor", namespace, "s", made["metadata"]["generation"], [READY, problem])
        status = await until_status(kube, namespace, TriggersProvided="True", DependenciesProvided="False")
    first, second = status["conditions"]
    assert (first["type"], first["reason"], first["message"]) == ("DependenciesProvided", problem.reason, problem.message)
    assert first["lastTransitionTime"].endswith("Z")
    assert second["type"] == "TriggersProvided"
    assert status["observedGeneration"] == made["metadata"]["generation"]


async def test_argo_events_own_conditions_stay(kube: Kube, namespace: str) -> None:
    await kube.create(obj("s"), namespace=namespace)
    theirs = {"type": "Deployed", "status": "True", "reason": "MinimumReplicas", "lastTransitionTime": "2024-01-01T00:00:00Z"}
    await kube.patch(AV, "Sensor", "s", namespace, {"status": {"conditions": [theirs], "other": 1}}, subresource="status")
    async with StatusWriter(kube, interval=0.05) as writer:
        writer.set_conditions("Sensor", namespace, "s", 1, [READY])
        status = await until_status(kube, namespace, TriggersProvided="True", Deployed="True")
    assert theirs in status["conditions"]
    assert status["other"] == 1


async def test_what_stands_there_already_is_not_written(emulator: EmulatorProcess, tmp_path) -> None:
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
    ):
        await kube.create(obj("s"), namespace="default")
        for _ in range(2):  # the second is a restart of ours
            async with StatusWriter(kube, interval=0.01) as writer:
                for _ in range(5):
                    writer.set_conditions("Sensor", "default", "s", 1, [READY])
                    await until_status(kube, "default", TriggersProvided="True")
        assert proxy.count("PATCH") == 1


async def test_conditions_that_change_fast_are_written_at_most_once_an_interval(emulator: EmulatorProcess, tmp_path) -> None:
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
    ):
        await kube.create(obj("s"), namespace="default")
        async with StatusWriter(kube, interval=0.5) as writer:
            writer.set_conditions("Sensor", "default", "s", 1, [Condition("Ready", "True")])
            await until(lambda: proxy.count("PATCH") == 1)
            for number in range(100):
                state: Literal["True", "False"] = "True" if number % 2 else "False"
                writer.set_conditions("Sensor", "default", "s", 1, [Condition("Ready", state, message=str(number))])
            async with asyncio.timeout(15):
                while (await status_of(kube, "default")).get("conditions", [{}])[0].get("message") != "99":
                    await asyncio.sleep(0.05)
        assert proxy.count("PATCH") == 2, "the first and the last"


async def test_a_server_that_is_away_is_tried_again(emulator: EmulatorProcess, tmp_path) -> None:
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
    ):
        await kube.create(obj("s"), namespace="default")
        proxy.answer(500, times=2, when=lambda request: request.method == "PATCH")
        proxy.answer(403, times=1, when=lambda request: request.method == "PATCH")
        async with StatusWriter(kube, interval=0.05) as writer:
            writer.set_conditions("Sensor", "default", "s", 1, [READY])
            await until_status(kube, "default", TriggersProvided="True")


async def test_an_object_that_is_gone_is_no_trouble(kube: Kube, namespace: str) -> None:
    async with StatusWriter(kube, interval=0.05) as writer:
        writer.set_conditions("Sensor", namespace, "absent", 1, [READY])
        await until(lambda: not writer._targets)
        writer.forget("Sensor", namespace, "absent")


@pytest.mark.parametrize("count", [1, 10])
async def test_many_objects_are_written_a_few_at_a_time(kube: Kube, namespace: str, count: int) -> None:
    for number in range(count):
        await kube.create(obj(f"s{number}"), namespace=namespace)
    async with StatusWriter(kube, parallel=2) as writer:
        for number in range(count):
            writer.set_conditions("Sensor", namespace, f"s{number}", 1, [READY])
        async with asyncio.timeout(15):
            while True:
                listing = await kube.list(AV, "Sensor", namespace)
                if all(item.get("status") for item in listing.items):
                    break
                await asyncio.sleep(0.02)


def test_the_transition_time_moves_with_the_status_only() -> None:
    before = [{"type": "A", "status": "True", "message": "old", "lastTransitionTime": "then"}]
    assert merge(before, [Condition("A", "True", message="new")], "now")[0]["lastTransitionTime"] == "then"
    assert merge(before, [Condition("A", "False")], "now") == [{"type": "A", "status": "False", "lastTransitionTime": "now"}]


def test_a_message_is_cut() -> None:
    assert len(Condition("A", "True", message="x" * 5000).as_dict("now")["message"]) == 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(JSON | st.lists(st.fixed_dictionaries({"type": st.text(max_size=2), "status": JSON})))
def test_whatever_stands_there_conditions_are_merged_sorted_and_one_of_a_type(present) -> None:
    merged = merge(present, [Condition("b", "True"), Condition("a", "False")], "now")
    types = [entry["type"] for entry in merged]
    assert types == sorted(set(types))
    assert {"a", "b"} <= set(types)
    assert merge(merged, [Condition("b", "True"), Condition("a", "False")], "later") == merged


async def test_what_somebody_else_writes_in_between_is_not_lost(emulator: EmulatorProcess, tmp_path) -> None:
    theirs = {"type": "Deployed", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
        connect(emulator.kubeconfig, settings=QUICK) as other,
    ):
        await kube.create(obj("s"), namespace="default")
        # given that the first patch of ours comes after one of theirs
        held: list[Seen] = []

        def hold(request: Seen) -> bool:
            if request.method == "PATCH" and not held:
                held.append(request)
                proxy.hush()
            return False

        proxy.answer(500, when=hold)
        async with StatusWriter(kube, interval=0.05) as writer:
            writer.set_conditions("Sensor", "default", "s", 1, [READY])
            await until(lambda: bool(held))
            await other.patch(AV, "Sensor", "s", "default", {"status": {"conditions": [theirs]}}, subresource="status")
            # when
            proxy.speak()
            # then
            status = await until_status(kube, "default", TriggersProvided="True", Deployed="True")
    assert theirs in status["conditions"]
