"""What a listing has shown already: the place of a source that finds new objects by listing a bucket.

A listing is in the order of names, so "what is new?" is asked of each object's time of modification. A mark alone would miss what
becomes visible late (an upload that took long, a replica that keeps its time), so the mark stays an hour behind the newest object,
and what lies above it is remembered one by one. At most 10,000 are remembered; beyond that the mark moves up.

At first sight everything modified before the first start is past. That instant is kept before the store is ever asked: what is
uploaded while the store cannot be reached yet is new. Pure; times are in ms since 1970.
"""

from __future__ import annotations

import hashlib
import heapq
from typing import Final

import orjson

__all__ = ["OVERLAP", "REMEMBERED", "HighWater"]

OVERLAP: Final = 3_600_000
REMEMBERED: Final = 10_000
_REFRESH: Final = 60_000


class HighWater:
    """The mark of one place (endpoint and bucket), seen through one filter.

    `load` it from a cursor's value. Another place is seen for the first time; through another filter everything is past that was there
    at the last complete pass. `stale` says that `dump` should be kept.
    """

    def __init__(self, place: str, view: str, since: int | None) -> None:
        self.place, self.view = place, view
        self.stale = True
        self._since = since
        self._floor = 0
        self._at = since or 0
        self._high = 0
        self._dropped = 0
        self._recent: dict[int, int] = {}
        self._order: list[tuple[int, int]] = []

    @classmethod
    def load(cls, value: bytes | None, place: str, view: str, now: int) -> HighWater:
        """From a cursor's value; `now` is the first start if there is none."""
        state = orjson.loads(value) if value else {}
        if state.get("place") != place:
            return cls(place, view, now)
        water = cls(place, view, state["since"] if state["view"] == view else state["at"])
        water._floor, water._high, water._at = state["floor"], state["high"], state["at"]
        for digest, modified in state["recent"]:
            water._remember(digest, modified)
        water.stale = state["view"] != view
        return water

    def dump(self) -> bytes:
        """A cursor's value, a few hundred KB at most."""
        self.stale = False
        return orjson.dumps(
            {
                "place": self.place,
                "view": self.view,
                "since": self._since,
                "floor": self._floor,
                "high": self._high,
                "at": self._at,
                "recent": list(self._recent.items()),
            }
        )

    def remembers(self, name: str, modified: int) -> bool:
        """Whether this very state of an object was added, as far as memory goes."""
        return _digest(name, modified) in self._recent

    def is_new(self, name: str, modified: int, skew: int = 0) -> bool:
        """Whether an object of a listing was never seen and is not past; `skew` is how much the store's clock is ahead of ours."""
        past = self._since is not None and modified <= self._since + skew
        return not past and modified > self._floor and not self.remembers(name, modified)

    def add(self, name: str, modified: int) -> None:
        """Remember a state of an object: it was emitted, or is past."""
        digest = _digest(name, modified)
        if modified > self._floor and digest not in self._recent:
            self._remember(digest, modified)
            self._high = max(self._high, modified)
            self.stale = True

    def finish(self, started: int, now: int) -> None:
        """A pass over the whole listing is complete; it `started` then by our clock, and the store's clock says `now`."""
        floor = max(self._floor, min(self._dropped, now), min(self._high, now) - OVERLAP)
        if self._since is not None or floor != self._floor or started - self._at >= _REFRESH:
            self.stale = True
        if self.stale:
            self._at = started
        self._since, self._floor = None, floor
        while self._order and self._order[0][0] <= floor:
            self._recent.pop(heapq.heappop(self._order)[1], None)

    def _remember(self, digest: int, modified: int) -> None:
        self._recent[digest] = modified
        heapq.heappush(self._order, (modified, digest))
        if len(self._order) > REMEMBERED:
            self._dropped, oldest = heapq.heappop(self._order)
            self._recent.pop(oldest, None)


def _digest(name: str, modified: int) -> int:
    whole = hashlib.blake2b(f"{modified}/{name}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(whole, "big") >> 1  # JSON integers of 63 bits
