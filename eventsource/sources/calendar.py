"""Ticks of the clock as events: a cron schedule or an interval (reference 3.3).

A tick is an instant that the schedule names, not the moment when it was noticed: its id comes from that instant in UTC, so two replicas,
a late wake-up or a repetition after a crash make one event. The cursor holds the last instant that was emitted, and moves after `emit`
returned: what lies at or before it never fires again, even if the clock is set back. It also holds the fixed point of an interval's grid,
and what the schedule was; another schedule begins anew, at the present.

While it runs, no tick is skipped: a store that takes no writes is asked again with the same tick, and those that came due meanwhile
follow, in order. After a stop, ticks of the past are made up if `persistence.catchup` says so; without it only those of the last minute,
so that a restart in the very moment of a nightly job does not cost a night.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import orjson
from apscheduler.triggers.base import BaseTrigger
from pydantic import Field

from eventsource.clock import Clock, shared_clock
from eventsource.filter import EventFilter
from eventsource.source import Context, Emit, Notice, Source, register
from eventsource.ticks import CronTicks, Excluding, IntervalTicks
from tiphys.bus.ledger import Cursor
from tiphys.errors import CronError, DurationError, FaultKind, FieldError, StoreUnavailable
from tiphys.languages import cron, duration, gotime
from tiphys.schema.model import Model

__all__ = ["CalendarSource", "CalendarSpec", "CatchupSpec", "PersistenceSpec", "anchor_at", "excluded_dates", "ticks_of"]

GRACE: Final = timedelta(seconds=60)
"""How old a tick may be to be fired after a restart without catch-up."""
SHORTEST: Final = duration.SECOND
"""Nanoseconds of the shortest interval."""
_LOOK_AGAIN: Final = timedelta(days=1)
_FAR_AHEAD: Final = timedelta(minutes=1)
_PAUSES: Final = (1.0, 30.0)
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_EXDATE: Final = "EXDATE:"


class CatchupSpec(Model):
    """Whether missed ticks are made up, and how old they may be (`maxDuration`, a Go duration; empty: any age)."""

    enabled: bool = False
    max_duration: str = ""


class StateConfigMap(Model):
    """Where argo-events keeps its state. It has no effect here: the ledger keeps it."""

    name: str = ""
    create_if_not_exist: bool = False


class PersistenceSpec(Model):
    """What happens after a stop."""

    catchup: CatchupSpec | None = None
    config_map: StateConfigMap | None = None


class CalendarSpec(Model):
    """One calendar. `schedule` (five cron fields) wins over `interval` (a Go duration of 1s or more); one of them is needed.

    `exclusionDates` are texts `EXDATE:20240518T000000Z,…`, of which only the date counts, in `timezone` (an IANA name, default UTC).
    `metadata` goes into each event. `dst` (ours): `once` runs a nightly job once in the nights when clocks change, `robfig` as
    argo-events does (`tiphys.languages.cron`).
    """

    schedule: str = ""
    interval: str = ""
    exclusion_dates: list[str] = Field(default=[])
    timezone: str = ""
    metadata: dict[str, str] = Field(default={})
    persistence: PersistenceSpec | None = None
    filter: EventFilter | None = None
    dst: cron.Dst = "once"


def excluded_dates(texts: list[str]) -> Iterator[date]:
    """The dates of `exclusionDates`; an entry without `EXDATE:` in front is ignored, as in argo-events. Raises `ValueError`."""
    for text in texts:
        if not text.startswith(_EXDATE):
            continue
        for part in text.removeprefix(_EXDATE).split(","):
            match = _DATE.fullmatch(part)
            if match is None:
                raise ValueError(f"{part!r} is no date like 20240518T000000Z")
            yield datetime(*map(int, match.groups()), tzinfo=UTC).date()  # type: ignore[misc,arg-type]  # six integers


def ticks_of(spec: CalendarSpec, anchor: datetime) -> BaseTrigger:
    """The ticks of a calendar that was checked; `anchor` is the fixed point of an interval's grid."""
    zone = cron.load_zone(spec.timezone)
    ticks: BaseTrigger
    if spec.schedule:
        ticks = CronTicks(cron.compile(spec.schedule, zone, spec.dst))
    else:
        ticks = IntervalTicks(anchor, timedelta(microseconds=duration.parse(spec.interval) // duration.MICROSECOND))
    dates = frozenset(excluded_dates(spec.exclusion_dates))
    return Excluding(ticks, dates, zone) if dates else ticks


def anchor_at(start: datetime) -> datetime:
    """The fixed point of an interval that starts then: the whole second, as in argo-events."""
    return start.astimezone(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class _State:
    """What the cursor holds: the last instant emitted (or the start), the grid's fixed point, and which schedule that was."""

    last: datetime
    anchor: datetime
    schedule: str

    @classmethod
    def read(cls, value: bytes | None) -> _State | None:
        if value is None:
            return None
        found = orjson.loads(value)
        return cls(datetime.fromisoformat(found["last"]), datetime.fromisoformat(found["anchor"]), found["schedule"])

    def written(self) -> bytes:
        return orjson.dumps({"last": self.last, "anchor": self.anchor, "schedule": self.schedule})


@register
class CalendarSource(Source[CalendarSpec]):
    """Emits the ticks of one calendar."""

    key = "calendar"
    event_type = "calendar"
    spec = CalendarSpec
    members = frozenset(("eventTime", "metadata"))

    def __init__(self, spec: CalendarSpec, context: Context, clock: Clock | None = None) -> None:
        super().__init__(spec, context)
        self._clock = clock

    @classmethod
    def check(cls, spec: CalendarSpec) -> list[FieldError]:
        """What cannot be read, and what is not supported yet."""
        return list(_faults(spec))

    @classmethod
    def notices(cls, spec: CalendarSpec) -> list[Notice]:
        """A schedule that never fires, and what has no effect."""
        return list(_notices(spec))

    async def run(self, emit: Emit, cursor: Cursor) -> None:
        """One tick after the other, until cancelled."""
        async with AsyncExitStack() as stack:
            clock = self._clock if self._clock is not None else await stack.enter_async_context(shared_clock())
            state, after = await self._begin(cursor, clock)
            # In a thread, since the first use of a zone reads its file.
            ticks = await asyncio.to_thread(ticks_of, self.settings, state.anchor)
            self.context.health.well()
            while True:
                tick = ticks.get_next_fire_time(after, after)
                if tick is None:
                    self.context.health.ill(_never(self.settings))
                    await clock.sleep_until(clock.now() + _LOOK_AGAIN)
                    after = max(after, clock.now())
                    continue
                await clock.sleep_until(tick)
                await self._patiently(lambda tick=tick: self._emit(emit, tick))  # type: ignore[misc]
                state = _State(tick, state.anchor, state.schedule)
                await self._patiently(lambda state=state: cursor.advance(state.written()))  # type: ignore[misc]
                after = tick

    async def _begin(self, cursor: Cursor, clock: Clock) -> tuple[_State, datetime]:
        """The state to go on from, and the instant after which ticks are due."""
        now, schedule = clock.now(), _fingerprint(self.settings)
        known = _State.read(cursor.value)
        if known is None or known.schedule != schedule:
            state = _State(max(now, known.last) if known else now, anchor_at(now), schedule)
            await self._patiently(lambda: cursor.advance(state.written()))
            return state, state.last
        if known.last > now + _FAR_AHEAD:
            when = gotime.format(known.last)
            self.context.health.ill(f"the clock stands before the last tick ({when}): nothing fires until it has passed that again")
        return known, max(known.last, now - self._reach(now))

    def _reach(self, now: datetime) -> timedelta:
        """How far back a missed tick may lie."""
        persistence = self.settings.persistence
        catchup = persistence.catchup if persistence else None
        if catchup is None or not catchup.enabled:
            return GRACE
        if not catchup.max_duration:
            return now - datetime.min.replace(tzinfo=UTC)
        return timedelta(microseconds=duration.parse(catchup.max_duration) // duration.MICROSECOND)

    async def _emit(self, emit: Emit, tick: datetime) -> None:
        data: dict[str, Any] = {"eventTime": gotime.format(tick.astimezone(cron.load_zone(self.settings.timezone)))}
        if self.settings.metadata:
            data["metadata"] = self.settings.metadata
        instant = tick.astimezone(UTC).isoformat().replace("+00:00", "Z")
        await emit(self.context.event(orjson.dumps(data), key=instant))

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step as often as it needs while the store takes no writes: the tick is not lost, and the next one waits."""
        pause, longest = _PAUSES
        refused = False
        while True:
            try:
                await step()
            except StoreUnavailable as error:
                refused = True
                self.context.health.ill(str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            else:
                if refused:
                    self.context.health.well()
                return


def _fingerprint(spec: CalendarSpec) -> str:
    """What makes it another schedule. Excluded dates and metadata do not: they may change from day to day."""
    parts = [spec.schedule, "" if spec.schedule else spec.interval, spec.timezone]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


def _never(spec: CalendarSpec) -> str:
    return f"schedule {spec.schedule!r} never fires: there is no such date within {cron.YEARS} years"


def _faults(spec: CalendarSpec) -> Iterator[FieldError]:
    if spec.schedule:
        yield from _unless(lambda: cron.fires(spec.schedule), "schedule", spec.schedule)
    elif spec.interval:
        yield from _interval_faults(spec.interval)
    else:
        yield FieldError(
            "schedule", "is missing, and interval as well", "write schedule: '30 2 * * *' or interval: 1h", kind=FaultKind.MISSING
        )
    yield from _unless(lambda: cron.check_zone(spec.timezone), "timezone", spec.timezone)
    for index, text in enumerate(spec.exclusion_dates):
        try:
            tuple(excluded_dates([text]))
        except ValueError as error:
            yield FieldError(f"exclusionDates[{index}]", str(error), "write it as EXDATE:20240518T000000Z", repr(text))
    catchup = spec.persistence.catchup if spec.persistence else None
    if catchup and catchup.max_duration:
        path = "persistence.catchup.maxDuration"
        yield from _unless(lambda: duration.parse(catchup.max_duration), path, catchup.max_duration)


def _interval_faults(text: str) -> Iterator[FieldError]:
    try:
        found = duration.parse(text)
    except DurationError as error:
        yield FieldError("interval", error.problem, error.remedy, repr(text))
    else:
        if found < SHORTEST:
            yield FieldError("interval", "must be a second or more", "write it as 10s or 1h", repr(text))


def _unless(read: Callable[[], object], path: str, text: str) -> Iterator[FieldError]:
    try:
        read()
    except (CronError, DurationError) as error:
        yield FieldError(path, error.problem, error.remedy, repr(text))


def _is_barren(schedule: str) -> bool:
    """Whether it can be read but names no date; one that cannot is a fault, not a notice."""
    try:
        return bool(schedule) and not cron.fires(schedule)
    except CronError:
        return False


def _notices(spec: CalendarSpec) -> Iterator[Notice]:
    if _is_barren(spec.schedule):
        yield Notice("schedule", "never fires: there is no such date", kind=FaultKind.NEVER_TRUE)
    if spec.schedule and spec.interval:
        yield Notice("interval", "has no effect beside schedule", kind=FaultKind.IGNORED)
    for index, text in enumerate(spec.exclusion_dates):
        if not text.startswith(_EXDATE):
            yield Notice(f"exclusionDates[{index}]", f"has no effect: it does not begin with {_EXDATE}", kind=FaultKind.IGNORED)
    if spec.persistence and spec.persistence.config_map:
        yield Notice("persistence.configMap", "has no effect: the last tick is kept in the ledger", kind=FaultKind.IGNORED)
