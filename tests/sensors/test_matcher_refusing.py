"""A firing that the trigger would refuse is a verdict: the event says why, and nothing is made that must fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from structlog.testing import capture_logs

from sensors import SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from sensors.program import Check
from tests.sensors.matching import KEY, SCRIPT, Clock, Held, Running, running, sensor
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing
from tiphys.bus.ledger import VerdictKind
from tiphys.errors import TiphysError, TriggerError

REFUSED, FIRED, HELD = VerdictKind.REFUSED, VerdictKind.FIRED, VerdictKind.HELD


class NoBad(Check):
    """A trigger that refuses firings with an event whose data says `bad`, until it is corrected."""

    def __init__(self, *, transient: bool = False) -> None:
        self.corrected = False
        self.asked: list[dict[str, str]] = []
        self._transient = transient

    def refusal(self, events: Mapping[str, Event]) -> TiphysError | None:
        self.asked.append({name: one.id for name, one in events.items()})
        bad = sorted(name for name, one in events.items() if orjson.loads(one.data or b"{}").get("bad"))
        if not bad or self.corrected:
            return None
        return TriggerError("ArgumentRefused", f"argument of {', '.join(bad)}", transient=self._transient)

    def instead(self, firing: Firing) -> tuple[Firing, ...]:
        return ()


BAD = {"bad": True}


def checked(check: Check, conditions: str = "A", **fields: Any) -> SensorProgram:
    return sensor(conditions, **fields).checked({KEY: check})


async def replayed(now: Running, event_id: str, verdicts: int) -> None:
    await now.bus.ledger.replay_event(event_id, [KEY], "a test")
    await now.record(event_id, lambda record: record.decided and len(record.verdicts) == verdicts)


async def test_a_refused_firing_is_a_verdict_with_its_reason_and_no_firing(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, checked(NoBad()), clock=clock) as now:
        await now.send("a1", data=BAD)
        await now.send("a2")
        assert (await now.kinds("a1"), await now.kinds("a2")) == ([REFUSED], [FIRED])
        assert await now.firings() == [{"A": "a2"}]
        (refusal,) = (await now.bus.ledger.event("a1")).refusals
        assert refusal == (KEY, "A", "ArgumentRefused", "argument of A", clock.now, (), False)


async def test_other_triggers_and_later_events_are_not_held_up(tmp_path: Path) -> None:
    async with running(tmp_path, checked(NoBad()), sensor("A", "other")) as now:
        await now.send("a1", data=BAD)
        assert sorted(await now.kinds("a1")) == [FIRED, REFUSED]
        assert await now.firings() == [{"A": "a1"}]


async def test_what_a_refused_firing_would_have_had_is_used_up_and_stands_in_the_refusal(tmp_path: Path) -> None:
    async with running(tmp_path, checked(NoBad(), "A && B")) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        assert (await now.kinds("b1"), now.held(), await now.stored()) == ([REFUSED], {}, [])
        (refusal,) = (await now.bus.ledger.event("b1")).refusals
        assert [(one.dependency, one.event_id) for one in refusal.beside] == [("A", "a1")]
        await now.send("a2", "b2")
        assert await now.firings() == [{"A": "a2", "B": "b2"}]


async def test_a_replay_decides_with_the_events_of_then_and_leaves_alone_what_is_held_now(tmp_path: Path) -> None:
    check = NoBad()
    async with running(tmp_path, checked(check, "A && B")) as now:
        await now.send("a1", data=BAD)
        await now.send("b1", "a2")
        check.corrected = True
        await replayed(now, "b1", 2)
        assert await now.kinds("b1") == [REFUSED, FIRED]
        assert await now.firings() == [{"A": "a1", "B": "b1"}]
        assert now.held() == {"A": "a2"}


async def test_a_replay_that_is_refused_again_says_so_and_can_be_replayed_once_more(tmp_path: Path) -> None:
    check = NoBad()
    async with running(tmp_path, checked(check, "A && B", hold="all")) as now:
        await now.send("a1")
        await now.send("a2", data=BAD)
        await now.send("b1")
        await replayed(now, "b1", 2)
        check.corrected = True
        await replayed(now, "b1", 3)
        assert await now.kinds("b1") == [REFUSED, REFUSED, FIRED]
        (record,) = await now.bus.ledger.firings()
        assert [one.id for one in record.firing.more["A"]] == ["a1"]


async def test_a_replay_after_a_change_of_a_dependency_meets_what_is_held_now(tmp_path: Path) -> None:
    check = NoBad()
    async with running(tmp_path, checked(check, "A && B")) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        changed = {"A": {"data": [{"path": "name", "type": "string", "value": ["a.*"]}]}}
        await now.matcher.put(checked(check, "A && B", filters=changed, revision=2))
        await replayed(now, "b1", 2)
        assert await now.kinds("b1") == [REFUSED, HELD]
        assert now.held() == {"B": "b1"}


async def test_an_event_that_completes_what_it_began_itself_fires_once_when_it_is_replayed(tmp_path: Path) -> None:
    check = NoBad()
    names = [{"name": name, "eventSourceName": "src-a", "eventName": "e"} for name in "AB"]
    triggers = [{"template": {"name": "t", "conditions": "A && B"}}]
    spec = SensorSpec[OpaqueTrigger].model_validate({"dependencies": names, "triggers": triggers})
    both = SensorProgram.compile("argo", "s", spec, revision=1).checked({KEY: check})
    async with running(tmp_path, both) as now:
        await now.send("a1", data=BAD)
        check.corrected = True
        await replayed(now, "a1", 4)
        assert await now.kinds("a1") == [HELD, REFUSED, HELD, FIRED]
        assert (await now.firings(), now.held(), await now.stored()) == ([{"A": "a1", "B": "a1"}], {}, [])


async def test_what_went_with_a_refused_firing_says_so(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, checked(NoBad(), "A && B"), clock=clock) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        assert [(one.dependency, one.reason, one.at) for one in (await now.bus.ledger.event("a1")).losses] == [
            ("A", "refused", clock.now)
        ]


async def test_events_that_were_in_time_then_are_in_time_for_a_replay(tmp_path: Path) -> None:
    check, clock = NoBad(), Clock()
    async with running(tmp_path, checked(check, "A && B", within="10m"), clock=clock) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        clock.now += 86400
        check.corrected = True
        await replayed(now, "b1", 2)
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_a_key_of_once_that_was_refused_has_not_fired(tmp_path: Path) -> None:
    check = NoBad()
    async with running(tmp_path, checked(check, once={"key": "{{ .A.sha }}"})) as now:
        await now.send("a1", data={"sha": "x"} | BAD)
        await now.send("a2", data={"sha": "x"})
        assert (await now.kinds("a1"), await now.kinds("a2")) == ([REFUSED], [FIRED])


async def test_a_trigger_that_decides_later_refuses_as_well(tmp_path: Path) -> None:
    scripts = Held()
    await scripts.free()
    async with running(tmp_path, checked(NoBad(), "A && B", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        assert await now.kinds("b1") == [REFUSED]
        assert await now.firings() == []


async def test_a_replay_of_a_trigger_that_decides_later_meets_the_events_of_then(tmp_path: Path) -> None:
    check, scripts = NoBad(), Held()
    await scripts.free()
    async with running(tmp_path, checked(check, "A && B", filters={"A": SCRIPT}), scripts=scripts) as now:
        await now.send("a1", data=BAD)
        await now.send("b1")
        check.corrected = True
        await replayed(now, "b1", 2)
        assert await now.firings() == [{"A": "a1", "B": "b1"}]


async def test_the_trigger_sees_the_transformed_data_of_every_event(tmp_path: Path) -> None:
    class Made(Check):
        seen: dict[str, Any]

        def refusal(self, events: Mapping[str, Event]) -> TiphysError | None:
            self.seen = {name: one.payload for name, one in events.items()}
            return None

        def instead(self, firing: Firing) -> tuple[Firing, ...]:
            return ()

    class Transforming(Held):
        async def run(self, program: object, data: bytes) -> bytes | bool:
            return b'{"made":true}'

    check = Made()
    program = checked(check, "A && B", transforms={"A": {"jq": "."}})
    async with running(tmp_path, program, scripts=Transforming()) as now:
        await now.send("a1", "b1")
        assert check.seen == {"A": {"made": True}, "B": {"name": "b1"}}


async def test_what_is_done_instead_is_a_firing(tmp_path: Path) -> None:
    class WithDeadLetters(NoBad):
        def instead(self, firing: Firing) -> tuple[Firing, ...]:
            return (replace(firing, id="0123456789abc", dlq=True, parent=firing.id),)

    async with running(tmp_path, checked(WithDeadLetters())) as now:
        await now.send("a1", data=BAD)
        (record,) = await now.bus.ledger.firings()
        assert (record.firing.dlq, await now.kinds("a1")) == (True, [REFUSED])


async def test_a_correction_of_something_else_decides_what_may_heal_again_once(tmp_path: Path) -> None:
    check, clock = NoBad(transient=True), Clock()
    async with running(tmp_path, checked(check), clock=clock) as now:
        await now.send("a1", data=BAD)
        clock.now += 100
        await now.send("a2", data=BAD)
        check.corrected = True
        assert await now.bus.ledger.reconsider(KEY, clock.now, "a test") == 1
        assert await now.bus.ledger.reconsider(KEY, 0, "a test") == 1
        assert await now.bus.ledger.reconsider(KEY, 0, "a test") == 0
        for name in ("a1", "a2"):
            await now.record(name, lambda record: len(record.verdicts) == 2)
        assert await now.firings() == [{"A": "a2"}, {"A": "a1"}]


async def test_with_once_nothing_heals_by_itself_since_each_event_would_fire(tmp_path: Path) -> None:
    async with running(tmp_path, checked(NoBad(transient=True), once={"key": "{{ .A.sha }}"})) as now:
        await now.send("a1", "a2", data={"sha": "x"} | BAD)
        assert await now.bus.ledger.reconsider(KEY, 0, "a test") == 0


async def test_refusals_are_logged_once_and_so_is_the_first_firing_that_is_none(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running(tmp_path, checked(NoBad())) as now:
            await now.send("a1", "a2", data=BAD)
            await now.send("a3", "a4")
            await now.send("a5", data=BAD)
    assert [entry["action"] for entry in logs if entry["action"].startswith("firing-")] == [
        "firing-refused",
        "firing-accepted",
        "firing-refused",
    ]


async def test_a_trigger_is_asked_only_about_firings(tmp_path: Path) -> None:
    check = NoBad()
    async with running(tmp_path, checked(check, "A && B")) as now:
        await now.send("a1", "a2", "b1")
        assert check.asked == [{"A": "a2", "B": "b1"}]
