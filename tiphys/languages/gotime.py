"""Go's time text, as `fmt` prints a `time.Time`: `2024-05-17 14:00:00.5 +0000 UTC`, sometimes with ` m=+12.3` after it.

argo-events writes it into the data of a calendar's events and into its own state.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

__all__ = ["format", "parse"]

_TEXT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? ([+-])(\d\d)(\d\d)(?:(\d\d))? \S+(?: m=[+-][0-9.]+)?"
)


def format(instant: datetime) -> str:  # noqa: A001  the opposite of `gotime.parse`
    """An aware instant in its own zone, as Go's `String`: trailing zeros of the fraction cut, the zone's abbreviation last."""
    offset = instant.utcoffset()
    if offset is None:
        raise ValueError("an instant without a zone has no Go text")
    fraction = f".{instant.microsecond:06d}".rstrip("0") if instant.microsecond else ""
    shift = _shift(offset)
    return f"{instant:%Y-%m-%d %H:%M:%S}{fraction} {shift} {_abbreviation(instant, shift)}"


def parse(text: str) -> datetime:
    """The instant of such a text, in its offset; nanoseconds are cut to microseconds. Raises `ValueError`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time as Go prints it, like 2024-05-17 14:00:00 +0000 UTC")
    *date, fraction, sign, hours, minutes, seconds = match.groups()
    shift = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    zone = timezone(-shift if sign == "-" else shift) if shift else UTC
    year, month, day, hour, minute, second = map(int, date)
    return datetime(year, month, day, hour, minute, second, int((fraction or "0").ljust(6, "0")[:6]), zone)


def _shift(offset: timedelta) -> str:
    total = int(offset.total_seconds())
    sign, total = ("-", -total) if total < 0 else ("+", total)
    return f"{sign}{total // 3600:02d}{total // 60 % 60:02d}"


def _abbreviation(instant: datetime, shift: str) -> str:
    name = instant.tzname() or ""
    # Python names a zone that is only an offset `UTC+02:00`; Go repeats the offset.
    if not name or (name.startswith("UTC") and name != "UTC"):
        return shift
    return name
