"""The queue over the real ledger, the real client and the embedded API."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.naming import FIRING_LABEL
from dispatcher.queue import Dispatcher, DispatcherSettings
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import Recorder, creates, decided, ended, program, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import FiringState, OutcomeKind, TriggerKey
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.kube import Kube


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
