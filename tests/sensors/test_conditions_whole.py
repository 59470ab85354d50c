"""Conditions over the real log, ledger and Matcher: threads of users, our example, restarts. The clock is the test's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from sensors import Matcher, SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import VerdictKind
from tiphys.bus.sqlite import SqliteBus
from tiphys.languages import cron
from tiphys.schema.loader import load_documents

EXAMPLE = Path(__file__).parents[2] / "examples/two-events-one-commit/03-sensors.yaml"
START = "2026-01-12T07:00:00Z"


def compiled(spec: dict[str, Any], name: str = "s") -> SensorProgram:
    return SensorProgram.compile("argo", name, SensorSpec[OpaqueTrigger].model_validate(spec), revision=1)


def of(names: str, **template: Any) -> SensorProgram:
    dependencies = [{"name": name, "eventSourceName": "src", "eventName": name} for name in names]
    return compiled({"dependencies": dependencies, "triggers": [{"template": {"name": "t"} | template}]})


class Clock:
    def __init__(self) -> None:
        self.set(START)

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).timestamp()

    def __call__(self) -> float:
        return self.now


class Running:
    """An open bus and a Matcher that runs."""

    def __init__(self, bus: SqliteBus, matcher: Matcher, clock: Clock) -> None:
        self.bus, self.matcher, self.clock = bus, matcher, clock

    async def send(self, event_id: str, subject: str, data: Any = None, source: str = "src", at: str = "") -> None:
        if at:
            self.clock.set(at)
        await self.bus.log.publish(Event(event_id, source, "webhook", subject, "argo", orjson.dumps(data)))
        async with asyncio.timeout(10):
            while not (await self.bus.ledger.event(event_id)).settled:
                await asyncio.sleep(0.002)

    async def firings(self) -> list[dict[str, str]]:
        """Oldest first: which event each dependency saw."""
        records = await self.bus.ledger.firings(limit=100)
        return [{name: one.id for name, one in record.firing.events.items()} for record in reversed(records)]

    def held(self, name: str = "s", trigger: str = "t") -> list[tuple[str, str]]:
        return sorted((one.join, one.event_id) for one in self.matcher.held_events(TriggerKey("argo", name, trigger)))


@contextlib.asynccontextmanager
async def running(folder: Path, clock: Clock, sensor: SensorProgram) -> AsyncIterator[Running]:
    async with SqliteBus.open(folder, clock=clock) as bus:
        matcher = Matcher(bus.log, bus.ledger, await bus.ledger.open_epoch(), clock=clock)
        await matcher.load()
        await matcher.put(sensor)
        task = asyncio.create_task(matcher.run())
        try:
            yield Running(bus, matcher, clock)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("stopped", [False, True])
async def test_argo_events_1381_a_held_event_does_not_pair_with_tomorrow_s_also_when_the_reset_came_while_stopped(
    tmp_path: Path, stopped: bool
) -> None:
    clock = Clock()
    reset = [{"byTime": {"cron": "0 22 * * *", "timezone": "Europe/Berlin"}}]
    await asyncio.to_thread(cron.load_zone, "Europe/Berlin")  # as the roof does: the event loop reads no files
    daily = of("AB", conditions="A && B", conditionsReset=reset)
    async with contextlib.AsyncExitStack() as stack:
        now = await stack.enter_async_context(running(tmp_path, clock, daily))
        await now.send("b1", "B", at="2026-01-12T07:00:00Z")
        if stopped:
            await stack.aclose()
            clock.set("2026-01-12T22:30:00Z")
            now = await stack.enter_async_context(running(tmp_path, clock, daily))
            assert now.held() == []
        await now.send("a2", "A", at="2026-01-13T05:10:00Z")
        assert await now.firings() == []
        await now.send("b2", "B", at="2026-01-13T07:00:00Z")
        assert await now.firings() == [{"A": "a2", "B": "b2"}]
        await now.send("a3", "A", at="2026-01-13T20:59:59Z")
        await now.send("b3", "B", at="2026-01-14T07:00:00Z")
        assert await now.firings() == [{"A": "a2", "B": "b2"}]
        assert now.held() == [("", "b3")]


async def test_the_example_deploys_each_commit_once_whichever_report_comes_first(tmp_path: Path) -> None:
    document = load_documents(await asyncio.to_thread(EXAMPLE.read_bytes), "example").documents[0].object
    await asyncio.to_thread(cron.load_zone, "Europe/Berlin")
    build = [(f"build-{sha}", "build", {"body": {"sha": sha, "image": f"shop:{sha}"}}) for sha in ("aa", "bb", "cc")]
    scan = [(f"scan-{sha}", "scan", {"body": {"commit": {"sha": sha}, "findings": 0}}) for sha in ("cc", "aa")]
    bad = ("scan-bb", "scan", {"body": {"commit": {"sha": "bb"}, "findings": 3}})
    async with running(tmp_path, Clock(), compiled(document["spec"], "deploy")) as now:
        for event_id, subject, data in (build[0], scan[0], bad, build[1], build[2], scan[1]):
            await now.send(event_id, subject, data, source="reports")
        assert await now.firings() == [{"build": "build-cc", "scan": "scan-cc"}, {"build": "build-aa", "scan": "scan-aa"}]
        assert now.held("deploy", "deploy") == [("bb", "build-bb")]


async def test_what_is_held_for_each_value_survives_a_restart(tmp_path: Path) -> None:
    clock, joined = Clock(), of("AB", conditions="A && B", correlate="sha")
    async with running(tmp_path, clock, joined) as now:
        await now.send("a1", "A", {"sha": "x"})
        await now.send("a2", "A", {"sha": "y"})
    async with running(tmp_path, clock, joined) as now:
        assert now.held() == [("x", "a1"), ("y", "a2")]
        await now.send("b1", "B", {"sha": "y"})
        assert await now.firings() == [{"A": "a2", "B": "b1"}]
        assert now.held() == [("x", "a1")]


async def test_an_event_without_the_value_is_an_errored_verdict_and_is_not_held(tmp_path: Path) -> None:
    async with running(tmp_path, Clock(), of("AB", conditions="A && B", correlate="sha")) as now:
        await now.send("a1", "A", {"other": 1})
        assert [verdict.kind for verdict in (await now.bus.ledger.event("a1")).verdicts] == [VerdictKind.ERRORED]
        assert now.held() == []


async def test_not_looks_back_as_far_as_within_over_a_restart(tmp_path: Path) -> None:
    clock, sensor = Clock(), of("AB", conditions="A && !B", within="10m")
    async with running(tmp_path, clock, sensor) as now:
        await now.send("b1", "B", at="2026-01-12T08:00:00Z")
    async with running(tmp_path, clock, sensor) as now:
        await now.send("a1", "A", at="2026-01-12T08:09:00Z")
        assert await now.firings() == []
        await now.send("a2", "A", at="2026-01-12T08:10:01Z")
        assert await now.firings() == [{"A": "a2"}]


async def test_counted_events_are_all_in_the_firing(tmp_path: Path) -> None:
    clock, sensor = Clock(), of("AB", conditions="count(A) >= 3 && !B")
    async with running(tmp_path, clock, sensor) as now:
        await now.send("a1", "A")
        await now.send("a2", "A")
    async with running(tmp_path, clock, sensor) as now:
        await now.send("a3", "A")
        (record,) = await now.bus.ledger.firings()
        assert {one.id for one in record.firing.every()} == {"a1", "a2", "a3"}
        assert record.firing.events["A"].id == "a3"
        assert now.held() == []
