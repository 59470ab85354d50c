"""The Matcher over the real ledger: conditions with held events, durable, replayed, changed (reference 5.2, cases C1 to C10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sensors import SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from tests.sensors.matching import running, sensor
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import VerdictKind
from tiphys.bus.sqlite import SqliteBus


async def test_C1_the_latest_event_of_each_dependency_fires_once(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B")) as now:
        await now.send("a1", "a2", "b1", "b2")
        assert await now.firings() == [{"A": "a2", "B": "b1"}]
        assert now.held() == {"B": "b2"}


async def test_C2_without_and_each_event_stands_alone(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A || B")) as now:
        await now.send("a1", "b1")
        assert await now.firings() == [{"A": "a1"}, {"B": "b1"}]


async def test_C3_the_other_branch_takes_along_and_clears_what_is_held(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("(A && B) || C")) as now:
        await now.send("a1", "c1", "b1")
        assert await now.firings() == [{"A": "a1", "C": "c1"}]
        assert now.held() == {"B": "b1"}


async def test_C4_a_held_event_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B")) as now:
        await now.send("a1")
    async with running(tmp_path, sensor("A && B")) as now:
        assert now.held() == {"A": "a1"}
        await now.send("b1")
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_C6_a_changed_dependency_loses_what_was_held_for_it_and_the_others_keep_theirs(tmp_path: Path) -> None:
    changed = sensor("A && B && C", filters={"B": {"context": {"type": "webhook"}}})
    async with running(tmp_path, sensor("A && B && C")) as now:
        await now.send("a1", "b1")
        await now.matcher.put(changed)
        assert now.held() == {"A": "a1"}
    async with running(tmp_path, changed) as now:
        assert now.held() == {"A": "a1"}


async def test_C7_a_changed_condition_starts_anew_also_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B")) as now:
        await now.send("a1")
    async with running(tmp_path, sensor("A && C")) as now:
        assert now.held() == {}


async def test_C8_an_id_that_was_seen_does_not_fire_again_and_is_a_recorded_verdict(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", names="A")) as now:
        await now.send("a1", "a1", "a2")
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}]
    async with running(tmp_path, sensor("A", names="A")) as now:
        await now.send("a1", "a3")
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}, {"A": "a3"}]


async def test_C9_absent_conditions_ask_for_all(tmp_path: Path) -> None:
    async with running(tmp_path, sensor()) as now:
        await now.send("c1", "a1")
        assert await now.firings() == []
        await now.send("b1")
        assert await now.firings() == [{"A": "a1", "B": "b1", "C": "c1"}]


async def test_argo_events_2620_three_deliveries_in_one_instant_are_three_firings(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", names="A")) as now:
        await asyncio.gather(*(now.bus.log.publish(Event(f"a{n}", "src-a", "webhook", "e", "argo", b"{}")) for n in range(3)))
        await now.settled("a2")
        assert sorted(one["A"] for one in await now.firings()) == ["a0", "a1", "a2"]


async def test_two_dependencies_of_one_event_are_both_satisfied_by_it(tmp_path: Path) -> None:
    spec = {
        "dependencies": [{"name": name, "eventSourceName": "src-a", "eventName": "e"} for name in ("d1", "d2")],
        "triggers": [{"template": {"name": "t"}}],
    }
    program = SensorProgram.compile("argo", "s", SensorSpec[OpaqueTrigger].model_validate(spec), revision=1)
    async with running(tmp_path, program) as now:
        await now.send("a1")
        assert await now.firings() == [{"d1": "a1", "d2": "a1"}]
        assert await now.kinds("a1") == [VerdictKind.HELD, VerdictKind.FIRED]


async def test_a_filtered_and_an_errored_event_are_recorded_verdicts(tmp_path: Path) -> None:
    filters = {
        "A": {"data": [{"path": "name", "type": "string", "value": ["^a1$"]}]},
        "B": {"data": [{"path": "no", "type": "bool", "value": ["1"]}]},
    }
    async with running(tmp_path, sensor("A || B", names="AB", filters=filters)) as now:
        await now.send("a1", "a2", "b1")
        assert await now.kinds("a1") == [VerdictKind.FIRED]
        assert await now.kinds("a2") == [VerdictKind.FILTERED]
        assert await now.kinds("b1") == [VerdictKind.ERRORED]


async def test_a_new_sensor_listens_to_what_comes_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as now:
        await now.send("a1")
        await now.matcher.put(sensor("A", names="A", since=await now.bus.log.end()))
        await now.send("a2")
        assert await now.firings() == [{"A": "a2"}]


async def test_an_event_of_another_namespace_bus_or_name_concerns_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", names="A")) as now:
        await now.bus.log.publish(Event("x1", "src-a", "webhook", "e", "other", b"{}"))
        await now.bus.log.publish(Event("x2", "src-a", "webhook", "e", "argo", b"{}", bus="second"))
        await now.bus.log.publish(Event("x3", "src-a", "webhook", "f", "argo", b"{}"))
        await now.settled("x3")
        assert await now.firings() == []
        assert await now.kinds("x3") == []


async def test_a_replayed_event_is_decided_again_for_the_named_triggers_only(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", "s", names="A"), sensor("A", "other", names="A")) as now:
        await now.send("a1")
        assert len(await now.firings()) == 2
        await now.bus.ledger.replay_event("a1", [TriggerKey("argo", "s", "t")], "test")
        async with asyncio.timeout(10):
            while len(await now.bus.ledger.firings()) < 3:
                await asyncio.sleep(0.005)
        newest = (await now.bus.ledger.firings(limit=1))[0].firing
        assert (newest.key.sensor, newest.replay > 0) == ("s", True)


async def test_a_removed_sensor_keeps_its_held_events_until_they_are_released(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B")) as now:
        await now.send("a1")
        await now.matcher.remove("argo", "s")
        await now.send("b1")
        assert now.held() == {"A": "a1"}
        await now.matcher.release(TriggerKey("argo", "s", "t"))
        assert now.held() == {}
        assert await now.bus.ledger.held() == []


async def test_argo_events_1339_forty_nine_dependencies_fire_once_when_the_last_is_there(tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(49)]
    spec = {
        "dependencies": [{"name": name, "eventSourceName": "src-a", "eventName": name} for name in names],
        "triggers": [{"template": {"name": "t"}}],
    }
    program = SensorProgram.compile("argo", "s", SensorSpec[OpaqueTrigger].model_validate(spec), revision=1)
    async with running(tmp_path, program) as now:
        for name in names:
            assert await now.firings() == []
            await now.bus.log.publish(Event(f"event-{name}", "src-a", "webhook", name, "argo", b"{}"))
            await now.settled(f"event-{name}")
        assert len(await now.firings()) == 1
        assert now.held() == {}


@pytest.mark.parametrize("duplicate", ["a1", "a2"])
async def test_a_duplicate_does_not_replace_what_is_held(tmp_path: Path, duplicate: str) -> None:
    async with running(tmp_path, sensor("A && B", names="AB")) as now:
        await now.send("a1", "a2", duplicate, "b1")
        assert await now.firings() == [{"A": "a2", "B": "b1"}]


async def test_an_event_that_ends_the_process_again_and_again_is_set_aside_and_the_others_are_decided(tmp_path: Path) -> None:
    program = sensor("A", names="A")
    async with SqliteBus.open(tmp_path) as bus:
        for name in ("a1", "a2", "a3"):
            await bus.log.publish(Event(name, "src-a", "webhook", "e", "argo", b"{}"))
    await _die_at(tmp_path, 3)
    async with SqliteBus.open(tmp_path) as bus:  # one by one: a1 is decided, at a2 the process ends
        reader = bus.log.read()
        first = (await anext(reader))[0]
        assert first.attempt == 4
        await bus.ledger.settle(await bus.ledger.open_epoch(), first.position, [])
    await _die_at(tmp_path, 6)
    async with running(tmp_path, program) as now:
        await now.settled("a3")
        assert await now.kinds("a2") == [VerdictKind.SET_ASIDE]
        assert await now.firings() == [{"A": "a3"}]


async def test_a_batch_that_ended_the_process_is_decided_one_by_one(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        for name in ("a1", "a2"):
            await bus.log.publish(Event(name, "src-a", "webhook", "e", "argo", b"{}"))
    await _die_at(tmp_path, 3)
    async with running(tmp_path, sensor("A", names="A")) as now:
        await now.settled("a2")
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}]


async def _die_at(folder: Path, times: int) -> None:
    """Read the next batch and settle nothing, as a process that ends in the middle of it."""
    for _ in range(times):
        async with SqliteBus.open(folder) as bus:
            await anext(bus.log.read())
