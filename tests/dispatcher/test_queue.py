"""The queue over the real ledger, the real client and the embedded API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.naming import FIRING_LABEL
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


async def test_a_firing_becomes_one_object_with_a_derived_name_and_labels(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing)

    obj = await kube.get("v1", "ConfigMap", f"made-{firing.id}", key.namespace)
    assert obj is not None
    labels = obj["metadata"]["labels"]
    assert labels.pop("events.argoproj.io/action-timestamp").isdigit()
    assert labels == {"events.argoproj.io/sensor": "ci", "events.argoproj.io/trigger": "build", FIRING_LABEL: firing.id}
    assert obj["metadata"]["generateName"] == "made-"
    assert record.target is not None
    assert record.target.name == obj["metadata"]["name"]
    assert record.attempts == 1


async def test_an_answer_that_was_cut_off_leads_to_a_look_and_to_exactly_one_object(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_answer(when=posts)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 3, "duration": "10ms"}), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing)

    assert [attempt.outcome.reason for attempt in record.history] == ["OutcomeUnknown", "Found"]
    assert await names(kube, key.namespace) == [f"made-{firing.id}"]
    assert api.count("POST", "configmaps") == 1


async def test_a_target_of_unknown_outcome_stands_while_the_server_cannot_be_asked(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_answer(when=posts)
    soon = {"steps": 100, "duration": "20ms", "factor": 1, "jitter": 0}
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy=soon), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: api.count("POST", "configmaps") == 1)
    await api.refuse()
    await until(lambda: len(engine.seen.outcomes) >= 2)
    await api.accept()
    record = await ended(engine.bus.ledger, firing)

    kinds = [attempt.outcome.kind for attempt in record.history]
    assert set(kinds[:-1]) == {OutcomeKind.RETRY}
    assert record.last is not None
    assert record.last.reason == "Found"
    assert api.count("POST", "configmaps") == 1


async def test_a_request_that_was_cut_off_before_it_arrived_is_sent_again_under_the_same_name(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_request(when=posts)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 3, "duration": "10ms"}), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await ended(engine.bus.ledger, firing)

    assert await names(kube, key.namespace) == [f"made-{firing.id}"]


async def test_a_manifest_changed_while_the_outcome_is_unknown_does_not_make_a_second_object(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    """The standing target keeps its name, whatever `generateName` says now."""
    api.cut_request(when=posts)
    slowly = {"steps": 3, "duration": "300ms"}
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy=slowly), engine.world, key))
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 1)

    renamed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "renamed-"}}
    engine.dispatcher.set_trigger(key, program(creates(renamed, retryStrategy=slowly), engine.world, key))
    await ended(engine.bus.ledger, firing)

    assert await names(kube, key.namespace) == [f"made-{firing.id}"]


async def test_at_most_once_looks_and_does_not_act_again(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    api.cut_request(when=posts)
    entry = creates(atLeastOnce=False, retryStrategy={"steps": 3, "duration": "10ms"})
    engine.dispatcher.set_trigger(key, program(entry, engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "OutcomeUnknown"
    assert api.count("POST", "configmaps") == 1
    assert await names(kube, key.namespace) == []


async def test_the_last_attempt_of_a_written_strategy_that_stays_unknown_is_looked_for_and_not_repeated(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.answer(500, times=3, when=posts)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 3, "duration": "10ms"}), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)

    assert api.count("POST", "configmaps") == 3
    assert record.last is not None
    assert "3 attempts" in record.last.message


async def test_argo_events_2928_a_server_error_is_retried(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    api.answer(500, times=2, when=posts)
    engine.dispatcher.set_trigger(
        key, program(creates(retryStrategy={"steps": 3, "duration": "10ms", "jitter": 0}), engine.world, key)
    )

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing)

    assert len(record.history) == 3
    assert await names(kube, key.namespace) == [f"made-{firing.id}"]


async def test_a_name_that_somebody_else_has_is_a_dead_letter_and_the_object_is_not_changed(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    fixed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}, "data": {"by": "us"}}
    await kube.create(fixed | {"data": {"by": "them"}}, namespace=key.namespace)
    engine.dispatcher.set_trigger(key, program(creates(fixed), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "NameTaken"
    assert "AlreadyExists" in record.last.message
    assert "fixed" in record.last.message
    found = await kube.get("v1", "ConfigMap", "fixed", key.namespace)
    assert found is not None
    assert found["data"] == {"by": "them"}


async def test_two_firings_with_one_fixed_name_make_one_object_and_one_dead_letter_that_names_the_other(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    fixed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}}
    engine.dispatcher.set_trigger(key, program(creates(fixed), engine.world, key))
    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 2))
    await ended(engine.bus.ledger, first)

    (second,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(2, 3))
    record = await ended(engine.bus.ledger, second, FiringState.DEAD)

    assert record.last is not None
    assert first.id in record.last.message


async def test_on_conflict_skip_counts_an_object_that_is_there_as_done(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    fixed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}}
    await kube.create(fixed, namespace=key.namespace)
    engine.dispatcher.set_trigger(key, program(creates(fixed, onConflict="skip"), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, firing)

    assert record.last is not None
    assert record.last.reason == "Skipped"


async def test_a_server_that_is_away_costs_nothing_but_time(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))
    await kube.resource("v1", "ConfigMap")
    await api.refuse()

    firings = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 51))
    await until(lambda: len(engine.seen.outcomes) >= 2)
    failed, server = len(engine.seen.outcomes), engine.dispatcher.stats().servers["kubernetes"]
    await api.accept()
    for firing in firings:
        await ended(engine.bus.ledger, firing)

    assert failed < 50
    assert server.window == 1
    assert await names(kube, key.namespace) == sorted(f"made-{firing.id}" for firing in firings)


async def test_a_429_pauses_the_server_and_loses_nothing(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    api.answer(429, times=3, when=posts, headers={"Retry-After": "1"})
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy={"steps": 1}), engine.world, key))

    firings = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 21))
    await until(lambda: bool(engine.seen.outcomes))
    throttled = engine.dispatcher.stats().servers["kubernetes"]
    for firing in firings:
        await ended(engine.bus.ledger, firing)

    assert throttled.window < 256
    assert len(await names(kube, key.namespace)) == 20


async def test_a_slow_trigger_holds_back_nobody_else(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    slow, quick = key, key._replace(trigger="quick")
    engine.dispatcher.set_trigger(slow, program(creates(), engine.world, slow))
    engine.dispatcher.set_trigger(quick, program({"template": {"name": "quick", "log": {}}}, engine.world, quick))
    await kube.resource("v1", "ConfigMap")
    api.hush()

    await decided(engine.bus.log, engine.bus.ledger, engine.epoch, slow, range(1, 101))
    firings = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, quick, range(1, 41))
    for firing in firings:
        await ended(engine.bus.ledger, firing)

    stats = engine.dispatcher.stats()
    assert stats.under_way == 16
    assert stats.waiting <= 16
    api.speak()


async def test_a_refusal_is_healed_at_once_by_a_corrected_manifest(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not A Name"}}
    engine.dispatcher.set_trigger(key, program(creates(wrong), engine.world, key))
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) >= 1)
    assert engine.seen.outcomes[0][1].kind is OutcomeKind.RELEASED

    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))
    record = await ended(engine.bus.ledger, firing)

    assert record.ended - record.decided < 9, "the first wait after a refusal is ten seconds"
    assert await names(kube, key.namespace) == [f"made-{firing.id}"]


async def test_a_firing_whose_trigger_no_manifest_has_waits_for_it(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.unknown))
    assert engine.dispatcher.stats().unknown == (key,)
    assert (await engine.bus.ledger.firing(firing.id)).state is FiringState.PENDING

    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))
    await ended(engine.bus.ledger, firing)

    assert engine.dispatcher.stats().unknown == ()


async def test_a_firing_that_waits_for_a_trigger_is_claimed_once_and_not_again_and_again(
    bus: SqliteBus, engine: Engine, key: TriggerKey
) -> None:
    await engine.dispatcher.stop(0)
    epoch, seen = await bus.ledger.open_epoch(), Recorder()
    patient, well = Dispatcher(bus.ledger, epoch, DispatcherSettings(lease=0.1), seen), key._replace(trigger="well")
    patient.set_trigger(well, program({"template": {"name": "well", "log": {}}}, engine.world, well))
    running = asyncio.create_task(patient.run())

    (lost,) = await decided(bus.log, bus.ledger, epoch, key)
    await until(lambda: bool(seen.unknown))
    for number in range(1, 6):  # its claim runs out meanwhile
        await asyncio.sleep(0.05)
        (other,) = await decided(bus.log, bus.ledger, epoch, well, range(number, number + 1))
        await ended(bus.ledger, other)
    unknown = list(seen.unknown)
    patient.set_trigger(key, program({"template": {"name": "build", "log": {}}}, engine.world, key))
    await ended(bus.ledger, lost)
    await patient.stop(0)
    await running

    assert unknown == [lost.id]


async def test_what_waits_for_a_trigger_that_is_gone_can_be_cancelled(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.unknown))

    assert await engine.bus.ledger.cancel(key, "sensor deleted") == 1

    engine.dispatcher.set_trigger(key, program(creates(), engine.world, key))
    other = key._replace(trigger="other")
    engine.dispatcher.set_trigger(other, program({"template": {"name": "other", "log": {}}}, engine.world, other))
    (later,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, other)
    await ended(engine.bus.ledger, later)
    assert (await engine.bus.ledger.firing(firing.id)).state is FiringState.CANCELLED
    assert await names(kube, key.namespace) == []


async def test_a_dead_letter_is_handled_by_the_dlq_trigger_with_the_same_events(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    fixed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed"}}
    await kube.create(fixed, namespace=key.namespace)
    letter = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "dead-"}}
    dlq = {"template": {"name": "bury", "k8s": {"source": {"resource": letter}}}}
    engine.dispatcher.set_trigger(key, program(creates(fixed, dlqTrigger=dlq), engine.world, key))

    (firing,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await ended(engine.bus.ledger, firing, FiringState.DEAD)
    await until(lambda: len(engine.seen.outcomes) == 2)

    buried = await engine.bus.ledger.firing(engine.seen.outcomes[1][0])
    assert (buried.state, buried.firing.dlq, buried.firing.parent) == (FiringState.SUCCEEDED, True, firing.id)
    assert buried.firing.events == firing.events
    obj = await kube.get("v1", "ConfigMap", f"dead-{buried.firing.id}", key.namespace)
    assert obj is not None
    assert obj["metadata"]["labels"]["events.argoproj.io/trigger"] == "bury"


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
