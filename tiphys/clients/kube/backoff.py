"""Back-off as values: how long to pause, decided by pure functions; the callers sleep.

The `Gate` is the one back-off that all calls to an API server share: when the server says 429, or 503 with `Retry-After`, it means
the client, not the call. Whoever comes while the gate is shut waits, and they do not all start in the same instant when it opens.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import time

from tiphys.clients.kube.settings import KubeSettings

__all__ = ["Gate", "pause_after", "retry_after"]

_SPREAD = 0.1
_LARGEST_POWER = 32


def pause_after(failures: int, first: float, most: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row (1 is the first): doubled each time, at most `most`, with jitter."""
    return min(most, first * 2.0 ** min(failures - 1, _LARGEST_POWER)) * random.uniform(0.5, 1.0)  # noqa: S311  no secret is drawn


def retry_after(header: str | None) -> float | None:
    """`Retry-After` (RFC 9110, 10.2.3: seconds or a date) in seconds from now, at least 0; `None` where absent or unreadable."""
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


class Gate:
    """One back-off for all calls to an API server."""

    def __init__(self, settings: KubeSettings) -> None:
        self._settings = settings
        self._opens = 0.0
        self._refusals = 0

    def shut(self, seconds: float | None) -> float:
        """The server asked for a pause; `None`: without saying how long. Returns the pause that is kept, in seconds."""
        self._refusals += 1
        if seconds is None:
            seconds = min(self._settings.pause_default * 2.0 ** min(self._refusals - 1, _LARGEST_POWER), self._settings.pause_most)
        pause = min(seconds, self._settings.pause_most)
        self._opens = max(self._opens, asyncio.get_running_loop().time() + pause)
        return pause

    def passed(self) -> None:
        """A call was served."""
        self._refusals = 0

    async def wait(self, deadline: float) -> float:
        """Wait until the gate is open and return 0; or return at once the seconds left, where they end after `deadline`
        (in the loop's time)."""
        loop = asyncio.get_running_loop()
        while (left := self._opens - loop.time()) > 0:
            if self._opens >= deadline:
                return left
            spread = random.uniform(0, _SPREAD * self._settings.pause_default)  # noqa: S311  no secret is drawn
            await asyncio.sleep(min(left + spread, deadline - loop.time()))
        return 0.0
