"""The file: locked, migrated, opened without scanning, closed without need."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.bus.samples import KEY, Clock, Opened, event, fire, take
from tests.bus.sqlite.place import SqlitePlace
from tiphys.bus import Decision, Held, Verdict, VerdictKind
from tiphys.bus.sqlite import SqliteBus, SqliteSettings
from tiphys.bus.sqlite.log import Publish
from tiphys.bus.sqlite.queries import migrations, schema, statements, writer
from tiphys.bus.sqlite.records import held_crc
from tiphys.bus.sqlite.store import migrate
from tiphys.errors import StoreError, StoreLocked, UnknownRecord

_LARGE = re.compile(
    r"SCAN (events|e|x|firings|f|ids|verdicts|v|attempts|firing_events|fe|pins|p|replays|deferred|d|once|k|repeats|refusals|r|losses|l)\b"
    r"(?! USING (COVERING )?INDEX \w+_(open|retired))"
)
# read from one end and stopped by a LIMIT, or the minimum of an index
_FIRST_HELD = next(part for part in migrations()[0].split(";") if "CREATE TABLE held" in part)
_LATER_TABLES = sorted(set(re.findall(r"CREATE TABLE (\w+)", "".join(migrations()[1:]))))
_ORDERED = frozenset(
    {
        "newest_events",
        "newest_firings",
        "newest_firings_with_states",
        "newest_position",
        "last_firing",
        "oldest_event",
        "oldest_verdict",
        "health",
    }
)
# a few rows that people asked for; a damaged firing, whose own record no longer says which events it had
_RARE = frozenset({"remove_replays", "positions_of_firing", "delete_firing_events"})


def description(connection: apsw.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {(kind, name, re.sub(r"\s+", " ", re.sub(r"--.*", "", sql))) for kind, name, sql in rows}


# -- the lock


async def test_a_second_process_is_refused_with_a_sentence_that_names_the_first(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path):
        code = (
            "import asyncio, pathlib, sys\nfrom tiphys.bus.sqlite import SqliteBus\n"
            "asyncio.run(SqliteBus.open(pathlib.Path(sys.argv[1])).__aenter__())"
        )
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path), stderr=asyncio.subprocess.PIPE)
        _, output = await asyncio.wait_for(child.communicate(), 45)

    assert child.returncode != 0
    assert f"StoreLocked: the data folder {tmp_path} is in use by process {os.getpid()};" in output.decode()


async def test_the_same_process_is_refused_too_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path):
        with pytest.raises(StoreLocked):
            await SqliteBus.open(tmp_path).__aenter__()
    async with SqliteBus.open(tmp_path) as bus:
        await bus.log.publish(event(1))


# -- the schema


def test_an_upgraded_schema_equals_a_fresh_one() -> None:
    fresh, upgraded = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrate(fresh)
    for step in migrations():
        upgraded.execute(step)

    assert description(upgraded) == description(fresh)
    assert fresh.pragma("user_version") == len(migrations())


@pytest.mark.parametrize("version", range(1, len(migrations()) + 1))
def test_a_file_of_each_older_version_is_led_to_the_present_schema(version: int) -> None:
    old, fresh = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    for step in migrations()[:version]:
        old.execute(step)
    old.pragma("user_version", version)
    migrate(old)
    migrate(fresh)

    assert description(old) == description(fresh)


async def test_what_the_first_version_held_is_held_by_the_present_one(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    async with place.open(Clock(1_800_000_000.0)) as opened:
        position = await opened.log.publish(event(1))
    before = Held(KEY, "push", "digest", event(1).id, position, b'{"t":1}')
    connection = apsw.Connection(str(tmp_path / "tiphys.db"))
    for table in _LATER_TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(_FIRST_HELD)
    connection.execute("INSERT INTO triggers VALUES (1, 'argo', 'ci', 'build')")
    row = (1, "push", "digest", event(1).id, position, held_crc(before), b'{"t":1}')
    connection.execute("INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.pragma("user_version", 1)
    connection.close()

    async with place.open() as opened:
        assert await opened.ledger.held() == [before._replace(at=1_800_000_000.0)]
        assert await opened.ledger.release(KEY) == 1


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path):
        pass
    connection = apsw.Connection(str(tmp_path / "tiphys.db"))
    connection.pragma("user_version", 99)
    connection.close()

    with pytest.raises(StoreError, match="newer Tiphys"):
        await SqliteBus.open(tmp_path).__aenter__()


@pytest.fixture(scope="module")
def empty() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute(schema())
    connection.execute(writer())
    yield connection
    connection.close()


@pytest.mark.parametrize("name", sorted(statements()))
def test_no_statement_scans_a_large_table(empty: apsw.Connection, name: str) -> None:
    bindings = dict.fromkeys(re.findall(r":(\w+)", statements()[name]))
    plan = [row[3] for row in empty.execute("EXPLAIN QUERY PLAN " + statements()[name], bindings).fetchall()]

    scans = [line for line in plan if _LARGE.search(line)]
    assert not scans or name in _ORDERED | _RARE, scans


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_opening_does_the_same_work_with_a_million_events(tmp_path: Path) -> None:
    async def steps() -> int:
        count = 0

        def counted() -> bool:
            nonlocal count
            count += 1
            return False

        def hook(connection: apsw.Connection) -> None:
            connection.set_progress_handler(counted, 100)

        apsw.connection_hooks.append(hook)
        try:
            async with SqliteBus.open(tmp_path) as bus:
                await bus.ledger.open_epoch()
                return count
        finally:
            apsw.connection_hooks.remove(hook)

    async with SqliteBus.open(tmp_path) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(Opened(bus.log, bus.ledger, bus.log.ack), epoch, event(1))
    few = await steps()
    await asyncio.to_thread(fill, tmp_path)
    many = await steps()

    async with SqliteBus.open(tmp_path) as bus:
        assert (await bus.ledger.claim(3))[0].firing.key == KEY
        assert len(await bus.ledger.events(limit=2)) == 2
    assert many <= 2 * few + 10


FILL = """
PRAGMA synchronous = OFF;
BEGIN;
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(value) AS (SELECT 2 UNION ALL SELECT value + 1 FROM n LIMIT 1000000) SELECT value FROM n;
INSERT INTO events SELECT value, stored, printf('%032x', value), origin, size, crc, time, attributes, data
    FROM numbers, events WHERE position = 1;
