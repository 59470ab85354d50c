"""sprig's dates. The local zone is UTC, as in the containers that argo-events runs in; zones are known by their names (`Europe/Berlin`)."""

from __future__ import annotations

import time
from datetime import UTC, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from tiphys.errors import DurationError
from tiphys.languages import duration as go_duration
from tiphys.languages.golang import time_text, times
from tiphys.languages.golang.values import Function, GoError, Int32, Int64, Time
from tiphys.languages.sprig.cast import wrap
from tiphys.languages.sprig.numbers import atoi

__all__ = ["FUNCTIONS"]

_DAY: Final = 24 * go_duration.HOUR
_UNITS: Final = (
    ("y", 365 * _DAY),
    ("mo", 30 * _DAY),
    ("d", _DAY),
    ("h", go_duration.HOUR),
    ("m", go_duration.MINUTE),
    ("s", go_duration.SECOND),
)


def _now() -> Time:
    return times.time_at(time.time_ns())


def _zone(name: str) -> tzinfo:
    """`time.LoadLocation`; UTC for a name that is not known."""
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, no name of one, a folder of them
        return UTC


def _instant(value: Any) -> Time:
    """A time, or seconds since 1970; now for anything else, a `float64` included."""
    if isinstance(value, Time):
        return value
    if type(value) in (int, Int64, Int32):
        return times.time_at(int(value) * go_duration.SECOND)
    return _now()


def _date_in_zone(layout: str, value: Any, zone: str) -> str:
    moment = _instant(value)
    return times.format(times.in_zone(moment, _zone(zone)), layout)


def _date(layout: str, value: Any) -> str:
    return _date_in_zone(layout, value, "Local")


def _html_date(value: Any) -> str:
    return _date_in_zone("2006-01-02", value, "Local")


def _html_date_in_zone(value: Any, zone: str) -> str:
    return _date_in_zone("2006-01-02", value, zone)


def _must_date_modify(change: str, moment: Time) -> Time:
    try:
        nanoseconds = go_duration.parse(change)
    except DurationError as error:
        raise GoError(f'time: invalid duration "{change}": {error.problem}') from error
    return times.time_at(times.nanoseconds(moment) + nanoseconds, moment.instant.tzinfo or UTC)


def _date_modify(change: str, moment: Time) -> Time:
    try:
        go_duration.parse(change)
    except DurationError:
        return moment
    return _must_date_modify(change, moment)


def _since(moment: Time) -> int:
    passed = time.time_ns() - times.nanoseconds(moment)
    return max(-(1 << 63), min(passed, (1 << 63) - 1))


def _ago(value: Any) -> str:
    passed = _since(_instant(value)) if type(value) is not Int32 else 0
    seconds = (abs(passed) + go_duration.SECOND // 2) // go_duration.SECOND
    return go_duration.format(int(seconds if passed >= 0 else -seconds) * go_duration.SECOND)


def _duration(seconds: Any) -> str:
    """`1h0m0s` of seconds that are a text or an `int64`; `0s` of anything else."""
    count = atoi(seconds) if isinstance(seconds, str) else int(seconds) if type(seconds) is Int64 else 0
    return go_duration.format(wrap(count * go_duration.SECOND))


def _duration_round(value: Any) -> str:
    """The largest unit of a duration (a text, nanoseconds as `int64`, the time since a time): `2d`, `3mo`."""
    nanoseconds = 0
    if isinstance(value, str):
        try:
            nanoseconds = go_duration.parse(value)
        except DurationError:
            nanoseconds = 0
    elif type(value) is Int64:
        nanoseconds = int(value)
    elif isinstance(value, Time):
        nanoseconds = _since(value)
    size = abs(nanoseconds)
    return next((f"{size // unit}{name}" for name, unit in _UNITS if size > unit), "0s")


def _must_to_date(layout: str, text: str) -> Time:
    return time_text.parse(layout, text)


def _to_date(layout: str, text: str) -> Time:
    try:
        return time_text.parse(layout, text)
    except GoError:
        return time_text.ZERO


def _unix_epoch(moment: Time) -> str:
    return str(times.nanoseconds(moment) // go_duration.SECOND)


_ZONED: Final = ("string", "interface{}", "string")
_CHANGE: Final = ("string", "time.Time")

FUNCTIONS: Final = (
    Function("now", (), _now, "time.Time"),
    Function("ago", ("interface{}",), _ago, "string"),
    Function("date", ("string", "interface{}"), _date, "string"),
    Function("dateInZone", _ZONED, _date_in_zone, "string"),
    Function("date_in_zone", _ZONED, _date_in_zone, "string"),
    Function("htmlDate", ("interface{}",), _html_date, "string"),
    Function("htmlDateInZone", ("interface{}", "string"), _html_date_in_zone, "string"),
    Function("dateModify", _CHANGE, _date_modify, "time.Time"),
    Function("date_modify", _CHANGE, _date_modify, "time.Time"),
    Function("mustDateModify", _CHANGE, _must_date_modify, "time.Time"),
    Function("must_date_modify", _CHANGE, _must_date_modify, "time.Time"),
    Function("duration", ("interface{}",), _duration, "string"),
    Function("durationRound", ("interface{}",), _duration_round, "string"),
    Function("toDate", ("string", "string"), _to_date, "time.Time"),
    Function("mustToDate", ("string", "string"), _must_to_date, "time.Time"),
    Function("unixEpoch", ("time.Time",), _unix_epoch, "string"),
)
