"""Records that the disk gave back otherwise than they were written: set aside, named and counted, and the rest goes on."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.bus.samples import DONE, KEY, Clock, event, fire, holding, later, take, target
from tests.bus.sqlite.place import SqlitePlace
from tiphys.bus import FiringState, Stored
from tiphys.errors import UnknownRecord


def harm(folder: Path, statement: str) -> None:
    connection = apsw.Connection(str(folder / "tiphys.db"))
    connection.execute(statement)
    assert connection.changes() == 1
    connection.close()


def set_aside(folder: Path) -> list[tuple[str, str]]:
    connection = apsw.Connection(str(folder / "tiphys.db"), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute("SELECT kind, key FROM damaged ORDER BY number").fetchall()
    connection.close()
    return [(kind, key) for kind, key in rows]


@pytest.mark.parametrize(
    "change",
    [
        "data = x'00'",
        "data = NULL",
        "id = 'other'",
        "time = ''",
        "attributes = '['",
        "attributes = NULL",
        "origin = 99",
        "crc = crc + 1",
    ],
)
async def test_a_damaged_event_is_set_aside_and_the_others_are_read(tmp_path: Path, change: str) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        for number in range(5):
            await opened.log.publish(event(number))
    harm(tmp_path, f"UPDATE events SET {change} WHERE position = 3")
    async with place.open() as opened:
        read = await take(opened.log.read(), 4)
        health = await opened.ledger.health()
        with pytest.raises(UnknownRecord):
            await opened.ledger.event(event(2).id)

    assert [one.event for one in read] == [event(number) for number in (0, 1, 3, 4)]
    assert (health.damaged, health.writable) == (1, True)
    assert [kind for kind, _ in set_aside(tmp_path)] == ["event"]


async def test_a_damaged_newest_event_does_not_give_its_position_away(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        await opened.log.publish(event(1))
        last = await opened.log.publish(event(2))
    harm(tmp_path, f"UPDATE events SET data = x'00' WHERE position = {last}")
    async with place.open() as opened:
        reader = opened.log.read()
        await take(reader, 1)
        anext_event = await opened.log.publish(event(3))
        after = await take(reader, 1)
    async with place.open() as opened:
        assert await opened.log.publish(event(4)) == last + 2

    assert anext_event == last + 1
    assert after[0].event == event(3)


async def test_the_position_of_a_damaged_event_is_not_given_again_after_a_restart(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        stored = Stored(await opened.log.publish(event(1)), event(1))
        await opened.ledger.settle(epoch, 0, [holding(stored, "a")])
    harm(tmp_path, "UPDATE events SET data = x'00'")
    async with place.open() as opened:
        (held,) = await opened.ledger.held()
        with pytest.raises(UnknownRecord):
            await opened.ledger.held_event(held)
    async with place.open() as opened:
        assert await opened.log.publish(event(2)) == stored.position + 1


@pytest.mark.parametrize(
    "change", ["record = '[]'", "record = replace(record, 'push', 'pull')", "id = 'x'", "crc = 0", "target = 'x'"]
)
async def test_a_damaged_firing_is_set_aside_and_the_others_are_claimed(tmp_path: Path, change: str) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        await fire(opened, epoch, event(1), event(2), event(3))
    harm(tmp_path, f"UPDATE firings SET {change} WHERE number = 2")
    async with place.open() as opened:
        await opened.ledger.open_epoch()
        claims = await opened.ledger.claim(10)
        health = await opened.ledger.health()

    assert [dict(claim.events) for claim in claims] == [{"push": event(1)}, {"push": event(3)}]
    assert health.damaged == 1
    assert [kind for kind, _ in set_aside(tmp_path)] == ["firing"]


async def test_a_damaged_firing_keeps_no_event_from_retention(tmp_path: Path) -> None:
    clock = Clock()
    place = SqlitePlace(tmp_path)
    async with place.open(clock) as opened:
        epoch = await opened.ledger.open_epoch()
        await fire(opened, epoch, event(1))
    harm(tmp_path, "UPDATE firings SET crc = 0 WHERE number = 1")
    async with place.open(clock) as opened:
        await opened.ledger.claim(1)
        clock.now += 8 * 86400

        assert await opened.ledger.retain() == 1


async def test_a_firing_whose_event_is_damaged_ends_as_dead_and_waits_for_nobody(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        await fire(opened, epoch, event(1), event(2))
    harm(tmp_path, "UPDATE events SET data = x'00' WHERE position = 1")
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        (claim,) = await opened.ledger.claim(10)
        await opened.ledger.resolve(epoch, claim, DONE)
        (dead,) = await opened.ledger.firings(states=[FiringState.DEAD])
        again = await opened.ledger.claim(10)

    assert dict(claim.events) == {"push": event(2)}
    assert dead.last is not None
    assert dead.last.reason == "EventLost"
    assert again == []


async def test_a_damaged_held_event_is_set_aside(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        one, two = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
        await opened.ledger.settle(epoch, two.position, [holding(one, "a", transformed=b"1"), holding(two, "b")])
    harm(tmp_path, "UPDATE held SET transformed = x'32' WHERE dependency = 'a'")
    async with place.open() as opened:
        held = await opened.ledger.held()

    assert [one.dependency for one in held] == ["b"]
    assert [kind for kind, _ in set_aside(tmp_path)] == ["held"]


@pytest.mark.parametrize("change", ["at = at + 1", "event_id = 'x'", "replay = 7", "crc = 0"])
async def test_a_damaged_deferred_row_is_set_aside_and_the_others_are_decided(tmp_path: Path, change: str) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        one, two = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
        await opened.ledger.settle(epoch, two.position, [later(one), later(two)])
    harm(tmp_path, f"UPDATE deferred SET {change} WHERE position = {one.position}")
    async with place.open() as opened:
        rows = await opened.ledger.deferred(KEY)
        counts = await opened.ledger.deferring()

    assert [row.position for row, _ in rows] == [two.position]
    assert counts == {KEY: 1}
    assert [kind for kind, _ in set_aside(tmp_path)] == ["deferred"]


async def test_a_deferred_row_whose_event_is_damaged_says_so(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        one = Stored(await opened.log.publish(event(1)), event(1))
        await opened.ledger.settle(epoch, one.position, [later(one)])
    harm(tmp_path, "UPDATE events SET data = x'00'")
    async with place.open() as opened:
        assert [seen for _, seen in await opened.ledger.deferred(KEY)] == [None]


async def test_a_held_event_whose_event_is_damaged_is_unknown(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        one = Stored(await opened.log.publish(event(1)), event(1))
        await opened.ledger.settle(epoch, one.position, [holding(one, "a")])
    harm(tmp_path, "UPDATE events SET data = x'00'")
    async with place.open() as opened:
        (held,) = await opened.ledger.held()
        with pytest.raises(UnknownRecord):
            await opened.ledger.held_event(held)


async def test_a_damaged_manifest_and_a_damaged_cursor_are_set_aside(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        await opened.ledger.keep("Sensor", "argo", "a", b"{}", "file")
        whole = await opened.ledger.keep("Sensor", "argo", "b", b"{}", "file")
        await (await opened.ledger.cursor("k")).advance(b"1")
    harm(tmp_path, "UPDATE revisions SET body = x'00' WHERE name = 'a'")
    harm(tmp_path, "UPDATE cursors SET value = x'00'")
    async with place.open() as opened:
        kept = await opened.ledger.kept()
        cursor = await opened.ledger.cursor("k")
        back = await opened.ledger.keep("Sensor", "argo", "a", b"{}", "file")

    assert kept == [whole]
    assert cursor.value is None
    assert back.revision > whole.revision
    assert [kind for kind, _ in set_aside(tmp_path)] == ["manifest", "cursor"]


async def test_a_damaged_attempt_is_left_out_of_the_history(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open() as opened:
        epoch = await opened.ledger.open_epoch()
        await fire(opened, epoch, event(1))
        (claim,) = await opened.ledger.claim(1)
        await opened.ledger.begin(epoch, claim, target())
        await opened.ledger.resolve(epoch, claim, DONE)
    harm(tmp_path, "UPDATE attempts SET outcome = replace(outcome, 'succeeded', 'dead')")
    async with place.open() as opened:
        record = await opened.ledger.firing(claim.firing.id)

    assert (record.state, record.history) == (FiringState.SUCCEEDED, ())
    assert record.firing.key == KEY
