"""The servers that triggers act on: each has one pace, shared by its triggers, and knows how many firings are under way there."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dispatcher.limits import Pace
from tiphys.bus.firing import Outcome, OutcomeKind, TriggerKey
from tiphys.errors import Refused, TiphysError, Unreachable

__all__ = ["ServerStats", "Servers"]


@dataclass(frozen=True, slots=True)
class ServerStats:
    """A server's pace: under way, the most that may be, and for how many seconds it is left alone."""

    under_way: int
    window: int
    shut_for: float


class Servers:
    """Servers by name; the empty name is none, and limits nothing. `ceiling`: the most firings under way at one. `changed` is called when
    one that was left alone is open again."""

    def __init__(self, ceiling: int, changed: Callable[[], None]) -> None:
        self._ceiling, self._changed = ceiling, changed
        self._paces: dict[str, Pace] = {}
        self._triggers: dict[str, set[TriggerKey]] = defaultdict(set)
        self._under_way: Counter[str] = Counter()

    def add(self, server: str, key: TriggerKey) -> None:
        """A trigger acts there."""
        if server:
            self._triggers[server].add(key)
            self._paces.setdefault(server, Pace(self._ceiling))

    def discard(self, server: str, key: TriggerKey) -> None:
        """It does not any more."""
        if server:
            self._triggers[server].discard(key)

    def began(self, server: str) -> None:
        """A firing is under way."""
        self._under_way[server] += 1

    def ended(self, server: str) -> None:
        """It is not any more."""
        self._under_way[server] -= 1

    def open(self, server: str) -> bool:
        """Whether one more may be under way."""
        pace = self._paces.get(server)
        return pace is None or pace.open(self._under_way[server], _now())

    def shut(self) -> Iterator[TriggerKey]:
        """The triggers of servers where none may be."""
        for server in self._paces:
            if not self.open(server):
                yield from self._triggers[server]

    def left_alone(self, server: str) -> float:
        """For how many seconds more a server is left alone."""
        pace = self._paces.get(server)
        return 0.0 if pace is None else max(0.0, pace.shut_until - _now())

    def note(self, server: str, error: TiphysError | None, outcome: Outcome) -> None:
        """What came of an attempt there."""
        pace = self._paces.get(server)
        if pace is None:
            return
        now = _now()
        if isinstance(error, Refused) and error.status == 429:
            pace.throttled(now, error.retry_after)
        elif isinstance(error, Unreachable):
            pace.unreachable(now)
        elif isinstance(error, Refused) or outcome.kind is OutcomeKind.SUCCEEDED:
            pace.answered()
        if pace.shut_until > now:
            asyncio.get_running_loop().call_at(pace.shut_until, self._changed)

    def stats(self) -> dict[str, ServerStats]:
        """A snapshot."""
        return {name: ServerStats(self._under_way[name], pace.window, self.left_alone(name)) for name, pace in self._paces.items()}


def _now() -> float:
    return asyncio.get_running_loop().time()
