"""Asking a dependency's program about an event, with nothing that can come out but a judgement.

A fault of a program itself (an exception that it does not name) is an error of this event, logged once for each dependency: it may not
stop the Matcher for all the others.
"""

from __future__ import annotations

from typing import Final

import structlog

from sensors.filters.finding import Judged, Judgement
from sensors.program import DependencyProgram, SensorProgram
from sensors.scripts import Runner
from tiphys.bus.event import Event
from tiphys.bus.ledger import VerdictKind
from tiphys.errors import ScriptsUnavailable

__all__ = ["KINDS", "judge", "judge_away"]

_log = structlog.get_logger(__name__)
KINDS: Final = {Judgement.FAILED: VerdictKind.FILTERED, Judgement.ERRORED: VerdictKind.ERRORED}
"""What becomes of an event that did not pass."""
_ERRORED: Final = Judged(Judgement.ERRORED)
_said: set[tuple[str, str, int, str]] = set()


def judge(sensor: SensorProgram, dependency: DependencyProgram, event: Event) -> Judged:
    """Judge by a program that is not away."""
    try:
        return dependency.filters.judge(event)
    except Exception as error:  # noqa: BLE001  it becomes a recorded verdict and a log line
        return _fault(sensor, dependency, event, error)


async def judge_away(sensor: SensorProgram, dependency: DependencyProgram, event: Event, scripts: Runner) -> Judged:
    """Judge by any program. Raises `ScriptsUnavailable`: nothing is decided, and another time may do."""
    if not dependency.filters.away:
        return judge(sensor, dependency, event)
    try:
        return await dependency.filters.judge_away(event, scripts)
    except ScriptsUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  as above
        return _fault(sensor, dependency, event, error)


def _fault(sensor: SensorProgram, dependency: DependencyProgram, event: Event, error: Exception) -> Judged:
    place = (sensor.namespace, sensor.name, sensor.revision, dependency.name)
    if place not in _said:
        _said.add(place)
        _log.error(
            "a filter of this dependency fails in a way that it should not; such events are errors of it",
            action="filter-fault",
            sensor=f"{sensor.namespace}/{sensor.name}",
            dependency=dependency.name,
            event_id=event.id,
            error=repr(error),
        )
    return _ERRORED
