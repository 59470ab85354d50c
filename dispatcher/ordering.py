"""`order` of a trigger (ours): firings that do not overtake each other.

Without it a trigger's firings start in the order of their decision, up to 16 of them side by side, and one that failed is tried again
later. `strict` carries out one at a time, and while it waits for its next attempt none of those behind it is looked at; the ledger keeps
the order (`Ledger.claim`). By key the same holds among firings of one lane (`dispatcher.lanes`).
"""

from __future__ import annotations

import math

from dispatcher.gates import Gate
from tiphys.bus.firing import Claim

__all__ = ["StrictOrder"]


class StrictOrder(Gate):
    """One at a time, in order."""

    in_order = True

    def __init__(self) -> None:
        self._under_way = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StrictOrder)

    def __hash__(self) -> int:
        return hash(StrictOrder)

    def room(self, now: float) -> int:
        """As `Gate.room`."""
        return 1 - self._under_way

    def started(self, claim: Claim, now: float) -> None:
        """As `Gate.started`."""
        self._under_way += 1

    def ended(self, claim: Claim, now: float, *, began: bool) -> None:
        """As `Gate.ended`."""
        self._under_way = max(0, self._under_way - 1)

    def why(self, now: float) -> tuple[str, float]:
        """As `Gate.why`."""
        return "the one before it (order: strict)", math.inf
