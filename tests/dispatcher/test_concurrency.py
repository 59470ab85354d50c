"""`concurrency`: no more Workflows run than may, counted from those that do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dispatcher.live import Live
from dispatcher.manifest import check, trigger_model
from dispatcher.naming import LANE_LABEL, lane_label
from dispatcher.queue import Dispatcher, DispatcherSettings
from tests.dispatcher.support import Recorder, World, decided, program, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import Firing, FiringState, OutcomeKind, TriggerKey
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.kube import Kube, KubeObject

ARGO = "argoproj.io/v1alpha1"
BY_KEY = "{{ .dep.body.k }}"


def entry(**concurrency: Any) -> dict[str, Any]:
    """A trigger that makes a Workflow."""
    resource = {"apiVersion": ARGO, "kind": "Workflow", "metadata": {"generateName": "made-"}, "spec": {"entrypoint": "main"}}
    return {
        "template": {"name": "build", "k8s": {"operation": "create", "source": {"resource": resource}}},
        "concurrency": concurrency,
    }


class Cluster:
    """Workflows of one namespace, and a dispatcher that makes them."""

    def __init__(self, bus: SqliteBus, kube: Kube, key: TriggerKey) -> None:
        self.bus, self.kube, self.key, self.seen = bus, kube, key, Recorder()
        self.dispatcher: Dispatcher
        self.epoch = 0
        self.most = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The dispatcher, until it is killed."""
        self.epoch = await self.bus.ledger.open_epoch()
        live = Live(self.kube, [self.key.namespace])
        self.dispatcher = Dispatcher(self.bus.ledger, self.epoch, DispatcherSettings(), self.seen, live=live)
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def set(self, **concurrency: Any) -> None:
        self.dispatcher.set_trigger(self.key, program(entry(**concurrency), World(self.kube), self.key))

    async def decide(self, numbers: range, lane: Callable[[int], str] = lambda _: "") -> list[Firing]:
        return await decided(self.bus.log, self.bus.ledger, self.epoch, self.key, numbers, lane)

    async def workflows(self, *, ended: bool = False) -> list[KubeObject]:
        """Those that run, oldest first, or all."""
        found = (await self.kube.list(ARGO, "Workflow", self.key.namespace)).items
        running = [one for one in found if ended or (one.get("status") or {}).get("phase") is None]
        self.most = max(self.most, len([one for one in found if (one.get("status") or {}).get("phase") is None]))
        return sorted(running, key=lambda one: int(one["metadata"]["resourceVersion"]))

    async def grown(self, count: int) -> list[KubeObject]:
        """All Workflows, once there are so many."""
        async with asyncio.timeout(20):
            while len(found := await self.workflows(ended=True)) < count:
                await asyncio.sleep(0.01)
        return found

    async def end(self, workflow: KubeObject, phase: str = "Succeeded") -> None:
        """As the Workflow controller does."""
        metadata = workflow["metadata"]
        body = {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}, "status": {"phase": phase}}
        await self.kube.patch(ARGO, "Workflow", metadata["name"], metadata["namespace"], body)

    async def controller(self) -> None:
        """Ends what is to be terminated."""
        async with contextlib.aclosing(self.kube.watch(ARGO, "Workflow", self.key.namespace)) as events:
            async for event in events:
                spec, status = event.object.get("spec") or {}, event.object.get("status") or {}
                if event.type != "DELETED" and spec.get("shutdown") == "Terminate" and not status.get("phase"):
                    await asyncio.sleep(0.02)
                    await self.end(event.object, "Failed")

    async def state(self, firing: Firing) -> FiringState:
        return (await self.bus.ledger.firing(firing.id)).state


@pytest.fixture
async def cluster(bus: SqliteBus, kube: Kube, namespace: str) -> Cluster:
    return Cluster(bus, kube, TriggerKey(namespace, "ci", "build"))


# -- queue


async def test_as_many_run_as_may_and_the_next_starts_when_one_has_ended(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=2)
        firings = await cluster.decide(range(1, 6))
        first, *_ = await cluster.grown(2)
        await until(lambda: cluster.dispatcher.waits(firings[4]) != "")
        waits = cluster.dispatcher.waits(firings[4])
        assert len(await cluster.workflows(ended=True)) == 2
        for count in range(3, 6):
            await cluster.end((await cluster.workflows())[0])
            await cluster.grown(count)
            assert len(await cluster.workflows()) <= 2

    assert cluster.most == 2
    assert waits.startswith("concurrency: 2 of 2 Workflows run")
    assert first["metadata"]["name"] in waits
    assert first["metadata"]["labels"][LANE_LABEL] == lane_label(cluster.key, "")


async def test_what_runs_is_counted_anew_after_a_restart(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=1)
        await cluster.decide(range(1, 3))
        (first,) = await cluster.grown(1)

    async with cluster.running():
        cluster.set(max=1)
        await until(lambda: cluster.dispatcher._live.synced)
        await asyncio.sleep(0.1)
        assert len(await cluster.workflows(ended=True)) == 1
        await cluster.end(first)
        await cluster.grown(2)


async def test_one_that_is_deleted_runs_no_more(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=1)
        await cluster.decide(range(1, 3))
        (first,) = await cluster.grown(1)
        await cluster.kube.delete(ARGO, "Workflow", first["metadata"]["name"], cluster.key.namespace)
        async with asyncio.timeout(20):
            while [one["metadata"]["name"] for one in await cluster.workflows()] in ([], [first["metadata"]["name"]]):
                await asyncio.sleep(0.01)


