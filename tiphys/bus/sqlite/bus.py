"""The embedded bus: a log and a ledger that share one file in a data folder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tiphys.bus.sqlite.ledger import SqliteLedger
from tiphys.bus.sqlite.log import SqliteLog
from tiphys.bus.sqlite.settings import SqliteSettings
from tiphys.bus.sqlite.store import Store

__all__ = ["SqliteBus"]


def _terminate(_error: BaseException) -> None:
    """What is done where nobody says otherwise: end as `kubectl delete pod` would; recovery at the next start is the healing."""
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class SqliteBus:
    """An open data folder: `log` and `ledger`. `store` is for its own tests and for `benchmarks`."""

    log: SqliteLog
    ledger: SqliteLedger
    store: Store

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        settings: SqliteSettings | None = None,
        *,
        on_fatal: Callable[[BaseException], None] = _terminate,
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator[SqliteBus]:
        """Open the data folder, made if absent, until the block ends: then what waits is written and the file checkpointed. Correctness
        does not depend on that end.

        `on_fatal` is called on the event loop when an I/O error has broken the store: end the process then. `clock` gives Unix
        seconds. Raises `StoreLocked` if another process has the folder, `StoreUnavailable` if it cannot be written, `StoreError` if
        the file is not ours, damaged, or of a newer version.
        """
        async with Store.open(folder, settings or SqliteSettings(), clock, on_fatal) as store:
            log = SqliteLog(store)
            ledger = SqliteLedger(store, log)
            await ledger.load()
            yield cls(log, ledger, store)
