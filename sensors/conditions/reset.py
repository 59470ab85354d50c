"""`conditionsReset` of a trigger (reference 5.3): instants at which everything that it holds is dropped.

An event that arrived before a reset never meets one that arrives after it, whenever either is decided: a reset that fell into a time when
the service was down, or that lies in the middle of a backlog, counts as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tiphys.errors import CronError, FaultKind, FieldError, shorten
from tiphys.languages import cron
from tiphys.schema.conditions import ConditionsReset

__all__ = ["Reset"]

_TICK = timedelta(microseconds=1)


class Reset:
    """Compiled criteria, any of which resets. Cheap to ask again for the same hours: the span between two resets is kept."""

    __slots__ = ("_from", "_schedules", "_until")

    def __init__(self, entries: Sequence[ConditionsReset]) -> None:
        """Raises `CronError` (a schedule or a zone). Reads the zones' files: on an event loop, call it in a thread."""
        self._schedules = [cron.compile(entry.by_time.cron, entry.by_time.timezone) for entry in entries]
        self._from, self._until = math.inf, -math.inf

    @classmethod
    def faults(cls, entries: Sequence[ConditionsReset], path: str) -> Iterator[FieldError]:
        """What is wrong with entries of the right types; `path` is that of the list. Reads no file."""
        for index, entry in enumerate(entries):
            where, by_time = f"{path}[{index}].byTime", entry.by_time
            try:
                cron.check_zone(by_time.timezone)
            except CronError as error:
                yield FieldError(f"{where}.timezone", error.problem, error.remedy, shorten(by_time.timezone))
            try:
                never = not cron.fires(by_time.cron)
            except CronError as error:
                yield FieldError(f"{where}.cron", error.problem, error.remedy, shorten(by_time.cron))
            else:
                if never:
                    yield FieldError(
                        f"{where}.cron",
                        "never comes",
                        "correct the day or the month",
                        shorten(by_time.cron),
                        kind=FaultKind.NEVER_TRUE,
                    )

    def previous(self, now: datetime) -> datetime | None:
        """The latest reset earlier than `now` (aware), in UTC."""
        return max(filter(None, (schedule.previous(now) for schedule in self._schedules)), default=None)

    def next(self, now: datetime) -> datetime | None:
        """The first reset later than `now` (aware), in UTC."""
        return min(filter(None, (schedule.next(now) for schedule in self._schedules)), default=None)

    def since(self, at: float) -> float:
        """The latest reset at or before `at`, both Unix seconds: what arrived earlier than that is gone. `-inf` if there is none."""
        if not self._from <= at < self._until:
            instant = datetime.fromtimestamp(at, UTC)
            last, following = self.previous(instant + _TICK), self.next(instant)
            self._from = last.timestamp() if last else -math.inf
            self._until = following.timestamp() if following else math.inf
        return self._from

    def until(self, at: float) -> float:
        """The first reset after `at`, both Unix seconds; `inf` if there is none."""
        self.since(at)
        return self._until
