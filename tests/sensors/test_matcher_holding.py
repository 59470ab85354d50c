"""What is held, for how long, and what a firing takes along: the extensions and the resets, durable (reference 5.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.sensors.matching import KEY, SCRIPT, Clock, Held, Running, running, sensor
from tiphys.bus.event import Event
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Loss, VerdictKind
from tiphys.bus.sqlite import SqliteBus

HOUR = 3600.0
NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z


async def gone(now: Running) -> None:
    """Nothing is held any more, in memory and in the ledger."""
    async with asyncio.timeout(20):
        while now.held() or await now.stored():
            await asyncio.sleep(0.005)


async def test_hold_all_counts_and_the_firing_has_every_event(tmp_path: Path) -> None:
    program = sensor("count(A) >= 3 && B", names="AB")
    async with running(tmp_path, program) as now:
        await now.send("a1", "a2", "b1")
    async with running(tmp_path, program) as now:
        assert await now.stored() == ["a1", "a2", "b1"]
        await now.send("a3")
        (record,) = await now.bus.ledger.firings()
        assert {name: one.id for name, one in record.firing.events.items()} == {"A": "a3", "B": "b1"}
        assert [one.id for one in record.firing.more["A"]] == ["a1", "a2"]
        assert await now.stored() == []


async def test_a_firings_id_is_made_of_all_its_events(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", hold={"A": "all"})) as now:
        await now.send("a1", "a2", "b1")
        (record,) = await now.bus.ledger.firings()
        assert record.firing.id == firing_id(*KEY, {"A": "a1+a2", "B": "b1"})


async def test_an_event_that_takes_anothers_place_takes_it_in_the_ledger_too(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB")) as now:
        await now.send("a1", "a2")
        assert await now.stored() == ["a2"]


async def test_hold_first_keeps_the_first_and_says_of_later_ones_that_they_were_dropped(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", hold="first")) as now:
        await now.send("a1", "a2")
        assert now.held() == {"A": "a1"}
        assert await now.kinds("a2") == [VerdictKind.DROPPED]
        await now.send("b1")
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_correlated_events_meet_their_own_kind_also_over_a_restart(tmp_path: Path) -> None:
    program = sensor("A && B", names="AB", correlate="sha")
    async with running(tmp_path, program) as now:
        await now.send("a1", data={"sha": "x"})
        await now.send("a2", data={"sha": "y"})
    async with running(tmp_path, program) as now:
        await now.send("b1", data={"sha": "y"})
        assert await now.firings() == [{"A": "a2", "B": "b1"}]
        assert await now.stored() == ["a1"]
        await now.send("b2", data={"sha": "x"})
        assert (await now.firings())[1:] == [{"A": "a1", "B": "b2"}]
        assert await now.stored() == []


async def test_an_event_without_a_join_key_is_an_error_of_the_trigger(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", correlate="sha")) as now:
        await now.send("a1")
        assert await now.kinds("a1") == [VerdictKind.ERRORED]
        assert now.held() == {}


async def test_an_event_older_than_within_meets_nobody(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, sensor("A && B", names="AB", within="10m"), clock=clock) as now:
        await now.send("a1")
        clock.now += 601
        await now.send("b1")
        assert await now.firings() == []
        assert await now.stored() == ["b1"]
        clock.now += 599
        await now.send("a2")
        assert await now.firings() == [{"A": "a2", "B": "b1"}]


async def test_what_is_older_than_within_is_swept_though_nothing_arrives(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", within="1s")) as now:
        await now.send("a1")
        assert now.held() == {"A": "a1"}
        await gone(now)


async def test_a_reset_clears_that_trigger_only(tmp_path: Path) -> None:
    clock = Clock(NOON - 60)
    resets = [{"byTime": {"cron": "0 12 * * *", "timezone": "UTC"}}]
    async with running(
        tmp_path, sensor("A && B", names="AB", conditionsReset=resets), sensor("A && B", "other", names="AB"), clock=clock
    ) as now:
        await now.send("a1")
        clock.now += 120
        await now.send("b1")
        firings = [record.firing for record in await now.bus.ledger.firings()]
        assert [firing.key.sensor for firing in firings] == ["other"]
        assert now.held() == {"B": "b1"}


async def test_a_tick_that_came_while_the_service_was_down_counts_and_what_arrived_after_it_stays(tmp_path: Path) -> None:
    clock = Clock(NOON - 60)
    program = sensor("A && B", names="AB", conditionsReset=[{"byTime": {"cron": "0 12 * * *"}}])
    async with running(tmp_path, program, clock=clock) as now:
        await now.send("a1")
    clock.now = NOON + 60
    async with running(tmp_path, program, clock=clock) as now:
        assert now.held() == {}
        assert await now.stored() == []
        await now.send("a2")
    clock.now = NOON + HOUR
    async with running(tmp_path, program, clock=clock) as now:
        assert now.held() == {"A": "a2"}


async def test_a_backlog_is_decided_as_it_would_have_been_without_one(tmp_path: Path) -> None:
    clock = Clock(NOON - 60)
    program = sensor("A && B", names="AB", conditionsReset=[{"byTime": {"cron": "0 12 * * *"}}])
    async with running(tmp_path, program, clock=clock) as now:
        await now.send("a1")
    async with SqliteBus.open(tmp_path, clock=clock) as bus:
        await bus.log.publish(Event("b1", "src-b", "webhook", "e", "argo", b"{}"))
    clock.now = NOON + 60
    async with running(tmp_path, program, clock=clock) as now:
        await now.decided("b1")
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_resets_wait_for_what_is_deferred(tmp_path: Path) -> None:
    clock, scripts = Clock(NOON - 60), Held()
    program = sensor("A && B", names="AB", filters={"B": SCRIPT}, conditionsReset=[{"byTime": {"cron": "0 12 * * *"}}])
    async with running(tmp_path, program, clock=clock, scripts=scripts) as now:
        await now.send("a1")
        await now.publish("b1")
        await now.settled("b1")
        clock.now = NOON + 60
        await now.matcher.put(program)
        assert now.held() == {"A": "a1"}
        await scripts.free()
        await now.decided("b1")
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_a_reset_sweeps_what_is_held_though_nothing_arrives(tmp_path: Path) -> None:
    clock = Clock(NOON - 1)
    program = sensor("A && B", names="AB", conditionsReset=[{"byTime": {"cron": "0 12 * * *"}}])
    async with running(tmp_path, program, clock=clock) as now:
        await now.send("a1")
        clock.now = NOON + 10
        await gone(now)


async def test_a_changed_span_drops_what_was_held_under_the_other(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", within="1h")) as now:
        await now.send("a1")
        await now.matcher.put(sensor("A && B", names="AB", within="2h"))
        assert (now.held(), await now.stored()) == ({}, [])


async def test_a_changed_dependency_loses_its_events_of_every_join_key(tmp_path: Path) -> None:
    changed = {"A": {"context": {"type": "webhook"}}}
    async with running(tmp_path, sensor("A && B && C", correlate="sha")) as now:
        for sha in ("x", "y"):
            await now.send(f"a{sha}", f"b{sha}", data={"sha": sha})
        await now.matcher.put(sensor("A && B && C", correlate="sha", filters=changed))
        assert sorted(await now.stored()) == ["bx", "by"]
        assert sorted(one.event_id for one in now.matcher.held_events(KEY)) == ["bx", "by"]


async def test_an_event_that_is_replayed_while_it_is_held_counts_once(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("count(A) >= 2", names="A")) as now:
        await now.send("a1")
        await now.bus.ledger.replay_event("a1", [], "mira")
        await now.record("a1", lambda record: len(record.verdicts) == 2)
        assert await now.firings() == []
        await now.send("a2")
        assert len(await now.firings()) == 1


# -- what is held and goes without a firing says so


async def losses(now: Running, event_id: str) -> list[tuple[str, float]]:
    return [(one.reason, one.at) for one in (await now.bus.ledger.event(event_id)).losses]


async def test_what_is_too_old_when_another_comes_is_a_loss_with_its_time(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, sensor("A && B", names="AB", within="10m"), clock=clock) as now:
        await now.send("a1")
        clock.now += 601
        await now.send("b1")
        assert await losses(now, "a1") == [("late", clock.now)]
        assert (await losses(now, "b1"), now.held()) == ([], {"B": "b1"})


async def test_what_goes_by_the_clock_alone_is_a_loss_and_is_told(tmp_path: Path) -> None:
    clock, told = Clock(NOON), list[Loss]()
    reset = [{"byTime": {"cron": "0 * * * *"}}]
    program = sensor("A && B", names="AB", conditionsReset=reset)
    async with running(tmp_path, program, clock=clock) as now:
        await now.send("a1")
        position = (await now.bus.ledger.event("a1")).position
    clock.now += HOUR
    async with running(tmp_path, program, clock=clock, lapsed=told.extend) as now:
        assert await losses(now, "a1") == [("reset", clock.now)]
        assert told == [(KEY, "A", position, "reset", clock.now)]


async def test_what_gives_way_to_a_later_event_is_no_loss(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB")) as now:
        await now.send("a1", "a2", "b1")
        assert await losses(now, "a1") == []


async def test_what_is_held_for_a_dependency_that_changes_is_a_loss(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB")) as now:
        await now.send("a1")
        changed = {"A": {"data": [{"path": "name", "type": "string", "value": ["a.*"]}]}}
        await now.matcher.put(sensor("A && B", names="AB", filters=changed, revision=2))
        assert [reason for reason, _ in await losses(now, "a1")] == ["changed"]


async def test_what_is_used_up_by_a_key_that_has_fired_is_a_loss(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A && B", names="AB", once={"key": "{{ .B.sha }}"})) as now:
        await now.send("a1")
        await now.send("b1", data={"sha": "x"})
        await now.send("a2")
        await now.send("b2", data={"sha": "x"})
        assert await now.firings() == [{"A": "a1", "B": "b1"}]
        assert [reason for reason, _ in await losses(now, "a2")] == ["once"]


async def test_what_triggers_hold_and_have_still_to_decide_is_counted(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A && B"), sensor("A", "other", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1", "a2")
        await now.settled("a2")
        assert now.matcher.waiting() == {KEY: (1, 0), KEY._replace(sensor="other"): (0, 2)}
        await scripts.free()
        await now.decided("a2")
        assert now.matcher.waiting() == {KEY: (1, 0)}
