"""An attempt that goes wrong or takes long, and a dispatcher that stops, is stopped, or finds the disk full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.program import TriggerProgram
from dispatcher.queue import Dispatcher, DispatcherSettings
from dispatcher.trigger import Request, Trigger, Work
from tests.bus.sqlite.faults import disk
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import Recorder, World, creates, decided, ended, program, spec, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import Firing, FiringState, OutcomeKind, Target, TriggerKey
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.bus.sqlite.settings import SqliteSettings
from tiphys.clients.kube import Kube
from tiphys.errors import StaleEpoch
from tiphys.schema.model import Model


def posts(request: Seen) -> bool:
    return request.method == "POST" and "configmaps" in request.path


async def names(kube: Kube, namespace: str) -> list[str]:
    return sorted(item["metadata"]["name"] for item in (await kube.list("v1", "ConfigMap", namespace)).items)


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


class Scripted(Trigger[Model]):
    """A kind of trigger that does what a test says, and remembers in which order it was asked."""

    key = "scripted"
    spec = Model

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self.calls: list[str] = []
        self._act = act

    async def render(self, work: Work) -> Request:
        self.calls.append("render")
        return Request(Target("", "scripted", "argo", work.firing.id), {})

    async def execute(self, request: Request, firing: Firing) -> Target:
        self.calls.append("execute")
        await self._act()
        return request.target

    async def look(self, target: Target, firing: Firing) -> Target | None:
        self.calls.append("look")
        return None


class ScriptedProgram(TriggerProgram):
    """The program of a scripted trigger."""

    def __init__(self, scripted: Scripted, engine: Engine, key: TriggerKey, **beside: Any) -> None:
        super().__init__(key, spec({"template": {"name": "build", "log": {}}} | beside), engine.world)
        self._scripted = scripted

    def trigger(self, events: object, warnings: object = None) -> Trigger[Any]:
        return self._scripted


SOON = {"retryStrategy": {"steps": 3, "duration": "5ms", "jitter": 0}}


async def test_an_unforeseen_error_is_an_outcome_like_any_other_and_the_queue_goes_on(engine: Engine, key: TriggerKey) -> None:
    async def break_down() -> None:
        raise ZeroDivisionError

    scripted, well = Scripted(break_down), key._replace(trigger="well")
    engine.dispatcher.set_trigger(key, ScriptedProgram(scripted, engine, key, **SOON))
    engine.dispatcher.set_trigger(well, program({"template": {"name": "well", "log": {}}}, engine.world, well))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)
    (other,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, well)
    await ended(engine.bus.ledger, other)

    assert scripted.calls == ["render", "execute", "look", "render", "execute", "look", "render", "execute", "look"]
    assert "ZeroDivisionError" in record.history[0].outcome.message
    assert "given up after 3 attempts" in record.history[-1].outcome.message


async def test_an_attempt_that_takes_too_long_is_cut_off_and_its_outcome_is_unknown(
    bus: SqliteBus, engine: Engine, key: TriggerKey
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    await engine.dispatcher.stop(0)
    epoch, seen = await bus.ledger.open_epoch(), Recorder()
    hasty = Dispatcher(bus.ledger, epoch, DispatcherSettings(attempt_seconds=0.05), seen)
    hasty.set_trigger(key, ScriptedProgram(Scripted(hang), engine, key, atLeastOnce=False, **SOON))
    running = asyncio.create_task(hasty.run())

    (firing,) = await decided(bus.log, bus.ledger, epoch, key)
    record = await ended(bus.ledger, firing, FiringState.DEAD)
    await hasty.stop(0)
    await running

    assert record.history[0].outcome.reason == "OutcomeUnknown"
    assert "longer than 0.05 s" in record.history[0].outcome.message


async def test_a_claim_is_renewed_while_an_attempt_takes_long(bus: SqliteBus, engine: Engine, key: TriggerKey) -> None:
    async def work() -> None:
        await asyncio.sleep(1.5)

    await engine.dispatcher.stop(0)
    epoch, scripted = await bus.ledger.open_epoch(), Scripted(work)
    slow = Dispatcher(bus.ledger, epoch, DispatcherSettings(lease=0.4, per_trigger=1))
    slow.set_trigger(key, ScriptedProgram(scripted, engine, key))
    running = asyncio.create_task(slow.run())

    first, second = await decided(bus.log, bus.ledger, epoch, key, range(1, 3))
    records = [await ended(bus.ledger, one) for one in (first, second)]
    await slow.stop(0)
    await running

    assert scripted.calls == ["render", "execute", "render", "execute"]
    assert [record.attempts for record in records] == [1, 1]


async def test_an_attempt_that_ended_with_the_process_is_not_one_of_the_steps(
    bus: SqliteBus, engine: Engine, key: TriggerKey
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def work() -> None:
        return

    once = {"retryStrategy": {"steps": 1}}
    cut = Scripted(hang)
    engine.dispatcher.set_trigger(key, ScriptedProgram(cut, engine, key, **once))
    (firing,) = await decided(bus.log, bus.ledger, engine.epoch, key)
    await until(lambda: cut.calls == ["render", "execute"])
    await engine.dispatcher.stop(0)

    epoch, again = await bus.ledger.open_epoch(), Scripted(work)
    second = Dispatcher(bus.ledger, epoch)
    second.set_trigger(key, ScriptedProgram(again, engine, key, **once))
    running = asyncio.create_task(second.run())
    await ended(bus.ledger, firing)
    await second.stop(0)
    await running

    assert again.calls == ["look", "render", "execute"]


async def test_a_target_that_may_have_been_made_is_looked_for_even_if_the_trigger_is_of_another_kind_now(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    async def work() -> None:
        return

    api.cut_answer(when=posts)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 3, "duration": "300ms"}), engine.world, key))
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 1)

    other = Scripted(work)
    engine.dispatcher.set_trigger(key, ScriptedProgram(other, engine, key))
    record = await ended(engine.bus.ledger, firing)

    assert other.calls == []
    assert record.last is not None
    assert record.last.reason == "Found"


async def test_a_manifest_that_asks_for_another_kind_after_nothing_was_found_makes_that_one(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_request(when=posts)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 5, "duration": "100ms"}), engine.world, key))
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 1)

    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"generateName": "made-"}}
    engine.dispatcher.set_trigger(
        key, program(creates(account, retryStrategy={"steps": 5, "duration": "100ms"}), engine.world, key)
    )
    record = await ended(engine.bus.ledger, firing)

    assert [attempt.outcome.reason for attempt in record.history] == ["OutcomeUnknown", "TargetChanged", ""]
    assert await kube.get("v1", "ServiceAccount", f"made-{firing.id}", key.namespace) is not None
    assert await names(kube, key.namespace) == []


async def test_a_full_disk_holds_up_what_was_done_and_loses_no_outcome(tmp_path: Path, kube: Kube, namespace: str) -> None:
    key = TriggerKey(namespace, "ci", "build")
    with disk() as medium:
        async with SqliteBus.open(tmp_path / "full", SqliteSettings(vfs=medium.name, probe_interval=0.05)) as bus:
            epoch = await bus.ledger.open_epoch()
            dispatcher = Dispatcher(bus.ledger, epoch)
            running = asyncio.create_task(dispatcher.run())
            (firing,) = await decided(bus.log, bus.ledger, epoch, key)
            medium.fault = "full"
            dispatcher.set_trigger(key, program(creates(), World(kube), key))
            with capture_logs() as lines:
                await until(lambda: any(line.get("action") == "dispatcher-store-ill" for line in lines))
                assert await names(kube, namespace) == []
                medium.fault = ""
                record = await ended(bus.ledger, firing)
            await dispatcher.stop(1)
            await running

    assert record.attempts == 1
    assert await names(kube, namespace) == [f"made-{firing.id}"]
    assert [line["action"] for line in lines if str(line.get("action")).startswith("dispatcher-store")] == [
        "dispatcher-store-ill",
        "dispatcher-store-well",
    ]


async def test_another_engine_s_epoch_ends_the_dispatcher(engine: Engine, key: TriggerKey) -> None:
    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))

    newer = await engine.bus.ledger.open_epoch()
    await decided(engine.bus.log, engine.bus.ledger, newer, key)

    assert engine.task is not None
    with pytest.raises(StaleEpoch):
        await asyncio.wait_for(engine.task, 10)


async def test_stopping_lets_what_is_under_way_finish_and_claims_no_more(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))
    await kube.resource("v1", "ConfigMap")
    api.delay = 0.3
    await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 41))
    await until(lambda: engine.dispatcher.stats().under_way == 16)

    await engine.dispatcher.stop(drain_seconds=10)

    assert engine.task is not None
    assert engine.task.done()
    assert {outcome.kind for _, outcome in engine.seen.outcomes} == {OutcomeKind.SUCCEEDED}
    assert len(await names(kube, key.namespace)) == 16


async def test_what_was_cut_off_by_a_stop_is_finished_by_the_next_engine_with_one_object_each(
    bus: SqliteBus, engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    made = program(creates(), engine.world, key)
    engine.dispatcher.set_trigger(key, made)
    await kube.resource("v1", "ConfigMap")
    api.delay = 0.2
    firings = await decided(bus.log, bus.ledger, engine.epoch, key, range(1, 31))
    await until(lambda: engine.dispatcher.stats().under_way == 16)
    await engine.dispatcher.stop(drain_seconds=0)

    api.delay = 0
    epoch, seen = await bus.ledger.open_epoch(), Recorder()
    second = Dispatcher(bus.ledger, epoch, observer=seen)
    second.set_trigger(key, made)
    running = asyncio.create_task(second.run())
    for firing in firings:
        await ended(bus.ledger, firing)
    await second.stop(0)
    await running

    assert await names(kube, key.namespace) == sorted(f"made-{firing.id}" for firing in firings)


async def test_a_trigger_may_have_as_much_under_way_as_the_settings_say_and_keeps_going(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))

    firings = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 301))
    for firing in firings:
        await ended(engine.bus.ledger, firing)

    assert len(await names(kube, key.namespace)) == 300
