"""`schedule`: the ticks of a calendar, and the last one before an instant. Run with `dst: robfig`, which is what argo-events does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from eventsource.sources.calendar import CalendarSource, CalendarSpec, anchor_at, ticks_of
from tests.golden.compare import refused
from tiphys.languages import cron, gotime


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        spec = CalendarSpec.model_validate({**asked["calendar"], "dst": "robfig"})
    except ValidationError as error:
        return {"error": str(error)}
    faults = CalendarSource.check(spec)
    if faults:
        return {"error": "\n".join(map(str, faults))}
    zone, start = cron.load_zone(spec.timezone), datetime.fromisoformat(asked["from"])
    if asked.get("prev"):
        previous = cron.compile(spec.schedule, zone, spec.dst).previous(start)
        return {"previous": _rfc3339(previous.astimezone(zone)) if previous else "never"}
    ticks, found, at = ticks_of(spec, anchor_at(start)), [], start
    for _ in range(asked["count"]):
        tick = ticks.get_next_fire_time(at, at)
        if tick is None:
            found.append(None)
            break
        found.append(tick.astimezone(zone))
        at = tick
    texts = [_rfc3339(tick) if tick else "never" for tick in found]
    return {"ticks": texts, "eventTime": [gotime.format(tick) for tick in found if tick]}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected):
        return "error" in found
    return all(list(_plain(found.get(key, ()))) == list(_plain(value)) for key, value in expected.items())


def _plain(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _rfc3339(instant: datetime) -> str:
    fraction = f".{instant.microsecond:06d}".rstrip("0") if instant.microsecond else ""
    offset = f"{instant:%z}"
    zone = "Z" if instant.utcoffset() == datetime.now(UTC).utcoffset() else f"{offset[:3]}:{offset[3:5]}"
    return f"{instant:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"
