"""A disk that is full, read-only or broken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.samples import KEY, Opened, event, fire, fired, take
from tests.bus.sqlite.faults import Disk, disk
from tests.bus.sqlite.place import SqlitePlace
from tiphys.bus import Stored
from tiphys.bus.sqlite import SqliteBus, SqliteSettings
from tiphys.errors import StoreError, StoreUnavailable


@pytest.fixture
def broken() -> Iterator[Disk]:
    with disk() as made:
        yield made


@pytest.fixture
def settings(broken: Disk) -> SqliteSettings:
    return SqliteSettings(vfs=broken.name, probe_interval=0.02)


async def _until_writable(bus: SqliteBus) -> None:
    async with asyncio.timeout(20):
        while not (await bus.ledger.health()).writable:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("fault", ["full", "short", "read-only"])
async def test_a_full_or_read_only_disk_refuses_publishes_and_heals_by_itself(
    tmp_path: Path, broken: Disk, settings: SqliteSettings, fault: str
) -> None:
    async with SqliteBus.open(tmp_path, settings) as bus:
        await bus.log.publish(event("before"))
        broken.fault = fault
        for number in range(3):
            with pytest.raises(StoreUnavailable):
                await bus.log.publish(event(number))
        health = await bus.ledger.health()
        broken.fault = ""
        await _until_writable(bus)
        await bus.log.publish(event("after"))
    async with SqliteBus.open(tmp_path) as bus:
        read = await take(bus.log.read(), 2)

    assert not health.writable
    assert health.reason
    assert [one.event for one in read] == [event("before"), event("after")]


async def test_no_step_is_half_done_on_a_full_disk(tmp_path: Path, broken: Disk, settings: SqliteSettings) -> None:
    async with SqliteBus.open(tmp_path, settings) as bus:
        epoch = await bus.ledger.open_epoch()
        stored = Stored(await bus.log.publish(event(1)), event(1))
        broken.fault = "full"
        with pytest.raises(StoreUnavailable):
            await bus.ledger.settle(epoch, stored.position, [fired(stored)])
        broken.fault = ""
        await _until_writable(bus)
        half = (await bus.ledger.event(event(1).id)).settled, await bus.ledger.firings(), await bus.ledger.claim(1)
        await bus.ledger.settle(epoch, stored.position, [fired(stored)])

        assert half == (False, [], [])
        assert len(await bus.ledger.claim(1)) == 1


@pytest.mark.parametrize("fault", ["write-error", "sync-error"])
async def test_an_io_error_ends_the_store_and_the_next_start_heals_it(
    tmp_path: Path, broken: Disk, settings: SqliteSettings, fault: str
) -> None:
    fatal: list[BaseException] = []
    async with SqliteBus.open(tmp_path, settings, on_fatal=fatal.append) as bus:
        await bus.log.publish(event("before"))
        broken.fault = fault
        with pytest.raises(StoreError) as caught:
            await bus.log.publish(event("unknown"))
        with pytest.raises(StoreError):
            await bus.log.publish(event("later"))
        broken.fault = ""
    async with SqliteBus.open(tmp_path) as bus:
        read = await take(bus.log.read(), 1)
        await bus.log.publish(event("after"))

    assert not isinstance(caught.value, StoreUnavailable)  # nobody may say "refused" of what may have been written
    assert len(fatal) == 1
    assert read[0].event == event("before")


async def test_what_is_at_the_writer_when_it_breaks_is_answered_too(tmp_path: Path, broken: Disk, settings: SqliteSettings) -> None:
    async with SqliteBus.open(tmp_path, settings, on_fatal=lambda _: None) as bus:
        broken.fault = "sync-error"
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*[bus.log.publish(event(number)) for number in range(20)], return_exceptions=True)
        broken.fault = ""

    assert all(isinstance(outcome, StoreError) for outcome in outcomes)


async def test_many_publishes_share_a_commit(tmp_path: Path, broken: Disk, settings: SqliteSettings) -> None:
    async with SqliteBus.open(tmp_path, settings) as bus:
        before, syncs = bus.store.writer.commits, broken.syncs
        await asyncio.gather(*[bus.log.publish(event(number)) for number in range(500)])

        assert 1 <= bus.store.writer.commits - before < 50
        assert bus.store.writer.commits - before <= broken.syncs - syncs < 100


async def test_every_commit_is_synced_before_its_publish_returns(tmp_path: Path, broken: Disk, settings: SqliteSettings) -> None:
    async with SqliteBus.open(tmp_path, settings) as bus:
        for number in range(5):
            syncs = broken.syncs
            await bus.log.publish(event(number))
            assert broken.syncs > syncs


async def test_a_failing_job_does_not_take_its_batch_along(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:

        def fail(_: object) -> None:
            raise KeyError("mine")

        outcomes = await asyncio.gather(
            bus.log.publish(event(1)), bus.store.write(fail), bus.log.publish(event(2)), return_exceptions=True
        )
        read = await take(bus.log.read(), 2)

        assert [type(outcome) for outcome in outcomes] == [int, KeyError, int]
        assert [one.event for one in read] == [event(1), event(2)]


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path, SqliteSettings(queue_events=10)) as bus:
        outcomes = await asyncio.gather(*[bus.log.publish(event(number)) for number in range(30)], return_exceptions=True)
        await bus.log.publish(event("later"))

    assert [type(outcome) for outcome in outcomes] == [int] * 10 + [StoreUnavailable] * 20


async def test_unfinished_work_is_bounded_for_each_namespace(tmp_path: Path) -> None:
    settings = SqliteSettings(unfinished_bytes=20_000)
    async with SqliteBus.open(tmp_path, settings) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(_opened(bus), epoch, event("big", bytes(15_000)))
        with pytest.raises(StoreUnavailable, match="argo"):
            await bus.log.publish(event("more", bytes(10_000)))
        await bus.log.publish(event("elsewhere", bytes(10_000), namespace="other"))
    async with SqliteBus.open(tmp_path, settings) as bus:
        epoch = await bus.ledger.open_epoch()
        with pytest.raises(StoreUnavailable):
            await bus.log.publish(event("more", bytes(10_000)))
        assert await bus.ledger.cancel(KEY, "gone") == 1
    async with SqliteBus.open(tmp_path, settings) as bus:
        await bus.log.publish(event("more", bytes(10_000)))


def _opened(bus: SqliteBus) -> Opened:
    return Opened(bus.log, bus.ledger, bus.log.ack)


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tiphys.db").write_bytes(b"this is no database at all, but it is long enough to be looked at" * 20)

    with pytest.raises(StoreError, match="cannot be opened"):
        async with SqlitePlace(tmp_path).open():
            pass
