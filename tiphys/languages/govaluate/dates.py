"""Which texts govaluate takes for a date, and their Unix time.

It tries fourteen layouts of Go's `time` in turn; what names no zone is in the zone of this process.
"""

from __future__ import annotations

import re
from typing import Final

from tiphys.languages.golang import time_text, times
from tiphys.languages.golang.values import GoError

__all__ = ["unix_time"]

_ZONED: Final = (
    "Mon Jan _2 15:04:05 MST 2006",
    "Mon Jan 02 15:04:05 -0700 2006",
    "2006-01-02T15:04:05Z07:00",
    "2006-01-02 15:04:05-07:00",
    "2006-01-02T15Z0700",
    "2006-01-02T15:04Z0700",
    "2006-01-02T15:04:05Z0700",
)
_LOCAL: Final = ("Mon Jan _2 15:04:05 2006", "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05")
_KITCHEN: Final = re.compile("([0-9]{1,2}):([0-9]{2})([AP]M)")
_YEAR_0: Final = -62_167_219_200
_LIKELY: Final = re.compile("[0-9]{4}-|[A-Za-z]{3} ")


def unix_time(text: str) -> float | None:
    """Seconds since 1970 of a text that is a date in one of the layouts, else `None`."""
    if (kitchen := _KITCHEN.fullmatch(text)) is not None:
        return _kitchen(int(kitchen[1]), int(kitchen[2]), kitchen[3])
    if _LIKELY.match(text) is None:
        return None
    for layout in _ZONED + _LOCAL:
        try:
            time = time_text.parse(layout, text)
        except GoError:
            continue  # the next layout may fit
        if layout in _LOCAL and 1 < time.instant.year < 9999:
            return float(time.instant.replace(tzinfo=None).timestamp() // 1)
        return float(times.nanoseconds(time) // 1_000_000_000)
    return None


def _kitchen(hour: int, minute: int, half: str) -> float | None:
    """`3:04PM`: a time of day in the year 0."""
    if hour > 12 or minute > 59:
        return None
    return float(_YEAR_0 + (hour % 12 + (12 if half == "PM" else 0)) * 3600 + minute * 60)
