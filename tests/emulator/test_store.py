"""The store alone: durability, batches, what a failing mutation leaves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tiphys.emulator.statuses import ApiError
from tiphys.emulator.store import ADDED, DELETED, MODIFIED, Change, Key, Store, Transaction
from tiphys.errors import StoreError, StoreLocked


class Opened:
    """A store and what it told."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.commits: list[Sequence[Change]] = []
        self.store = Store(folder, loop=loop, history=1000, on_changes=self.commits.append)

    async def put(self, name: str, **spec: Any) -> bytes:
        key = Key("g/things", "ns", name)

        def mutation(transaction: Transaction) -> bytes:
            return transaction.put(key, {"metadata": {"name": name}, **spec}, transaction.get(key))

        return await self.store.change(mutation)


async def open_store(folder: Path) -> Opened:
    return await asyncio.to_thread(Opened, folder, asyncio.get_running_loop())


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    found = await open_store(tmp_path / "data")
    yield found
    await asyncio.to_thread(found.store.close)


async def test_what_was_answered_is_brought_to_the_disk_a_moment_later(opened: Opened) -> None:
    assert opened.store._writer.pragma("journal_mode") == "wal"
    assert opened.store._writer.pragma("wal_autocheckpoint") == 0

    await opened.put("a")

    assert opened.store._syncing
    async with asyncio.timeout(20):
        while opened.store._syncing:
            await asyncio.sleep(0.005)


async def test_a_disk_that_does_not_sync_is_said_so_and_the_store_goes_on(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    whole, (opened.store._log, other) = opened.store._log, os.pipe()  # a pipe cannot be synced

    await opened.put("a")
    async with asyncio.timeout(20):
        while "not on the disk yet" not in caplog.text:
            await asyncio.sleep(0.005)
    os.close(opened.store._log)
    os.close(other)
    opened.store._log = whole
    await opened.put("b")

    assert opened.store.get(Key("g/things", "ns", "b")) is not None


async def test_mutations_that_wait_together_share_commits_and_are_told_in_order(opened: Opened) -> None:
    await asyncio.gather(*(opened.put(f"w{index}") for index in range(300)))

    told = [change.revision for commit in opened.commits for change in commit]
    assert told == list(range(1, 301))
    assert len(opened.commits) < 300


async def test_a_mutation_that_raises_writes_nothing_and_hurts_no_other(opened: Opened) -> None:
    def half(transaction: Transaction) -> None:
        transaction.put(Key("g/things", "ns", "half"), {"metadata": {}})
        raise ApiError("Conflict", "no")

    answers = await asyncio.gather(opened.put("a"), opened.store.change(half), opened.put("b"), return_exceptions=True)

    assert isinstance(answers[1], ApiError)
    assert opened.store.get(Key("g/things", "ns", "half")) is None
    assert [name for _, name, _ in opened.store.page("g/things", "ns", at=opened.store.revision, limit=9)] == ["a", "b"]
    assert opened.store.revision == 2


async def test_history_tells_what_was_before(opened: Opened) -> None:
    await opened.put("a", x=1)
    await opened.put("a", x=2)
    key = Key("g/things", "ns", "a")

    def remove(transaction: Transaction) -> None:
        found = transaction.get(key)
        assert found is not None
        transaction.delete(key, {"metadata": {"name": "a"}, "x": 2}, found)

    await opened.store.change(remove)

    changes = opened.store.changes("g/things", after=0, upto=9, limit=9)
    assert [change.type for change in changes] == [ADDED, MODIFIED, DELETED]
    assert changes[0].before is None
    assert changes[1].before == changes[0].value
    assert changes[2].before == changes[1].value


async def test_a_mutation_whose_caller_went_away_is_written_all_the_same(opened: Opened) -> None:
    going = asyncio.create_task(opened.put("a"))
    await asyncio.sleep(0)
    going.cancel()
    await opened.put("b")

    assert opened.store.get(Key("g/things", "ns", "a")) is not None


async def test_the_log_in_front_of_the_file_does_not_grow_for_ever(opened: Opened, tmp_path: Path) -> None:
    for _ in range(12):
        await asyncio.gather(*(opened.put(f"w{index}", text="x" * 20_000) for index in range(100)))

    assert (tmp_path / "data" / "objects.sqlite-wal").stat().st_size < 24_000_000
    assert (tmp_path / "data" / "objects.sqlite").stat().st_size > 1_000_000


async def test_a_folder_is_held_by_one_store_and_free_after_it(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    with pytest.raises(StoreLocked):
        await open_store(tmp_path)
    await first.put("a")
    await asyncio.to_thread(first.store.close)

    second = await open_store(tmp_path)

    assert (second.store.revision, second.store.get(Key("g/things", "ns", "a")) is not None) == (1, True)
    await asyncio.to_thread(second.store.close)


async def test_a_file_of_another_layout_is_refused_with_the_remedy(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    first.store._writer.execute("UPDATE facts SET value = 99 WHERE name = 'layout'")
    await asyncio.to_thread(first.store.close)

    with pytest.raises(StoreError, match="has layout 99, this version reads 1; use the version that wrote it"):
        await open_store(tmp_path)


async def test_a_disk_that_takes_no_more_refuses_and_heals(opened: Opened) -> None:
    await opened.put("a")
    opened.store._writer.pragma("max_page_count", opened.store._writer.pragma("page_count"))

    with pytest.raises(ApiError, match="the store takes no writes") as refused:
        await opened.put("big", text="x" * 100_000)
    assert refused.value.code == 500
    assert opened.store.get(Key("g/things", "ns", "big")) is None

    opened.store._writer.pragma("max_page_count", 1_000_000)
    await opened.put("big", text="x" * 100_000)
    assert opened.store.get(Key("g/things", "ns", "big")) is not None


async def test_a_store_may_be_closed_before_its_last_sync(tmp_path: Path) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    opened = await open_store(tmp_path)
    await opened.put("a")
    await asyncio.to_thread(opened.store.close)
    await asyncio.sleep(0.05)  # the sync was due meanwhile

    assert failed == []
    second = await open_store(tmp_path)
    assert second.store.get(Key("g/things", "ns", "a")) is not None
    await asyncio.to_thread(second.store.close)
