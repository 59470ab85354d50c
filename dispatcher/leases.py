"""Claims in our hands, renewed while they are held."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tiphys.bus.firing import Claim, Outcome
from tiphys.bus.ledger import Ledger
from tiphys.errors import StaleClaim, StoreUnavailable

__all__ = ["HeldClaim", "Leases"]


@dataclass(slots=True, eq=False)
class HeldClaim:
    """A claim in our hands. `until` is loop time; `end`: how it is to end without being carried out."""

    claim: Claim
    until: float
    task: asyncio.Task[None] | None = None
    end: Outcome | None = None


class Leases:
    """Renews what `held` gives, in the middle of each lease (seconds). Of a claim that somebody else has by now the task is cancelled, or
    `lost` is told where it has none."""

    def __init__(
        self, ledger: Ledger, lease: float, held: Callable[[], Iterable[HeldClaim]], lost: Callable[[HeldClaim], None]
    ) -> None:
        self._ledger, self._lease = ledger, lease
        self._held, self._lost = held, lost
        self._holding = asyncio.Event()

    def begin(self) -> None:
        """Something is held."""
        self._holding.set()

    async def run(self) -> None:
        """Renew until cancelled; sleeps while nothing is held."""
        now = asyncio.get_running_loop().time
        while True:
            await self._holding.wait()
            await asyncio.sleep(self._lease / 4)
            held = list(self._held())
            if not held:
                self._holding.clear()
                continue
            late = [one for one in held if one.until - now() < self._lease / 2]
            if late:
                await asyncio.gather(*(self._renew(one) for one in late))

    async def _renew(self, held: HeldClaim) -> None:
        with contextlib.suppress(StoreUnavailable):  # said once by whoever writes; the claim is renewed at the next turn
            try:
                held.claim = await self._ledger.renew(held.claim, self._lease)
                held.until = asyncio.get_running_loop().time() + self._lease
            except StaleClaim:
                if held.task is not None:
                    held.task.cancel()
                else:
                    self._lost(held)
