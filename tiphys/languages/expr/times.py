"""expr's functions of time (antonmedv/expr 1.15.5, `builtin`)."""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.values import go_type
from tiphys.languages.golang import time_text
from tiphys.languages.golang.values import Duration, GoError, Time

__all__ = ["now", "parse_date", "parse_duration", "string_of"]

_LAYOUTS: Final = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)


def string_of(value: Any) -> str:
    """A string, and nothing else."""
    if type(value) is not str:
        raise Fault(f"{go_type(value)} is no string", "use string(…)")
    return value


def now(_frame: Frame) -> Time:
    """The present, in the process's zone."""
    since = clock.time_ns()
    instant = datetime.fromtimestamp(since // 1_000_000_000, UTC).astimezone()
    return Time(instant.replace(microsecond=since // 1_000 % 1_000_000), since % 1_000)


def parse_duration(_frame: Frame, value: Any) -> Duration:
    """A Go duration."""
    try:
        return Duration(duration.parse(string_of(value)))
    except DurationError as error:
        raise Fault(error.problem, error.remedy) from error


def parse_date(_frame: Frame, value: Any, layout: Any = None, zone: Any = None) -> Time:
    """A text as a time: by its layout, or by the first that fits of those that expr knows."""
    written = string_of(value)
    if layout is None:
        for known in _LAYOUTS:
            try:
                return time_text.parse(known, written)
            except GoError:
                continue  # the next layout may fit
        raise Fault(f"{written[:50]!r} is no date", 'say how it is written: date(text, "2006-01-02 15:04")')
    try:
        found = time_text.parse(string_of(layout), written)
        if zone is None or found.instant.utcoffset():
            return found
        return Time(found.instant.replace(tzinfo=ZoneInfo(string_of(zone))), found.nanoseconds)
    except (GoError, ValueError, OSError) as error:
        raise Fault(str(error)) from error
