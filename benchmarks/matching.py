"""The Matcher: what a step costs, and what it does not cost.

Every row is a ratio within one run. Events are published first; then the Matcher decides them from a real store, so that a step is all of
index, filter, condition and settle.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from sensors import Matcher, SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from tiphys.bus import Decision, Event, event_id
from tiphys.bus.sqlite import SqliteBus, SqliteSettings

_GOAL_PER_SECOND = 30_000
_GOAL_SECONDS = 0.010
_FILTER = {"data": [{"path": "body.ref", "type": "string", "value": ["refs/heads/main"]}]}


def _event(number: int, ref: str = "refs/heads/main", subject: str = "push") -> Event:
    return Event(
        id=event_id("argo", "hooks", subject, str(number)),
        source="hooks",
        type="webhook",
        subject=subject,
        namespace="argo",
        data=b'{"body":{"ref":"%b","n":%d}}' % (ref.encode(), number),
        time="2026-11-25T08:00:00.000000Z",
    )


def _sensor(name: str, *, filters: dict[str, Any] | None = None, conditions: str = "", source: str = "hooks") -> SensorProgram:
    names = {"push": "push"} | ({"release": "release"} if "release" in conditions else {})
    dependencies = [
        {"name": one, "eventSourceName": source, "eventName": event} | ({"filters": filters} if filters else {})
        for one, event in names.items()
    ]
    spec = {"dependencies": dependencies, "triggers": [{"template": {"name": "t", "conditions": conditions}}]}
    return SensorProgram.compile("argo", name, SensorSpec[OpaqueTrigger].model_validate(spec), revision=1)


class _Timed:
    """Notes when each decision was durable."""

    def __init__(self) -> None:
        self.done: dict[int, float] = {}

    def __call__(self, _event: Event, decision: Decision) -> None:
        self.done[decision.position] = time.perf_counter()


@contextlib.asynccontextmanager
async def _running(folder: Path, sensors: Sequence[SensorProgram]) -> AsyncIterator[tuple[SqliteBus, Matcher, _Timed]]:
    async with SqliteBus.open(folder, SqliteSettings(queue_events=1_000_000)) as bus:
        timed = _Timed()
        matcher = Matcher(bus.log, bus.ledger, await bus.ledger.open_epoch(), timed)
        await matcher.load()
        for sensor in sensors:
            await matcher.put(sensor)
        yield bus, matcher, timed


async def _rate(folder: Path, sensors: Sequence[SensorProgram], events: Sequence[Event]) -> float:
    """Steps per second over a backlog."""
    async with _running(folder, sensors) as (bus, matcher, _):
        positions = await asyncio.gather(*(bus.log.publish(event) for event in events))
        last = max(positions)
        started = time.perf_counter()
        task = asyncio.create_task(matcher.run())
        while await bus.ledger.position() < last:
            await asyncio.sleep(0.001)
        taken = time.perf_counter() - started
        await _stop(task)
        return len(events) / taken


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _single(folder: Path, sensors: Sequence[SensorProgram], count: int) -> list[float]:
    """Seconds from a publish that is durable to its decision that is, one event at a time."""
    async with _running(folder, sensors) as (bus, matcher, timed):
        task = asyncio.create_task(matcher.run())
        taken = []
        for number in range(count):
            position = await bus.log.publish(_event(number))
            started = time.perf_counter()
            while position not in timed.done:
                await asyncio.sleep(0)
            taken.append(timed.done[position] - started)
        await _stop(task)
        return taken


async def _deciding(folder: Path, listeners: int, count: int) -> float:
    """Seconds of the processor in which one event is decided by all who listen, without the disk; the median."""
    async with _running(folder, [_sensor(f"s{number}", filters=_FILTER) for number in range(listeners)]) as (_, matcher, _timed):
        taken = []
        for number in range(count):
            event = _event(number)
            started = time.thread_time()
            decision = await matcher.decision(event, number + 1)
            taken.append(time.thread_time() - started)
            assert len(decision.firings) == listeners
        return statistics.median(taken)


async def _many_dependencies(folder: Path, count: int) -> float:
    """Seconds of the processor in which an event is decided that one of so many dependencies of a sensor listens to."""
    names = [f"d{number}" for number in range(count)]
    dependencies = [{"name": name, "eventSourceName": "hooks", "eventName": name, "filters": _FILTER} for name in names]
    triggers = [{"template": {"name": "t", "conditions": " || ".join(names)}}]
    spec = SensorSpec[OpaqueTrigger].model_validate({"dependencies": dependencies, "triggers": triggers})
    async with _running(folder, [SensorProgram.compile("argo", "s", spec, revision=1)]) as (_, matcher, _timed):
        taken = []
        for _turn in range(20):
            events = [_event(number, subject="d0") for number in range(200)]
            started = time.thread_time()
            for number, event in enumerate(events, 1):
                await matcher.decision(event, number)
            taken.append((time.thread_time() - started) / len(events))
        return min(taken)


def _row(measure: str, ours: float, compared_with: float, ratio: float, goal: str, *, met: bool) -> dict[str, Any]:
    return {
        "measure": measure,
        "ours": round(ours, 2),
        "compared_with": round(compared_with, 2),
        "ratio": round(ratio, 3),
        "goal": goal,
        "met": met,
    }


def _at_least(measure: str, ours: float, goal: float) -> dict[str, Any]:
    return _row(f"{measure} (per s)", ours, goal, ours / goal, "≥ 1", met=ours >= goal)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def measure(scale: int = 1) -> list[dict[str, Any]]:
    """The rows of the Matcher."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="tiphys-bench-") as name:
        folder = Path(name)
        count = 20_000 * scale
        mixed = [_event(number, "refs/heads/main" if number % 10 == 0 else "refs/heads/x") for number in range(count)]
        pairs = [_event(number, subject="push" if number % 2 else "release") for number in range(count)]
        firing = [_event(number) for number in range(count)]
        for label, events, sensor in (
            ("steps, one in ten fires", mixed, _sensor("s", filters=_FILTER)),
            ("steps of A && B, every second fires", pairs, _sensor("s", conditions="push && release")),
            ("steps, every event fires", firing, _sensor("s", filters=_FILTER)),
        ):
            rates = [await _rate(folder / f"{label}-{turn}", [sensor], events) for turn in range(3)]
            rows.append(_at_least(label, statistics.median(rates), _GOAL_PER_SECOND))
        taken = await _deciding(folder / "wide", 1000, 20 * scale)
        wide = "one event that 1,000 sensors listen to is decided (ms)"
        rows.append(_row(wide, taken * 1000, _GOAL_SECONDS * 1000, taken / _GOAL_SECONDS, "< 1", met=taken < _GOAL_SECONDS))
        one, fifty = [await _many_dependencies(folder / f"dependencies-{count}", count) for count in (1, 50)]
        measure = "an event at a sensor with 50 dependencies; with 1 (µs of the processor)"
        rows.append(_row(measure, fifty * 1e6, one * 1e6, fifty / one, "< 1.2", met=fifty / one < 1.2))
        idle = [_sensor(f"idle{number}", source=f"other{number}") for number in range(10_000)]
        few: list[float] = []
        many: list[float] = []
        for turn in range(4):  # in turns, since a disk's fsync differs from second to second
            few += await _single(folder / f"few{turn}", [_sensor("s", filters=_FILTER)], 200 * scale)
            many += await _single(folder / f"many{turn}", [*idle, _sensor("s", filters=_FILTER)], 200 * scale)
        for label, of in (("median", statistics.median), ("p99", _p99)):
            one, other = of(few), of(many)
            measure = f"one event with 10,000 sensors that do not listen; without them, {label} (ms)"
            rows.append(_row(measure, other * 1000, one * 1000, other / one, "< 1.05", met=other / one < 1.05))
    return rows


if __name__ == "__main__":
    for row in asyncio.run(measure()):
        print(row)
