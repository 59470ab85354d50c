"""The sqlite driver's place for the suites."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bus.samples import Opened
from tiphys.bus.sqlite import SqliteBus, SqliteSettings


class SqlitePlace:
    def __init__(self, folder: Path | str, settings: SqliteSettings | None = None) -> None:
        self.folder = Path(folder)
        self.settings = settings or SqliteSettings()

    @asynccontextmanager
    async def open(self, clock: Callable[[], float] | None = None) -> AsyncIterator[Opened]:
        async with SqliteBus.open(self.folder, self.settings, clock=clock or time.time) as bus:

            async def acknowledge(position: int) -> None:
                # of this driver it is `settle` that moves the position
                await bus.log.ack(position)
                await bus.ledger.settle(bus.store.transaction.epoch, position, [])

            yield Opened(bus.log, bus.ledger, acknowledge)

    @property
    def spec(self) -> Sequence[str]:
        return ("tests.bus.sqlite.place:SqlitePlace", str(self.folder))