async def test_each_key_is_counted_by_itself_and_a_full_one_holds_up_no_other(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=1, key=BY_KEY)
        firings = await cluster.decide(range(1, 41), lane=lambda number: "hot" if number <= 38 else f"cold {number}")
        found = await cluster.grown(3)
        await until(lambda: cluster.dispatcher.waits(firings[5]) != "")

        lanes = sorted(one["metadata"]["labels"][LANE_LABEL] for one in found)
        assert lanes == sorted(lane_label(cluster.key, lane) for lane in ("hot", "cold 39", "cold 40"))
        assert "with the key 'hot'" in cluster.dispatcher.waits(firings[5])
        hot = next(one for one in found if one["metadata"]["labels"][LANE_LABEL] == lane_label(cluster.key, "hot"))
        await cluster.end(hot)
        *_, newest = await cluster.grown(4)

    assert newest["metadata"]["labels"][LANE_LABEL] == lane_label(cluster.key, "hot")
    assert await cluster.state(firings[1]) is FiringState.SUCCEEDED


async def test_a_create_whose_answer_was_cut_off_is_found_and_does_not_wait_for_itself(cluster: Cluster, api: FaultyProxy) -> None:
    def creates(request: Seen) -> bool:
        return request.method == "POST" and "workflows" in request.path

    api.cut_answer(when=creates)
    async with cluster.running():
        cluster.set(max=1)
        (firing,) = await cluster.decide(range(1, 2))
        await until(lambda: len(cluster.seen.outcomes) == 2)

    assert [outcome.kind for _, outcome in cluster.seen.outcomes] == [OutcomeKind.RETRY, OutcomeKind.SUCCEEDED]
    assert len(await cluster.workflows(ended=True)) == 1
    assert await cluster.state(firing) is FiringState.SUCCEEDED


async def test_while_it_is_not_known_what_runs_nothing_starts_and_that_is_said(cluster: Cluster, api: FaultyProxy) -> None:
    await api.refuse()
    async with cluster.running():
        cluster.set(max=3)
        (firing,) = await cluster.decide(range(1, 2))
        await asyncio.sleep(0.1)
        waits = cluster.dispatcher.waits(firing)
        assert cluster.seen.outcomes == []
        await api.accept()
        await cluster.grown(1)

    assert waits.startswith("the list of running Workflows")


# -- skip


async def test_with_skip_one_too_many_ends_and_says_why(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=1, policy="skip")
        (first,) = await cluster.decide(range(1, 2))
        (workflow,) = await cluster.grown(1)
        (second,) = await cluster.decide(range(2, 3))
        await until(lambda: len(cluster.seen.outcomes) == 2)
        record = await cluster.bus.ledger.firing(second.id)
        await cluster.end(workflow)
        await until(lambda: not cluster.dispatcher._live.running(lane_label(cluster.key, "")))
        await cluster.decide(range(3, 4))
        found = await cluster.grown(2)

    assert record.state is FiringState.CANCELLED
    assert record.last is not None
    assert record.last.reason == "Skipped"
    assert workflow["metadata"]["name"] in record.last.message
    assert len(found) == 2
    assert await cluster.state(first) is FiringState.SUCCEEDED


# -- replace


async def test_with_replace_the_oldest_is_terminated_and_the_new_one_starts_when_it_has_ended(cluster: Cluster) -> None:
    controller = asyncio.create_task(cluster.controller())
    async with cluster.running():
        cluster.set(max=2, policy="replace")
        for number in range(1, 5):
            await cluster.decide(range(number, number + 1))
            await cluster.grown(number)
            assert len(await cluster.workflows()) <= 2
        found = await cluster.workflows(ended=True)
    controller.cancel()

    ended = [one for one in found if (one.get("status") or {}).get("phase") == "Failed"]
    assert len(ended) == 2
    assert all(one["spec"]["shutdown"] == "Terminate" for one in ended)
    assert cluster.most == 2


async def test_of_several_that_wait_to_replace_the_newest_is_carried_out(cluster: Cluster) -> None:
    async with cluster.running():
        cluster.set(max=1, policy="replace")
        await cluster.decide(range(1, 2))
        (first,) = await cluster.grown(1)
        later = await cluster.decide(range(2, 8))
        async with asyncio.timeout(20):
            while not (await cluster.workflows())[0]["spec"].get("shutdown"):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert first["metadata"]["name"] in cluster.dispatcher.waits(later[-1])
        await cluster.end(first, "Failed")
        await cluster.grown(2)
        await until(lambda: len(cluster.seen.outcomes) == 7)
        states = [await cluster.state(one) for one in later]
        found = await cluster.workflows(ended=True)

    assert states == [FiringState.CANCELLED] * 5 + [FiringState.SUCCEEDED]
    assert len(found) == 2


# -- the manifest


def faults(spec: dict[str, Any]) -> list[str]:
    return [fault.path for fault in check(trigger_model().model_validate(spec), frozenset({"dep"}))]


@pytest.mark.parametrize(
    "template",
    [
        {"log": {}},
        {"http": {"url": "http://example.com", "method": "POST"}},
        {"k8s": {"source": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}}}},
    ],
)
def test_where_no_workflow_is_made_there_is_nothing_to_count(template: dict[str, Any]) -> None:
    assert faults({"template": {"name": "x"} | template, "concurrency": {"max": 1}}) == ["concurrency"]


@pytest.mark.parametrize("limit", ["order", "concurrency", "debounce", "batch"])
def test_limits_of_a_dlq_trigger_would_have_no_effect(limit: str) -> None:
    values: dict[str, Any] = {"order": "strict", "concurrency": {}, "debounce": "1s", "batch": {"size": 2, "wait": "1s"}}
    dead = {"template": {"name": "y", "log": {}}, limit: values[limit]}

    found = faults({"template": {"name": "x", "log": {}}, "dlqTrigger": dead})

    assert f"dlqTrigger.{limit}" in found
