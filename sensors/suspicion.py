"""What ended the process? An event that a trigger decides later, or one that is decided again, may end it each time (a fault of ours, or of
what we are built on), and then nothing behind it would ever be decided.

As the log does with its batches: what was first in line at more than three starts is tried alone, with a note in the ledger before and
nothing else decided meanwhile. If six processes die over it then, the next one finds the notes and sets that row aside, named and
counted; less would not tell it from a process that is killed for another reason. While its script runs, in a process of its own, there
is no note. A row that is broken off in order (a stop, scripts that cannot be run) is not suspected for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog

from sensors.settling import until_taken
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.errors import StoreError

__all__ = ["Suspicion"]

_log = structlog.get_logger(__name__)
_STARTS: Final = 3
_DEATHS: Final = 6


class Suspicion:
    """Which deferred rows and replay requests are suspected, and which have proved to be guilty. `load` first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._guilty: set[tuple[int, bool]] = set()
        self._tried: tuple[int, bool] | None = None
        self.triggers: list[TriggerKey] = []
        """Those whose first deferred row is suspected."""
        self.replays = False
        """Whether the first replay request is suspected."""

    async def load(self) -> None:
        """Count this start."""
        for trial in await self._ledger.trials():
            if trial.alone >= _DEATHS:
                self._guilty.add((trial.number, trial.trigger is None))
            elif trial.alone or trial.starts > _STARTS:
                if trial.trigger is None:
                    self.replays = True
                else:
                    self.triggers.append(trial.trigger)

    def guilty(self, number: int, *, replay: bool = False) -> bool:
        """Whether a row ended the process while nothing else was decided."""
        return (number, replay) in self._guilty

    def set_aside(self, number: int, event_id: str, trigger: TriggerKey | None) -> None:
        """Say that it is not decided any more."""
        _log.error(
            "an event is set aside: the process ends whenever it is decided",
            action="event-set-aside",
            event_id=event_id,
            **({"replay": number} if trigger is None else {"trigger": "/".join(trigger)}),
        )

    @contextlib.asynccontextmanager
    async def alone(self, number: int, *, replay: bool = False) -> AsyncIterator[None]:
        """Around deciding a row. Who enters it sees to it that nothing else is decided meanwhile, and that the row is gone in the end."""
        await until_taken(lambda: self._ledger.try_alone(number, replay=replay))
        self._tried = number, replay
        try:
            yield
        except BaseException:
            # the row stays, and this was no death; if even that cannot be written, the store's trouble is what counts
            with contextlib.suppress(StoreError):
                await asyncio.shield(self._ledger.try_alone(number, replay=replay, begun=False))
            raise
        finally:
            self._tried = None

    @contextlib.asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[None]:
        """Around what another process does for a row: if this one dies meanwhile, the row is not to blame."""
        if self._tried is None:
            yield
            return
        number, replay = self._tried
        await until_taken(lambda: self._ledger.try_alone(number, replay=replay, begun=False))
        try:
            yield
        finally:
            await until_taken(lambda: self._ledger.try_alone(number, replay=replay))
