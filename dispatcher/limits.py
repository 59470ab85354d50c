"""How much may be under way at a server at once: found out, not configured (argo-events: five requests a second, whatever it takes).

A window opens and closes as TCP's does. Each success widens it, quickly up to half of where it last met a limit, then slowly; a 429
halves it and shuts it for as long as the server asks; a server that cannot be reached is asked by one attempt at a time, at growing
intervals, so that an hour's outage costs neither attempts nor, when it is over, a storm. Pure: the caller brings the time.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
_THROTTLE_PAUSE: Final = 1.0
_LONGEST_THROTTLE: Final = 300.0


class Pace:
    """The pace of one server. `ceiling` is the widest window; times are seconds of one clock that never goes back."""

    __slots__ = ("_ceiling", "_failures", "_threshold", "_window", "shut_until")

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._window = float(ceiling)
        self._threshold = float(ceiling)
        self._failures = 0
        self.shut_until = 0.0

    @property
    def window(self) -> int:
        """How many may be under way."""
        return max(1, int(self._window))

    def open(self, under_way: int, now: float) -> bool:
        """Whether one more may start."""
        return now >= self.shut_until and under_way < self.window

    def answered(self) -> None:
        """The server took a request, or said no to it for a reason of the request's own."""
        self._failures = 0
        step = 1.0 if self._window < self._threshold else 1.0 / self._window
        self._window = min(self._ceiling, self._window + step)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """The server said 429. Those that were under way when it first did count once."""
        pause = _THROTTLE_PAUSE if retry_after is None else min(max(retry_after, 0.0), _LONGEST_THROTTLE)
        if now >= self.shut_until:
            self._window = self._threshold = max(1.0, self._window / 2)
        self.shut_until = max(self.shut_until, now + pause)

    def unreachable(self, now: float) -> None:
        """No connection was made. Those that were under way when the first failed count once."""
        if now < self.shut_until:
            return
        if self._failures == 0:
            self._threshold = max(1.0, self._window / 2)
        self._window = 1.0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE)
        self._failures += 1
        self.shut_until = now + pause
