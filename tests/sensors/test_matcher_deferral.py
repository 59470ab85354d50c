"""Triggers that decide later: the log goes on, order is kept within a trigger, nothing is lost by a restart (DESIGN section 3)."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors import SensorProgram
from sensors.filters.finding import Judged
from sensors.filters.program import FilterProgram
from sensors.manifest import Dependency
from sensors.scripts import Program, Runner, Scripts
from tests.bus.sqlite.faults import Disk
from tests.sensors.matching import KEY, SCRIPT, Clock, Held, Running, running, sensor
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import VerdictKind
from tiphys.bus.sqlite import SqliteSettings
from tiphys.errors import ScriptError, ScriptsUnavailable


async def until(now: Running, count: int) -> None:
    """As many firings are decided."""
    async with asyncio.timeout(20):
        while len(await now.firings()) < count:
            await asyncio.sleep(0.005)


async def test_the_log_goes_on_while_a_worker_decides_and_other_triggers_fire(tmp_path: Path) -> None:
    scripts = Held()
    async with running(
        tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), sensor("A", "other", names="A"), scripts=scripts
    ) as now:
        await now.publish("a1", "a2")
        record = await now.settled("a2")
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}]
        assert (record.deferred, record.decided, now.matcher.deferred) == ((KEY,), False, 2)
        await scripts.free()
        assert (await now.decided("a2")).deferred == ()
        await until(now, 4)
        assert now.matcher.deferred == 0


async def test_later_events_of_the_trigger_queue_behind_even_if_their_own_dependency_needs_no_worker(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A && B", names="AB", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1", "b1", "b2", "a2")
        assert (await now.settled("b1")).deferred == (KEY,)
        assert now.held() == {}
        await scripts.free()
        await now.decided("a2")
        assert await now.firings() == [{"A": "a1", "B": "b1"}, {"A": "a2", "B": "b2"}]


async def test_a_trigger_that_has_caught_up_decides_at_once_again(tmp_path: Path) -> None:
    scripts = Held()
    await scripts.free()
    async with running(tmp_path, sensor("A || B", names="AB", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.send("a1", "b1")
        assert (await now.settled("b1")).decided
        assert not now.matcher.deferred


async def test_a_slow_script_of_one_trigger_does_not_hold_up_anothers(tmp_path: Path) -> None:
    scripts = Held()
    slow = [sensor("A", f"slow{number}", names="A", filters={"A": SCRIPT}) for number in range(3)]
    quick = sensor("B", "quick", names="AB", filters={"B": SCRIPT})
    async with running(tmp_path, *slow, quick, scripts=scripts) as now:
        await scripts.free("b1", "b2")
        await now.publish("a1", "b1", "b2")
        await until(now, 2)
        assert await now.firings() == [{"B": "b1"}, {"B": "b2"}]


async def test_what_is_deferred_is_decided_after_a_restart_in_its_order(tmp_path: Path) -> None:
    program = sensor("A && B", names="AB", filters={"A": SCRIPT})
    async with running(tmp_path, program, scripts=Held()) as now:
        await now.publish("a1", "b1", "a2", "b2")
        await now.settled("b2")
    free = Held()
    await free.free()
    async with running(tmp_path, program, scripts=free) as now:
        await now.decided("b2")
        assert await now.firings() == [{"A": "a1", "B": "b1"}, {"A": "a2", "B": "b2"}]


async def test_two_dependencies_of_one_event_are_decided_in_order_also_if_only_one_is_away(tmp_path: Path) -> None:
    scripts = Held()
    await scripts.free()
    program = sensor("A && B", names="AB", filters={"B": SCRIPT})
    both = tuple(dataclasses.replace(one, source="src-a") for one in program.dependencies)
    async with running(tmp_path, dataclasses.replace(program, dependencies=both), scripts=scripts) as now:
        await now.send("a1")
        assert await now.kinds("a1") == [VerdictKind.HELD, VerdictKind.FIRED]
        assert await now.firings() == [{"A": "a1", "B": "a1"}]


async def test_a_duplicate_of_an_event_that_is_being_decided_is_one_at_once(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1", "a1")
        await scripts.free()
        await now.send("a2")
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}]


async def test_a_script_that_errs_is_a_recorded_verdict_with_its_clause(tmp_path: Path) -> None:
    class Erring(Runner):
        async def run(self, program: Program, data: bytes) -> bytes | bool:
            raise ScriptError(program.text, "it used more memory than it may", killed=True)

    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=Erring()) as now:
        await now.send("a1")
        (verdict,) = (await now.bus.ledger.event("a1")).verdicts
        assert (verdict.kind, verdict.clause) == (VerdictKind.ERRORED, 0)
        assert await now.firings() == []


async def test_where_no_worker_can_be_had_events_wait_and_are_decided_when_one_is(tmp_path: Path) -> None:
    class Away(Held):
        calls = 0

        async def run(self, program: Program, data: bytes) -> bytes | bool:
            self.calls += 1
            if self.calls < 3:
                raise ScriptsUnavailable(program.text, "none starts")
            return True

    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=Away()) as now:
        await now.send("a1")
        assert await now.firings() == [{"A": "a1"}]


async def test_without_a_runner_the_events_of_scripts_wait_and_others_do_not(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), sensor("B", "other", names="B")) as now:
        await now.publish("a1")
        await now.send("b1")
        assert await now.firings() == [{"B": "b1"}]
        assert (await now.bus.ledger.event("a1")).deferred == (KEY,)


async def test_while_the_store_takes_no_writes_deferred_decisions_wait_and_none_is_lost(tmp_path: Path) -> None:
    disk, scripts = Disk(), Held()
    async with running(
        tmp_path,
        sensor("A", names="A", filters={"A": SCRIPT}),
        scripts=scripts,
        settings=SqliteSettings(vfs=disk.name, probe_interval=0.02),
    ) as now:
        await now.publish("a1", "a2")
        await now.settled("a2")
        disk.fault = "full"
        await scripts.free()
        while now.bus.store.writer.refusing == "":
            await asyncio.sleep(0.005)
        assert await now.firings() == []
        disk.fault = ""
        await until(now, 2)
        assert await now.firings() == [{"A": "a1"}, {"A": "a2"}]


async def test_rows_of_a_removed_sensor_wait_for_its_return(tmp_path: Path) -> None:
    scripts = Held()
    program = sensor("A", names="A", filters={"A": SCRIPT})
    async with running(tmp_path, program, scripts=scripts) as now:
        await now.publish("a1")
        await now.settled("a1")
        await now.matcher.remove("argo", "s")
        await scripts.free()
        await now.send("b1")
        assert now.matcher.strangers() == [KEY]
        await now.matcher.put(program)
        await now.decided("a1")
        assert await now.firings() == [{"A": "a1"}]
        assert now.matcher.strangers() == []


async def test_rows_of_a_released_trigger_are_gone(tmp_path: Path) -> None:
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=Held()) as now:
        await now.publish("a1")
        await now.settled("a1")
        await now.matcher.remove("argo", "s")
        await now.matcher.release(KEY)
        assert (await now.bus.ledger.event("a1")).decided
        assert (now.matcher.deferred, now.matcher.strangers()) == (0, [])


async def test_a_manifest_that_changes_meanwhile_judges_anew(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1")
        async with asyncio.timeout(20):
            while not scripts.asked:
                await asyncio.sleep(0.005)
        never = {"A": {"data": [{"path": "name", "type": "string", "value": ["^no$"]}]}}
        await now.matcher.put(sensor("A", names="A", filters=never, revision=2))
        await scripts.free()
        (verdict,) = (await now.decided("a1")).verdicts
        assert (verdict.kind, verdict.revision) == (VerdictKind.FILTERED, 2)


async def test_a_replay_for_a_trigger_whose_program_is_away_is_deferred_too(tmp_path: Path) -> None:
    scripts = Held()
    await scripts.free()
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.send("a1")
        await now.bus.ledger.replay_event("a1", [KEY], "mira")
        await until(now, 2)
        assert [record.firing.replay > 0 for record in await now.bus.ledger.firings()] == [True, False]


async def test_an_event_from_before_a_sensor_came_is_not_its_business(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, scripts=scripts) as now:
        await now.send("a1")
        await now.matcher.put(sensor("A", names="A", filters={"A": SCRIPT}, since=await now.bus.log.end()))
        await scripts.free()
        await now.send("a2")
        assert await now.firings() == [{"A": "a2"}]


async def test_a_sensor_that_comes_back_as_a_new_one_leaves_the_rows_of_the_old_alone(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1")
        await now.settled("a1")
        await now.matcher.put(sensor("A", names="A", filters={"A": SCRIPT}, since=await now.bus.log.end(), revision=2))
        await scripts.free()
        assert (await now.decided("a1")).verdicts == ()
        await now.send("a2")
        assert await now.firings() == [{"A": "a2"}]


async def test_a_trigger_gets_one_row_for_all_the_dependencies_that_an_event_concerns(tmp_path: Path) -> None:
    scripts = Held()
    program = sensor("A && B", names="AB", filters={"A": SCRIPT, "B": SCRIPT})
    both = tuple(dataclasses.replace(one, source="src-a") for one in program.dependencies)
    async with running(tmp_path, dataclasses.replace(program, dependencies=both), scripts=scripts) as now:
        await now.publish("a1")
        await now.settled("a1")
        assert (now.matcher.deferred, len(await now.bus.ledger.deferred(KEY))) == (1, 1)


async def test_transformed_data_goes_with_the_held_event_into_the_firing(tmp_path: Path) -> None:
    async with Scripts() as scripts:
        program = sensor("A && B", names="AB", transforms={"A": {"jq": "{n: .name}"}})
        async with running(tmp_path, program, scripts=scripts) as now:
            await now.send("a1")
        async with running(tmp_path, program, scripts=scripts) as now:
            await now.send("b1")
            (claim,) = await now.bus.ledger.claim(1)
            assert claim.events["A"].payload == {"n": "a1"}
            assert claim.events["B"].payload == {"name": "b1"}


async def test_a_filter_with_a_fault_of_its_own_is_an_error_of_the_event_and_stops_nobody(tmp_path: Path) -> None:
    class Faulty(FilterProgram):
        def __init__(self) -> None:
            super().__init__(Dependency.model_validate({"name": "A", "eventSourceName": "src-a", "eventName": "e"}))
            self.judge = self._fail

        def _fail(self, event: Event) -> Judged:
            raise ZeroDivisionError(event.id)

    program = sensor("A", names="A")
    dependency = dataclasses.replace(program.dependencies[0], filters=Faulty())
    async with running(tmp_path, dataclasses.replace(program, dependencies=(dependency,)), sensor("A", "other", names="A")) as now:
        await now.send("a1")
        assert await now.kinds("a1") == [VerdictKind.ERRORED, VerdictKind.FIRED]


async def test_bytes_of_deferred_events_count_as_unfinished_work(tmp_path: Path) -> None:
    scripts = Held()
    async with running(tmp_path, sensor("A", names="A", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.publish("a1", data={"text": "x" * 100_000})
        await now.settled("a1")
        await asyncio.sleep(0.3)
        await now.publish("b1")
        assert now.bus.store.unfinished("argo") > 100_000


_CONDITIONS = ["A && B", "A || B", "(A && B) || C", "A && (B || C)", "A && B && C"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    conditions=st.sampled_from(_CONDITIONS),
    away=st.sets(st.sampled_from("ABC"), min_size=1),
    letters=st.lists(st.sampled_from("abc"), max_size=12),
    restart=st.integers(0, 12),
)
def test_deciding_later_decides_as_deciding_at_once_does(
    tmp_path_factory: pytest.TempPathFactory, conditions: str, away: set[str], letters: list[str], restart: int
) -> None:
    names = [f"{letter}{number:02}" for number, letter in enumerate(letters)]

    async def outcome(program: SensorProgram, *, stop: bool) -> tuple[list[dict[str, str]], dict[str, str]]:
        folder = tmp_path_factory.mktemp("bus")
        free = Held()
        await free.free()
        parts = [names[:restart], names[restart:]] if stop else [names]
        for part in parts[:-1]:
            async with running(folder, program, scripts=Held()) as now:
                await now.publish(*part)
                if part:
                    await now.settled(part[-1])
        async with running(folder, program, scripts=free) as now:
            await now.send(*parts[-1])
            for name in names:
                await now.decided(name)
            return await now.firings(), now.held()

    async def both() -> None:
        there = await outcome(sensor(conditions, filters=dict.fromkeys(away, SCRIPT)), stop=True)
        assert there == await outcome(sensor(conditions), stop=False)

    asyncio.run(both())


async def test_many_triggers_share_the_workers_and_all_are_decided(tmp_path: Path) -> None:
    scripts = Held()
    await scripts.free()
    programs = [sensor("A", f"s{number}", names="A", filters={"A": SCRIPT}) for number in range(30)]
    async with running(tmp_path, *programs, scripts=scripts, clock=Clock()) as now:
        await now.send("a1", "a2", "a3")
        assert len(await now.firings()) == 90
        for number in range(30):
            key = TriggerKey("argo", f"s{number}", "t")
            firings = await now.bus.ledger.firings(sensor=key.sensor)
            assert [one.firing.events["A"].id for one in reversed(firings)] == ["a1", "a2", "a3"]