INSERT INTO ids SELECT unhex(printf('%032x', value)), value FROM numbers;
INSERT INTO verdicts SELECT value, packed FROM numbers, verdicts WHERE position = 1;
INSERT INTO firings (number, id, "trigger", state, decided, not_before, attempts, first_attempt, ended, crc, record)
    SELECT value, printf('%013d', value), "trigger", 0, decided, 0, 0, 0, 0, crc, record
    FROM numbers, firings WHERE number = 1 AND value < 300000;
UPDATE state SET settled = 1000001;
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
"""


def fill(folder: Path) -> None:
    """A million copies of the only event and many of the only firing, in one transaction."""
    connection = apsw.Connection(str(folder / "tiphys.db"))
    connection.execute(FILL)
    connection.close()


# -- what is left over


async def test_an_end_without_closing_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, pathlib, sys\nfrom tests.bus.samples import event\nfrom tiphys.bus.sqlite import SqliteBus\n"
        "async def main():\n  async with SqliteBus.open(pathlib.Path(sys.argv[1])) as bus:\n"
        "    await asyncio.gather(*[bus.log.publish(event(n)) for n in range(50)])\n    os._exit(0)\nasyncio.run(main())"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path), cwd=Path(__file__).parents[3])
    assert await asyncio.wait_for(child.wait(), 45) == 0
    async with SqliteBus.open(tmp_path) as bus:
        read = await take(bus.log.read(), 50)

    assert {one.event.id for one in read} == {event(number).id for number in range(50)}


async def test_a_clean_end_leaves_all_in_the_one_file(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        await bus.log.publish(event(1))
    wal = tmp_path / "tiphys.db-wal"

    assert not wal.exists() or wal.stat().st_size == 0
    assert (tmp_path / "tiphys.db").stat().st_mode & 0o077 == 0


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        pass
    with pytest.raises(StoreError, match="closed"):
        await bus.log.publish(event(1))


async def test_the_reader_gets_the_very_event_that_was_published(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        await bus.log.publish(event(1))
        reader = bus.log.read()
        assert [one.event.id for one in await anext(reader)] == [event(1).id]
        published = event(2)
        await bus.log.publish(published)

        assert (await take(reader, 1))[0].event is published


async def test_memory_of_recent_events_is_bounded_and_the_reader_misses_none(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        await bus.log.publish(event(0, bytes(1 << 20)))
        assert bus.log.recent.get(1) is None, "nobody reads yet"
        reader = bus.log.read()
        first = await anext(reader)
        for number in range(1, 30):
            await bus.log.publish(event(number, bytes(1 << 20)))
        held = sum(bus.log.recent.get(position) is not None for position in range(1, 31))
        read = [*first, *await take(reader, 29)]

        assert 0 < held <= 16
        assert [one.position for one in read] == list(range(1, 31))


async def test_events_are_one_statement_only_where_nothing_else_has_to_be_written_with_them(tmp_path: Path) -> None:
    clock = Clock()
    async with SqliteBus.open(tmp_path, clock=clock) as bus:

        async def single() -> bool:
            jobs = [Publish(event(1), bus.log)]
            return await bus.store.write(lambda tx: Publish.single(tx, jobs))

        assert not await single(), "its origin is new"
        await bus.log.publish(event(0))
        assert await single()
        clock.now += 60
        assert not await single(), "a new minute is remembered beside them"


# -- retention


async def test_the_oldest_settled_events_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path, SqliteSettings(retention_bytes=50_000)) as bus:
        epoch = await bus.ledger.open_epoch()
        for number in range(10):
            await bus.log.publish(event(number, bytes(10_000)))
        verdict = (Verdict(1, 0, 0, VerdictKind.FILTERED),)
        await bus.ledger.settle(epoch, 9, [Decision(event(n).id, n + 1, verdict) for n in range(9)])
        removed = await bus.ledger.retain()
        left = [one.position for one in await bus.ledger.events()]

        assert removed == 6
        assert left == [10, 9, 8, 7]
        assert await bus.ledger.retain() == 0


async def test_an_id_is_known_for_longer_than_its_event_and_forgotten_after_the_window(tmp_path: Path) -> None:
    clock = Clock()
    settings = SqliteSettings(retention_age=3600, dedupe_age=7200)
    async with SqliteBus.open(tmp_path, settings, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        await bus.log.publish(event(1))
        await bus.ledger.settle(epoch, 1, [Decision(event(1).id, 1)])
        clock.now += 3700
        removed = await bus.ledger.retain()
    async with SqliteBus.open(tmp_path, settings, clock=clock) as bus:
        known = await bus.ledger.seen([event(1).id])
        clock.now += 3700
        await bus.ledger.retain()

        assert removed == 1
        assert known == {event(1).id}
        assert await bus.ledger.seen([event(1).id]) == set()


async def test_the_window_is_bounded_by_number_too(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path, SqliteSettings(dedupe_ids=3)) as bus:
        epoch = await bus.ledger.open_epoch()
        for number in range(5):
            await bus.log.publish(event(number))
        await bus.ledger.settle(epoch, 5, [Decision(event(n).id, n + 1) for n in range(5)])
        await bus.ledger.retain()
    async with SqliteBus.open(tmp_path) as bus:
        known = await bus.ledger.seen([event(number).id for number in range(5)])

    assert known == {event(number).id for number in (2, 3, 4)}


async def test_an_id_is_not_forgotten_before_its_event_is_settled(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path, SqliteSettings(dedupe_ids=1)) as bus:
        for number in range(3):
            await bus.log.publish(event(number))
        await bus.ledger.retain()
    async with SqliteBus.open(tmp_path) as bus:
        assert (await bus.ledger.event(event(0).id)).event == event(0)


async def test_a_revision_lives_while_verdicts_name_it(tmp_path: Path) -> None:
    clock = Clock()
    async with SqliteBus.open(tmp_path, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        first = await bus.ledger.keep("Sensor", "argo", "ci", b"1", "file")
        standing = await bus.ledger.keep("Sensor", "argo", "ci", b"2", "file")
        position = await bus.log.publish(event(1))
        # the matcher had still the older program when it decided
        verdict = Verdict(first.revision, 0, 0, VerdictKind.FILTERED)
        await bus.ledger.settle(epoch, position, [Decision(event(1).id, position, (verdict,))])
        await bus.ledger.retain()
        named = await bus.ledger.revision(first.revision)
        clock.now += 8 * 86400
        await bus.log.publish(event(2))
        await bus.ledger.settle(epoch, position + 1, [Decision(event(2).id, position + 1)])
        await bus.ledger.retain()

        assert named.body == b"1"
        with pytest.raises(UnknownRecord):
            await bus.ledger.revision(first.revision)
        assert (await bus.ledger.revision(standing.revision)).body == b"2"


async def test_positions_and_revisions_are_never_given_twice(tmp_path: Path) -> None:
    clock = Clock()
    place = SqlitePlace(tmp_path)
    async with place.open(clock) as opened:
        epoch = await opened.ledger.open_epoch()
        last = await opened.log.publish(event(1))
        await opened.ledger.settle(epoch, last, [Decision(event(1).id, last)])
        clock.now += 30 * 86400
        assert await opened.ledger.retain() == 1
    async with place.open(clock) as opened:
        assert await opened.ledger.events() == []
        assert await opened.log.publish(event(2)) == last + 1
