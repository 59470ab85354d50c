"""The room: sources that are supervised, and what a change touches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from eventsource.health import EntryHealth, Status
from eventsource.ingress import Ingress, IngressSettings
from eventsource.manifest import Entry, EventSource
from eventsource.room import Restarts, Room
from eventsource.setting import Setting
from eventsource.source import Address, Emit, Source
from tests.eventsource.parts import KeptSecrets, house, until
from tiphys.bus.identity import event_id
from tiphys.bus.ledger import Cursor
from tiphys.bus.sqlite import SqliteBus
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

Behaviour = Callable[["Scripted", Emit, Cursor], Any]


class ScriptedSpec(Model):
    value: int = 0


class Scripted(Source[ScriptedSpec]):
    """Does what the test says at each start."""

    key, event_type, spec = "scripted", "scripted", ScriptedSpec
    behaviour: ClassVar[dict[str, Behaviour]] = {}
    starts: ClassVar[list[tuple[str, int, float]]] = []
    ends: ClassVar[list[str]] = []

    async def run(self, emit: Emit, cursor: Cursor) -> None:
        event = self.context.address.event
        self.starts.append((event, self.settings.value, asyncio.get_running_loop().time()))
        try:
            await self.behaviour.get(event, wait)(self, emit, cursor)
        finally:
            self.ends.append(event)


async def wait(source: Scripted, emit: Emit, cursor: Cursor) -> None:
    source.context.health.well()
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _nothing_scripted() -> None:
    for kept in (Scripted.behaviour, Scripted.starts, Scripted.ends):
        kept.clear()


def manifest(**values: int) -> EventSource:
    entries = tuple(Entry("scripted", event, Scripted, ScriptedSpec(value=value)) for event, value in values.items())
    return EventSource("argo", "es", "default", entries)


def health(room: Room, event: str) -> EntryHealth:
    return next(found for found in room.health() if found.address.event == event)


@asynccontextmanager
async def room(restarts: Restarts | None = None) -> AsyncIterator[Room]:
    async with house(restarts=restarts) as h:
        yield h.room


async def test_a_change_touches_only_the_sources_that_changed() -> None:
    async with room() as r:
        await r.apply(manifest(a=1, b=1, c=1))
        await until(lambda: len(Scripted.starts) == 3)
        await r.apply(manifest(a=1, b=2, d=1))
        await until(lambda: len(Scripted.starts) == 5)
        assert sorted(Scripted.ends) == ["b", "c"]
        assert sorted((event, value) for event, value, _ in Scripted.starts[3:]) == [("b", 2), ("d", 1)]
        assert [found.address.event for found in r.health()] == ["a", "b", "d"]


async def test_another_bus_makes_it_another_source() -> None:
    async with room() as r:
        one = manifest(a=1)
        await r.apply(one)
        await until(lambda: len(Scripted.starts) == 1)
        await r.apply(EventSource(one.namespace, one.name, "fast", one.entries))
        await until(lambda: len(Scripted.starts) == 2)
        assert health(r, "a").address.bus == "fast"


async def test_removing_stops_and_forgets() -> None:
    async with room() as r:
        await r.apply(manifest(a=1))
        await until(lambda: len(Scripted.starts) == 1)
        await r.remove("argo", "es")
        await r.remove("argo", "nobody")
        assert Scripted.ends == ["a"]
        assert r.health() == []


async def test_leaving_the_room_stops_every_source() -> None:
    async with room() as r:
        await r.apply(manifest(a=1, b=1))
        await until(lambda: len(Scripted.starts) == 2)
    assert sorted(Scripted.ends) == ["a", "b"]


async def test_a_source_that_raises_is_restarted_and_no_other_source_notices() -> None:
    failures = 3

    async def fail(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        if len([event for event, _, _ in Scripted.starts if event == "bad"]) <= failures:
            raise RuntimeError("the world is away")
        await wait(source, emit, cursor)

    Scripted.behaviour["bad"] = fail
    async with room(Restarts(first=0.01, most=0.02)) as r:
        await r.apply(manifest(bad=1, good=1))
        await until(lambda: health(r, "bad").state == "ill")
        assert health(r, "bad").problem == "the world is away"
        await until(lambda: health(r, "bad").state == "well")
        assert health(r, "bad").failures == 1
        assert [event for event, _, _ in Scripted.starts].count("good") == 1
        assert health(r, "good").state == "well"


async def test_a_source_that_ends_by_itself_or_cancels_itself_is_started_again() -> None:
    async def end(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        return

    async def cancel(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        raise asyncio.CancelledError

    Scripted.behaviour.update(end=end, cancel=cancel)
    async with room(Restarts(first=0.01, most=0.01)) as r:
        await r.apply(manifest(end=1, cancel=1))
        await until(lambda: sum(event == "end" for event, _, _ in Scripted.starts) > 2)
        await until(lambda: sum(event == "cancel" for event, _, _ in Scripted.starts) > 2)
        assert "by itself" in health(r, "end").problem
        assert "from within" in health(r, "cancel").problem


@pytest.mark.looptime
async def test_restarts_back_off_from_a_second_to_a_minute_for_ever_and_begin_anew_after_a_good_run() -> None:
    async def fail(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        if len(Scripted.starts) == 12:
            await asyncio.sleep(120)
        raise RuntimeError("away")

    Scripted.behaviour["a"] = fail
    log: Any = None
    ingress: Any = Ingress(IngressSettings())  # never opened: there is no endpoint
    r = Room(log, _AnyCursor(), KeptSecrets(), ingress, Restarts(jitter=0.0))
    async with r:
        await r.apply(manifest(a=1))
        while len(Scripted.starts) < 14:
            await asyncio.sleep(1)
    times = [start for _, _, start in Scripted.starts]
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 121, 2]


class _AnyCursor:
    def __getattr__(self, name: str) -> Any:
        async def cursor(key: str) -> None:
            return None

        return cursor


async def test_a_source_that_does_not_end_is_left_behind_after_its_time() -> None:
    release = asyncio.Event()

    async def stubborn(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    Scripted.behaviour["a"] = stubborn
    async with room(Restarts(stop=0.05)) as r:
        await r.apply(manifest(a=1))
        await until(lambda: len(Scripted.starts) == 1)
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "source-argo/es/a"]
        await r.remove("argo", "es")
    assert Scripted.ends == []
    for task in tasks:
        task.cancel()
    release.set()
    await asyncio.wait(tasks)


async def test_changes_of_one_object_are_applied_one_after_another() -> None:
    async with room() as r:
        await asyncio.gather(*(r.apply(manifest(a=value)) for value in range(10)))
        await until(lambda: len(Scripted.starts) > 0 and Scripted.starts[-1][1] == 9)
        assert len(Scripted.starts) - len(Scripted.ends) == 1


async def test_a_source_goes_on_where_its_cursor_stands_in_the_real_ledger(tmp_path: Path) -> None:
    async def count(source: Scripted, emit: Emit, cursor: Cursor) -> None:
        seen = int(cursor.value or b"0")
        await emit(source.context.event(b"{}", key=f"{seen}"))
        await cursor.advance(b"%d" % (seen + 1))
        await wait(source, emit, cursor)

    Scripted.behaviour["a"] = count
    for round_ in range(2):
        async with (
            SqliteBus.open(tmp_path) as bus,
            Ingress(IngressSettings(host="127.0.0.1", bind=lambda _port: 0)) as ingress,
            Room(bus.log, bus.ledger, KeptSecrets(), ingress) as r,
        ):
            await r.apply(manifest(a=1))
            await until(lambda: health(r, "a").state == "well")
            stored = await bus.ledger.events(namespace="argo")
            assert len(stored) == round_ + 1
            assert stored[0].event.id == event_id("argo", "es", "a", f"{round_}")


def setting() -> Setting:
    address = Address("argo", "es", "ev", "fast")
    return Setting(address, "scripted", Status(address), KeptSecrets({"s/k": b"x\n\n"}))


def test_an_events_id_is_derived_from_the_worlds_key_and_the_key_is_readable() -> None:
    event = setting().event(b"{}", key="k1", extensions={"other": "x"})
    assert event.id == event_id("argo", "es", "ev", "k1")
    assert event.extensions == {"worldid": "k1", "other": "x"}
    assert (event.namespace, event.source, event.subject, event.type, event.bus) == ("argo", "es", "ev", "scripted", "fast")
    assert setting().event(b"{}", key="k1", worldid="w").extensions == {"worldid": "w"}


def test_an_event_that_the_world_did_not_name_has_a_random_id_and_no_worldid() -> None:
    one, two = setting().event(b"{}"), setting().event(b"{}")
    assert one.id != two.id
    assert one.extensions == {}


async def test_a_secret_loses_one_trailing_newline() -> None:
    assert await setting().secret(SecretRef(name="s", key="k")) == b"x\n"


def test_restarts_are_spread() -> None:
    restarts = Restarts(jitter=0.5)
    delays = {restarts.delay(1) for _ in range(50)}
    assert len(delays) > 10
    assert all(0.5 <= delay <= 1.5 for delay in delays)
    assert restarts.delay(10_000) <= 90.0
