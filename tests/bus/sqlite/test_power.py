"""What a power cut leaves: decisions are not synced by themselves, `begin` syncs them before anything outside happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from tests.bus.samples import DONE, event, fired, take, target
from tests.bus.sqlite.faults import Disk, disk
from tiphys.bus import FiringState, Stored
from tiphys.bus.sqlite import SqliteBus, SqliteSettings

SEEDS = [None, *range(12)]


@pytest.fixture
def platter() -> Iterator[Disk]:
    with disk() as made:
        yield made


@asynccontextmanager
async def after_the_cut(platter: Disk, folder: Path, seed: int | None) -> AsyncIterator[SqliteBus]:
    platter.power_cut(folder, seed)
    async with SqliteBus.open(folder) as bus:
        yield bus


async def decide(bus: SqliteBus, epoch: int, *numbers: int) -> list[Stored]:
    """Publish events, read each as the Matcher does, at the log's end, and settle that it fires."""
    decided = []
    async with aclosing(bus.log.read()) as batches:
        reading = asyncio.create_task(take(batches, 1))
        for number in numbers:
            await bus.log.publish(event(number))
            (stored,) = await reading
            await bus.ledger.settle(epoch, stored.position, [fired(stored)])
            decided.append(stored)
            reading = asyncio.create_task(take(batches, 1))
        reading.cancel()
        await asyncio.wait([reading])
    return decided


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_power_cut_takes_back_a_decision_whole_or_not_at_all_and_it_is_made_again_alike(
    tmp_path: Path, platter: Disk, seed: int | None
) -> None:
    async with SqliteBus.open(tmp_path / "before", SqliteSettings(vfs=platter.name)) as bus:
        epoch = await bus.ledger.open_epoch()
        _, stored = await decide(bus, epoch, 0, 1)
        decided = {record.firing.id for record in await bus.ledger.firings()}
        async with after_the_cut(platter, tmp_path / "after", seed) as cut:
            kept = {record.firing.id for record in await cut.ledger.firings()}
            position = await cut.ledger.position()
            record = await cut.ledger.event(event(1).id)
            await cut.ledger.settle(await cut.ledger.open_epoch(), stored.position, [fired(Stored(stored.position, event(1)))])
            again = {record.firing.id for record in await cut.ledger.firings()}

    assert record.event == event(1)
    assert len(kept) in ({1} if seed is None else {1, 2})
    assert (kept == decided) == (position == stored.position) == record.decided
    assert again == decided


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_power_cut_after_begin_keeps_the_decision_and_the_target(tmp_path: Path, platter: Disk, seed: int | None) -> None:
    async with SqliteBus.open(tmp_path / "before", SqliteSettings(vfs=platter.name)) as bus:
        epoch = await bus.ledger.open_epoch()
        await decide(bus, epoch, 0, 1)
        claim = (await bus.ledger.claim(2))[1]
        await bus.ledger.begin(epoch, claim, target())
        async with after_the_cut(platter, tmp_path / "after", seed) as cut:
            record = await cut.ledger.firing(claim.firing.id)

    assert (record.firing.id, record.target) == (claim.firing.id, target())


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_power_cut_after_resolve_keeps_the_outcome(tmp_path: Path, platter: Disk, seed: int | None) -> None:
    async with SqliteBus.open(tmp_path / "before", SqliteSettings(vfs=platter.name)) as bus:
        epoch = await bus.ledger.open_epoch()
        await decide(bus, epoch, 0, 1)
        claim = (await bus.ledger.claim(2))[1]
        await bus.ledger.begin(epoch, claim, target())
        await bus.ledger.resolve(epoch, claim, DONE, ())
        async with after_the_cut(platter, tmp_path / "after", seed) as cut:
            record = await cut.ledger.firing(claim.firing.id)

    assert record.state is FiringState.SUCCEEDED


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_power_cut_never_takes_back_what_a_publish_returned_for(tmp_path: Path, platter: Disk, seed: int | None) -> None:
    async with SqliteBus.open(tmp_path / "before", SqliteSettings(vfs=platter.name)) as bus:
        epoch = await bus.ledger.open_epoch()
        await decide(bus, epoch, *range(5))
        async with after_the_cut(platter, tmp_path / "after", seed) as cut:
            found = [(await cut.ledger.event(event(number).id)).event for number in range(5)]

    assert found == [event(number) for number in range(5)]


async def test_a_decision_is_not_synced_by_itself_and_that_about_another_logs_event_is(tmp_path: Path, platter: Disk) -> None:
    async with SqliteBus.open(tmp_path, SqliteSettings(vfs=platter.name)) as bus:
        epoch = await bus.ledger.open_epoch()
        synced = []
        async with aclosing(bus.log.read()) as batches:
            for number in range(3):  # the first ones are read before the reader is at the log's end
                reading = asyncio.create_task(take(batches, 1))
                await bus.log.publish(event(number))
                (stored,) = await reading
                before = platter.syncs
                await bus.ledger.settle(epoch, stored.position, [fired(stored)])
                synced.append(platter.syncs - before)
        before = platter.syncs
        elsewhere = Stored(stored.position + 1, event("elsewhere"))
        await bus.ledger.settle(epoch, elsewhere.position, [fired(elsewhere)])

        assert synced[-1] == 0
        assert platter.syncs > before
