"""The embedded bus against a bare loop over `sqlite3` that does the same number of fsyncs.

What is compared with stores the same bytes in a table of one column with the same settings (WAL, `synchronous=FULL`), in
transactions as large as the bus's own commits came out: the ratio is the price of everything that the bus does beside.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from tiphys.bus import (
    Decision,
    DependencyEvent,
    Event,
    Firing,
    Outcome,
    OutcomeKind,
    Target,
    TriggerKey,
    Verdict,
    VerdictKind,
    event_id,
    firing_id,
)
from tiphys.bus.sqlite import SqliteBus

_KEY = TriggerKey("argo", "ci", "build")
_DATA = b'{"body":{"text":"' + b"x" * 8000 + b'"}}'
_MILLION = 1_000_000

_FILL = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
BEGIN;
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(value) AS (SELECT 2 UNION ALL SELECT value + 1 FROM n LIMIT 999999) SELECT value FROM n;
INSERT INTO events SELECT value, stored, id, origin, size, crc, time, attributes, data
    FROM numbers, events WHERE position = 1;
INSERT INTO verdicts SELECT value, x'0100000000000000010000' FROM numbers;
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
"""


def _event(number: int, data: bytes = _DATA) -> Event:
    return Event(
        id=event_id("argo", "hooks", "push", str(number)),
        source="hooks",
        type="webhook",
        subject="push",
        namespace="argo",
        data=data,
        time="2026-11-25T08:00:00.000000Z",
    )


def _row(measure: str, ours: float, compared_with: float, unit: str, goal: float | None = None) -> dict[str, Any]:
    """A row; without a goal it is there to be looked at."""
    ratio = ours / compared_with
    return {
        "measure": f"{measure} ({unit})",
        "ours": round(ours, 1),
        "compared_with": round(compared_with, 1),
        "ratio": round(ratio, 2),
        "goal": None if goal is None else f"≥ {goal:g}",
        "met": None if goal is None else ratio >= goal,
    }


def _bare(folder: Path, count: int, commits: int) -> float:
    """Inserts per second of a bare loop."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, data BLOB)")
    size = max(count // commits, 1)
    started = time.perf_counter()
    for start in range(0, count, size):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO rows (data) VALUES (?)", [(_DATA,)] * min(size, count - start))
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    connection.close()
    return count / taken


async def _publishes(folder: Path, count: int, publishers: int) -> tuple[float, int]:
    """Publishes per second, and the commits that they took."""
    events = iter([_event(number) for number in range(count)])

    async def publish(bus: SqliteBus) -> None:
        for event in events:
            await bus.log.publish(event)

    async with SqliteBus.open(folder) as bus:
        before, started = bus.store.writer.commits, time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(publishers):
                group.create_task(publish(bus))
        return count / (time.perf_counter() - started), bus.store.writer.commits - before


async def _way(folder: Path, count: int) -> float:
    """Milliseconds of one event alone: publish, settle, claim, begin, resolve; four commits."""
    async with SqliteBus.open(folder) as bus:
        epoch = await bus.ledger.open_epoch()
        taken = []
        for number in range(count):
            event = _event(number)
            started = time.perf_counter()
            position = await bus.log.publish(event)
            seen = DependencyEvent(event.id, position)
            firing = Firing(firing_id(*_KEY, {"push": event.id}), _KEY, {"push": seen}, "push")
            verdict = Verdict(1, 0, 0, VerdictKind.FIRED)
            await bus.ledger.settle(epoch, position, [Decision(event.id, position, (verdict,), firings=(firing,))])
            (claim,) = await bus.ledger.claim(1, wait=5)
            await bus.ledger.begin(epoch, claim, Target("v1", "ConfigMap", "argo", firing.id))
            await bus.ledger.resolve(epoch, claim, Outcome(OutcomeKind.SUCCEEDED))
            taken.append(time.perf_counter() - started)
        return sorted(taken)[len(taken) // 2] * 1000


def _fill(folder: Path) -> None:
    connection = sqlite3.connect(folder / "tiphys.db", isolation_level=None)
    connection.executescript(_FILL)
    connection.close()


async def _open_seconds(folder: Path) -> float:
    async with SqliteBus.open(folder) as bus:
        await bus.log.publish(_event(0, b'{"body":{"text":"small, or the file would be as large as a disk"}}'))
    await asyncio.to_thread(_fill, folder)
    started = time.perf_counter()
    async with SqliteBus.open(folder) as bus:
        await bus.ledger.open_epoch()
        await anext(bus.log.read())
        return time.perf_counter() - started


async def measure() -> list[dict[str, Any]]:
    """The rows of the bus. Rates are per second; larger ratios are better."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="tiphys-bench-") as name:
        folder = Path(name)
        for publishers, count in ((1, 200), (1000, 10_000)):
            rounds = []
            for number in range(3):  # in turns, since a disk's fsync differs from second to second
                rate, commits = await _publishes(folder / f"p{publishers}-{number}", count, publishers)
                bare = await asyncio.to_thread(_bare, folder, count, commits)
                rounds.append((rate / bare, rate, bare, commits))
            _ratio, rate, bare, commits = sorted(rounds)[1]
            rows.append(
                _row(f"publishes of 8 KB, {publishers} at once, {commits} commits; a bare sqlite3 loop", rate, bare, "per s")
            )
        way = await _way(folder / "way", 200)
        fsync = 1000 / await asyncio.to_thread(_bare, folder, 400, 400)
        rows.append(_row("ways of one event alone; four bare commits", 1000 / way, 250 / fsync, "per s"))
        taken = await _open_seconds(folder / "open")
        rows.append(_row(f"opening {_MILLION:,} events; 3 s", 1 / taken, 1 / 3, "per s", goal=1.0))
    return rows


if __name__ == "__main__":
    for row in asyncio.run(measure()):
        print(row)
