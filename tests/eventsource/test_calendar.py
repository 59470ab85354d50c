"""The calendar source, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from eventsource.clock import Clock
from eventsource.manifest import parse
from eventsource.setting import Setting
from eventsource.source import Address
from eventsource.sources.calendar import CalendarSource, CalendarSpec
from tests.eventsource.parts import KeptSecrets, MemoryCursor, MemoryLog, house
from tests.eventsource.virtual import LoopAlarm, virtual_clock
from tiphys.bus.event import Event
from tiphys.bus.ledger import Cursor
from tiphys.errors import ManifestError, StoreUnavailable

RECHECK = timedelta(minutes=20)
ADDRESS = Address("argo", "clock", "tick")


class SeenHealth:
    """Every change of health, in order."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def well(self) -> None:
        self.states.append("well")

    def ill(self, problem: str) -> None:
        self.states.append(problem)


class House:
    """A log and a cursor that survive; `emitted` are the scheduled instants with the second at which they came."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.kept: dict[str, bytes] = {}
        self.health = SeenHealth()
        self.alarm: LoopAlarm | None = None
        self.emitted: list[tuple[str, str]] = []

    async def emit(self, event: Event) -> None:
        await self.log.publish(event)
        assert self.alarm is not None
        self.emitted.append((event.extensions["worldid"], f"{self.alarm.now():%H:%M:%S}"))

    @property
    def ticks(self) -> list[str]:
        return [tick for tick, _ in self.emitted]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.log.events]

    @asynccontextmanager
    async def running(self, start: str, **spec: Any) -> AsyncIterator[Clock]:
        """The source runs from `start` on, and is cancelled at the end."""
        clock, self.alarm = virtual_clock(start, RECHECK)
        context = Setting(ADDRESS, "calendar", self.health, KeptSecrets())
        source = CalendarSource(CalendarSpec.model_validate(spec), context, clock)
        task = asyncio.create_task(source.run(self.emit, self.cursor()))
        await asyncio.sleep(0)
        try:
            yield clock
        finally:
            assert not task.done(), task.exception()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def cursor(self) -> Cursor:
        return MemoryCursor(self.kept, str(ADDRESS))

    async def run(self, start: str, end: str, **spec: Any) -> None:
        """From `start` until `end`, both RFC 3339."""
        async with self.running(start, **spec) as clock:
            await asyncio.sleep((datetime.fromisoformat(end) - clock.now()).total_seconds())


QUARTER = {"schedule": "*/15 * * * *"}


def catchup(**catchup: Any) -> dict[str, Any]:
    return {
        **QUARTER,
        "persistence": {"catchup": {"enabled": True, **catchup}, "configMap": {"name": "clock-state", "createIfNotExist": True}},
    }


@pytest.mark.looptime
async def test_each_tick_is_an_event_at_its_instant_shaped_as_argo_events_does() -> None:
    house = House()
    await house.run("2024-05-17T13:45:30Z", "2024-05-17T14:31:00Z", **QUARTER, metadata={"team": "a<b"}, timezone="Europe/Berlin")

    assert house.emitted == [
        ("2024-05-17T14:00:00Z", "14:00:00"),
        ("2024-05-17T14:15:00Z", "14:15:00"),
        ("2024-05-17T14:30:00Z", "14:30:00"),
    ]
    event = house.log.events[0]
    assert event.payload == {"eventTime": "2024-05-17 16:00:00 +0200 CEST", "metadata": {"team": "a<b"}}
    assert (event.type, event.source, event.subject, event.namespace) == ("calendar", "clock", "tick", "argo")
    assert house.health.states == ["well"]


@pytest.mark.looptime
async def test_without_metadata_there_is_only_the_time() -> None:
    house = House()
    await house.run("2024-05-17T13:45:30Z", "2024-05-17T14:00:01Z", **QUARTER)
    assert house.log.events[0].data == b'{"eventTime":"2024-05-17 14:00:00 +0000 UTC"}'


@pytest.mark.looptime
async def test_an_interval_stays_on_the_grid_of_its_first_start_over_restarts() -> None:
    house = House()
    await house.run("2024-05-17T12:00:00.700Z", "2024-05-17T12:00:25Z", interval="10s")
    await house.run(
        "2024-05-17T12:03:07Z",
        "2024-05-17T12:03:21Z",
        interval="10s",
        persistence={"catchup": {"enabled": True, "maxDuration": "15s"}},
    )
    assert house.ticks == [f"2024-05-17T12:0{tick}Z" for tick in ("0:10", "0:20", "3:00", "3:10", "3:20")]


@pytest.mark.looptime
async def test_excluded_dates_have_no_tick() -> None:
    house = House()
    await house.run(
        "2024-05-17T11:00:00Z",
        "2024-05-20T00:00:00Z",
        schedule="0 12 * * *",
        exclusionDates=["EXDATE:20240518T000000Z", "20240519T000000Z"],
    )
    assert house.ticks == ["2024-05-17T12:00:00Z", "2024-05-19T12:00:00Z"]


# -- catch-up


async def before_the_stop(**spec: Any) -> House:
    house = House()
    await house.run("2024-05-17T07:55:00Z", "2024-05-17T08:00:01Z", **spec)
    assert house.ticks == ["2024-05-17T08:00:00Z"]
    house.emitted.clear()
    return house


@pytest.mark.looptime
async def test_argo_events_897_missed_ticks_are_made_up_once_and_in_order() -> None:
    house = await before_the_stop(**catchup(maxDuration="1h"))
    await house.run("2024-05-17T09:05:00Z", "2024-05-17T09:16:00Z", **catchup(maxDuration="1h"))

    made_up = [(f"2024-05-17T{tick}:00Z", "09:05:00") for tick in ("08:15", "08:30", "08:45", "09:00")]
    assert house.emitted == [*made_up, ("2024-05-17T09:15:00Z", "09:15:00")]
    assert house.log.events[1].payload == {"eventTime": "2024-05-17 08:15:00 +0000 UTC"}


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("spec", "restart", "count", "first"),
    [
        (catchup(maxDuration="30m"), "09:05", 2, "08:45"),
        (QUARTER, "09:05", 0, ""),
        ({**QUARTER, "persistence": {"catchup": {"enabled": False}}}, "09:05", 0, ""),
        (catchup(), "12:05", 17 - 1, "08:15"),
    ],
)
async def test_argo_events_897_only_as_far_back_as_is_asked_for(spec: dict[str, Any], restart: str, count: int, first: str) -> None:
    house = await before_the_stop(**spec)
    await house.run(f"2024-05-17T{restart}:00Z", f"2024-05-17T{restart}:59Z", **spec)
    assert len(house.ticks) == count
    assert house.ticks[:1] == ([f"2024-05-17T{first}:00Z"] if first else [])


@pytest.mark.looptime
async def test_argo_events_897_a_tick_published_but_not_noted_comes_again_with_the_same_id() -> None:
    house = await before_the_stop(**catchup())
    before = dict(house.kept)
    await house.run("2024-05-17T08:05:00Z", "2024-05-17T08:16:00Z", **catchup())
    house.kept = before  # killed between the publish and the cursor
    await house.run("2024-05-17T08:17:00Z", "2024-05-17T08:20:00Z", **catchup())
    assert house.ticks == ["2024-05-17T08:15:00Z"] * 2
    assert house.ids[1] == house.ids[2]


@pytest.mark.looptime
async def test_argo_events_897_a_second_restart_makes_nothing_up_twice() -> None:
    house = await before_the_stop(**catchup())
    await house.run("2024-05-17T09:05:00Z", "2024-05-17T09:05:30Z", **catchup())
    house.emitted.clear()
    await house.run("2024-05-17T09:06:00Z", "2024-05-17T09:14:00Z", **catchup())
    assert house.ticks == []


@pytest.mark.looptime
async def test_a_first_start_makes_nothing_up() -> None:
    house = House()
    await house.run("2024-05-17T09:05:00Z", "2024-05-17T09:14:00Z", **catchup())
    assert house.ticks == []


@pytest.mark.looptime
async def test_a_tick_during_a_short_restart_is_not_lost_without_catch_up() -> None:
    house = House()
    nightly = {"schedule": "0 2 * * *"}
    await house.run("2024-05-17T01:00:00Z", "2024-05-17T01:59:50Z", **nightly)
    await house.run("2024-05-17T02:00:20Z", "2024-05-17T02:10:00Z", **nightly)
    assert house.emitted == [("2024-05-17T02:00:00Z", "02:00:20")]


@pytest.mark.looptime
async def test_another_schedule_begins_anew_and_makes_nothing_up() -> None:
    house = await before_the_stop(**catchup())
    await house.run("2024-05-17T09:05:00Z", "2024-05-17T09:10:30Z", **{**catchup(), "schedule": "*/10 * * * *"})
    assert house.ticks == ["2024-05-17T09:10:00Z"]


@pytest.mark.looptime
async def test_other_metadata_or_excluded_dates_are_no_other_schedule() -> None:
    house = await before_the_stop(**catchup())
    await house.run(
        "2024-05-17T08:20:00Z", "2024-05-17T08:21:00Z", **catchup(), metadata={"a": "b"}, exclusionDates=["EXDATE:20300101T000000Z"]
    )
    assert house.ticks == ["2024-05-17T08:15:00Z"]


# -- the store


@pytest.mark.looptime
async def test_a_store_that_takes_no_writes_loses_no_tick() -> None:
    house = House()
    async with house.running("2024-05-17T07:59:00Z", schedule="* * * * *") as clock:
        house.log.refusing = True
        await clock.sleep_until(datetime(2024, 5, 17, 8, 3, 30, tzinfo=UTC))
        assert house.ticks == []
        house.log.refusing = False
        await asyncio.sleep(60)
    assert house.ticks == [f"2024-05-17T08:0{minute}:00Z" for minute in range(5)]
    assert house.health.states[0] == house.health.states[-1] == "well"
    assert any("disk full" in state for state in house.health.states)


@pytest.mark.looptime
async def test_a_cursor_that_cannot_be_moved_is_tried_again_and_the_tick_is_not_emitted_again() -> None:
    house = House()
    refusing = [False]

    class Refusing(MemoryCursor):
        async def advance(self, value: bytes) -> None:
            if refusing[0]:
                raise StoreUnavailable("disk full")
            await super().advance(value)

    house.cursor = lambda: Refusing(house.kept, str(ADDRESS))  # type: ignore[method-assign]
    async with house.running("2024-05-17T07:59:00Z", schedule="* * * * *") as clock:
        refusing[0] = True
        await clock.sleep_until(datetime(2024, 5, 17, 8, 0, 40, tzinfo=UTC))
        assert house.ticks == ["2024-05-17T08:00:00Z"]
        assert b"07:59:00" in house.kept[str(ADDRESS)]
        refusing[0] = False
        await asyncio.sleep(40)
    assert house.ticks == ["2024-05-17T08:00:00Z", "2024-05-17T08:01:00Z"]
    assert b"08:01:00" in house.kept[str(ADDRESS)]


# -- clocks that are set, machines that sleep


@pytest.mark.looptime
async def test_a_clock_set_back_fires_nothing_twice() -> None:
    house = House()
    async with house.running("2024-05-17T07:59:30Z", schedule="* * * * *") as clock:
        await clock.sleep_until(datetime(2024, 5, 17, 8, 2, 10, tzinfo=UTC))
        assert house.alarm is not None
        house.alarm.wall -= timedelta(minutes=2)
        await asyncio.sleep(180)
    assert house.ticks == [f"2024-05-17T08:0{minute}:00Z" for minute in range(4)]


@pytest.mark.looptime
async def test_a_clock_that_stands_before_the_last_tick_at_a_start_is_named() -> None:
    house = await before_the_stop(**QUARTER)
    house.health.states.clear()
    await house.run("2024-05-17T07:00:00Z", "2024-05-17T07:50:00Z", **QUARTER)
    assert house.ticks == []
    assert "before the last tick" in house.health.states[0]


@pytest.mark.looptime
async def test_argo_events_1516_a_process_that_wakes_late_fires_the_tick_of_that_instant_with_its_id() -> None:
    punctual, late = House(), House()
    await punctual.run("2024-05-17T07:59:30Z", "2024-05-17T08:01:30Z", schedule="* * * * *")
    async with late.running("2024-05-17T07:59:30Z", schedule="* * * * *"):
        assert late.alarm is not None
        late.alarm.wall += timedelta(seconds=50)  # stopped over the tick
        await asyncio.sleep(70)
    assert late.ticks == punctual.ticks
    assert late.ids == punctual.ids


# -- schedules that never come, nights in which clocks change


@pytest.mark.looptime
async def test_argo_events_3646_a_schedule_that_never_fires_is_named_and_waits_quietly() -> None:
    house = House()
    async with house.running("2026-06-25T00:00:30Z", schedule="15 4 31 2 *"):
        assert house.alarm is not None
        await asyncio.sleep(10 * 24 * 3600)
        assert house.alarm.rung <= 10 * timedelta(days=1) / RECHECK + 10
    assert house.ticks == []
    assert "'15 4 31 2 *' never fires" in house.health.states[-1]


@pytest.mark.looptime
async def test_argo_events_3646_the_leap_day_comes() -> None:
    house = House()
    async with house.running("2028-02-28T00:00:30Z", schedule="0 0 29 2 *"):
        await asyncio.sleep(3 * 24 * 3600)
    assert house.ticks == ["2028-02-29T00:00:00Z"]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("dst", "expected"),
    [
        ("once", ["2022-03-12T10:00:00Z", "2022-03-13T10:00:00Z", "2022-03-14T09:00:00Z"]),
        ("robfig", ["2022-03-12T10:00:00Z", "2022-03-14T09:00:00Z"]),
    ],
)
async def test_argo_workflows_8137_a_nightly_job_runs_once_in_the_night_of_the_lost_hour_or_as_argo_does(
    dst: str, expected: list[str]
) -> None:
    house = House()
    spec = {"schedule": "0 2 * * *", "timezone": "America/Los_Angeles", "dst": dst}
    await house.run("2022-03-11T12:00:00-08:00", "2022-03-14T12:00:00-07:00", **spec)
    assert house.ticks == expected


@pytest.mark.looptime
async def test_apscheduler_606_midnight_comes_every_day() -> None:
    house = House()
    await house.run("2022-03-12T12:00:00-08:00", "2022-03-16T12:00:00-08:00", schedule="0 0 * * *", timezone="America/Vancouver")
    assert house.ticks == ["2022-03-13T08:00:00Z", "2022-03-14T07:00:00Z", "2022-03-15T07:00:00Z", "2022-03-16T07:00:00Z"]


# -- manifests


def manifest(**calendars: Any) -> dict[str, Any]:
    return {"kind": "EventSource", "metadata": {"name": "clock", "namespace": "argo"}, "spec": {"calendar": calendars}}


@pytest.mark.parametrize(
    ("spec", "path", "problem"),
    [
        ({}, "schedule", "is missing"),
        ({"schedule": ""}, "schedule", "is missing"),
        ({"schedule": "60 * * * *"}, "schedule", "goes from 0 to 59"),
        ({"schedule": "@daily"}, "schedule", "shorthands"),
        ({"schedule": "bad", "interval": "10s"}, "schedule", "1 fields"),
        ({"interval": "10"}, "interval", "without a unit"),
        ({"interval": "0s"}, "interval", "a second or more"),
        ({"interval": "-5s"}, "interval", "a second or more"),
        ({"schedule": "* * * * *", "timezone": "No/Zone"}, "timezone", "unknown"),
        ({"interval": "1h", "exclusionDates": ["EXDATE:20240518T000000Z", "EXDATE:bad"]}, "exclusionDates[1]", "'bad' is no date"),
        ({"interval": "1h", "exclusionDates": ["EXDATE:20240532T000000Z"]}, "exclusionDates[0]", "day"),
        (
            {"interval": "1h", "persistence": {"catchup": {"enabled": True, "maxDuration": "1d"}}},
            "persistence.catchup.maxDuration",
            "unit 'd'",
        ),
        ({"interval": "1h", "filter": {"expression": "eventTime =="}}, "filter.expression", "ends where a value is expected"),
        ({"interval": "1h", "dst": "twice"}, "dst", "must be one of"),
        ({"interval": 10}, "interval", "must be a string"),
    ],
)
def test_what_cannot_be_read_is_refused_at_load_with_its_path_and_a_remedy(spec: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(manifest(tick=spec))
    (error,) = caught.value.errors
    assert error.path == f"spec.calendar.tick.{path}"
    assert problem in error.problem
    assert error.remedy


def test_argo_events_3646_a_schedule_that_never_fires_is_a_notice_and_the_others_stand() -> None:
    parsed = parse(manifest(never={"schedule": "15 4 31 2 *"}, leap={"schedule": "0 0 29 2 *"}, minute={"schedule": "* * * * *"}))
    assert [entry.event for entry in parsed.manifest.entries] == ["never", "leap", "minute"]
    assert [(notice.path, "never fires" in notice.text) for notice in parsed.notices] == [("spec.calendar.never.schedule", True)]


def test_what_has_no_effect_is_said() -> None:
    spec = {
        "schedule": "* * * * *",
        "interval": "1s",
        "exclusionDates": ["20240518T000000Z"],
        "persistence": {"configMap": {"name": "x"}},
    }
    paths = [notice.path.removeprefix("spec.calendar.tick.") for notice in parse(manifest(tick=spec)).notices]
    assert paths == ["interval", "exclusionDates[0]", "persistence.configMap"]


@pytest.mark.looptime
async def test_a_cursor_holds_what_is_needed_to_go_on() -> None:
    house = await before_the_stop(**QUARTER)
    state = orjson.loads(house.kept[str(ADDRESS)])
    assert state["last"] == "2024-05-17T08:00:00+00:00"
    assert state["anchor"] == "2024-05-17T07:55:00+00:00"


async def test_in_the_room_on_the_real_clock_ticks_come_and_a_changed_manifest_takes_over() -> None:
    async with house() as running, asyncio.timeout(30):
        await running.apply({"calendar": {"beat": {"interval": "1s", "timezone": "Europe/Berlin"}}}, name="clock")
        while len(running.log.events) < 2:
            await asyncio.sleep(0.05)
        assert running.problem("beat", "clock") == ""
        assert [event.subject for event in running.log.events] == ["beat"] * len(running.log.events)
        await running.apply({"calendar": {"other": {"interval": "1s"}}}, name="clock")
        seen = len(running.log.events)
        while len(running.log.events) < seen + 1:
            await asyncio.sleep(0.05)
        assert running.log.events[-1].subject == "other"
    keys = [event.extensions["worldid"] for event in running.log.events]
    assert all(datetime.fromisoformat(key).microsecond == 0 for key in keys)
