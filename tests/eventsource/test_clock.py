"""The clock: one alarm for all, small groups, and a wall clock that may be set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from eventsource.clock import AT_ONCE, RECHECK, Clock, SchedulerAlarm, shared_clock
from tests.eventsource.virtual import virtual_clock


@pytest.mark.looptime
async def test_each_sleeper_wakes_at_its_instant_whatever_the_order_of_asking() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    woken: list[tuple[int, float]] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep_until(alarm.wall + timedelta(seconds=seconds))
        woken.append((seconds, (clock.now() - alarm.wall).total_seconds()))

    await asyncio.gather(*(sleeper(seconds) for seconds in (50, 5, 3600, 20, 5)))
    assert woken == [(5, 5.0), (5, 5.0), (20, 20.0), (50, 50.0), (3600, 3600.0)]
    assert clock.sleeping == 0


@pytest.mark.looptime
async def test_an_instant_of_the_past_is_now_but_others_get_their_turn_first() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "other")
    await clock.sleep_until(alarm.wall - timedelta(hours=1))
    assert turns == ["other"]


@pytest.mark.looptime
async def test_ten_thousand_that_are_due_at_one_instant_wake_in_small_groups() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    loop = asyncio.get_running_loop()
    groups: list[int] = []

    async def sleeper() -> None:
        await clock.sleep_until(alarm.wall + timedelta(seconds=10))
        if not groups:
            groups.append(0)
            loop.call_soon(another_pass)
        groups[-1] += 1

    def another_pass() -> None:
        groups.append(0)
        if sum(groups) < 10_000:
            loop.call_soon(another_pass)

    tasks = [asyncio.create_task(sleeper()) for _ in range(10_000)]
    await asyncio.sleep(0)
    assert clock.sleeping == 10_000
    await asyncio.gather(*tasks)
    assert max(groups) <= AT_ONCE
    assert sum(groups) == 10_000
    assert alarm.rung <= 2


@pytest.mark.looptime
async def test_one_alarm_serves_all_and_rings_again_within_half_a_minute() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    tasks = [asyncio.create_task(clock.sleep_until(alarm.wall + timedelta(hours=1, seconds=n % 7))) for n in range(500)]
    await asyncio.gather(*tasks)
    assert alarm.rung == pytest.approx(3600 / RECHECK.total_seconds() + 7, abs=2)


@pytest.mark.looptime
async def test_a_wall_clock_set_forward_is_noticed_within_half_a_minute() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    loop = asyncio.get_running_loop()
    began, instant = loop.time(), alarm.wall + timedelta(hours=3)
    task = asyncio.create_task(clock.sleep_until(instant))
    await asyncio.sleep(1)
    alarm.wall += timedelta(hours=4)
    await task
    assert loop.time() - began <= 31


@pytest.mark.looptime
async def test_a_wall_clock_set_back_makes_a_sleeper_wait_for_its_instant() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    instant = alarm.wall + timedelta(minutes=10)
    task = asyncio.create_task(clock.sleep_until(instant))
    await asyncio.sleep(60)
    alarm.wall -= timedelta(hours=1)
    await task
    assert instant <= clock.now() < instant + timedelta(seconds=1)


@pytest.mark.looptime
async def test_sleepers_that_leave_do_not_pile_up() -> None:
    clock, alarm = virtual_clock("2024-05-17T12:00:00Z")
    for _ in range(20):
        tasks = [asyncio.create_task(clock.sleep_until(alarm.wall + timedelta(days=400))) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert clock.sleeping == 0
    assert len(clock._sleepers) <= 200


async def test_apscheduler_rings_for_sleepers_of_the_real_wall_clock() -> None:
    async with asyncio.timeout(20), shared_clock() as clock, shared_clock() as same:
        assert same is clock
        start = datetime.now(UTC)
        instants = [start + timedelta(milliseconds=ms) for ms in (120, 40, 80, 40)]

        async def sleeper(instant: datetime) -> datetime:
            await clock.sleep_until(instant)
            return datetime.now(UTC)

        woken = await asyncio.gather(*map(sleeper, instants))
        assert all(at >= instant for at, instant in zip(woken, instants, strict=True))
    async with shared_clock() as another:
        assert another is not clock


async def test_apscheduler_rings_even_if_the_loop_was_held_for_longer_than_its_misfire_grace_time() -> None:
    alarm = SchedulerAlarm()
    clock = Clock(alarm)
    try:
        task = asyncio.create_task(clock.sleep_until(datetime.now(UTC) + timedelta(milliseconds=50)))
        await asyncio.sleep(0)
        held = asyncio.get_running_loop().time() + 1.3
        while asyncio.get_running_loop().time() < held:
            pass
        async with asyncio.timeout(10):
            await task
    finally:
        alarm.close()
        await asyncio.sleep(0)
