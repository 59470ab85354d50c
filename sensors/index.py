"""Who listens to what: the cost of an event does not grow with the sensors that it does not concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sensors.program import DependencyProgram, SensorProgram, TriggerProgram
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey

__all__ = ["Index", "Listener"]

_NOBODY: frozenset[TriggerKey] = frozenset()


class Listener(NamedTuple):
    """A sensor's dependency that listens to an event name, and the triggers whose conditions mention it. `later` are those of them that
    cannot decide about such an event at once, since this or another dependency that it concerns is away, or since they have a key to
    render."""

    sensor: SensorProgram
    dependency: DependencyProgram
    triggers: tuple[TriggerProgram, ...]
    later: frozenset[TriggerKey] = _NOBODY


Key = tuple[str, str, str, str]


class Index:
    """Listeners by (namespace, event bus, event source, event name), kept in step with the sensors one by one."""

    def __init__(self) -> None:
        self._sensors: dict[tuple[str, str], SensorProgram] = {}
        self._listeners: dict[Key, tuple[Listener, ...]] = {}
        self._triggers: dict[TriggerKey, tuple[SensorProgram, TriggerProgram]] = {}

    def put(self, sensor: SensorProgram) -> SensorProgram | None:
        """Add a sensor or replace it; returns the program it replaces."""
        old = self.remove(sensor.namespace, sensor.name)
        self._sensors[sensor.namespace, sensor.name] = sensor
        for trigger in sensor.triggers:
            self._triggers[trigger.key] = (sensor, trigger)
        away: dict[Key, set[str]] = {}
        for dependency in sensor.dependencies:
            if dependency.filters.away:
                away.setdefault(_key(sensor, dependency), set()).add(dependency.name)
        for dependency in sensor.dependencies:
            key = _key(sensor, dependency)
            triggers = tuple(one for one in sensor.triggers if dependency.name in one.condition.names)
            gone = away.get(key, set())
            later = frozenset(one.key for one in triggers if one.keyed or not gone.isdisjoint(one.condition.names))
            self._listeners[key] = (*self._listeners.get(key, ()), Listener(sensor, dependency, triggers, later))
        return old

    def remove(self, namespace: str, name: str) -> SensorProgram | None:
        """Take a sensor out; returns its program if there was one."""
        sensor = self._sensors.pop((namespace, name), None)
        if sensor is None:
            return None
        for trigger in sensor.triggers:
            del self._triggers[trigger.key]
        for key in {_key(sensor, one) for one in sensor.dependencies}:
            left = tuple(one for one in self._listeners[key] if one.sensor is not sensor)
            if left:
                self._listeners[key] = left
            else:
                del self._listeners[key]
        return sensor

    def listeners(self, event: Event) -> Sequence[Listener]:
        """Those that an event concerns, in the order in which the sensors came."""
        return self._listeners.get((event.namespace, event.bus, event.source, event.subject), ())

    def sensors(self) -> list[SensorProgram]:
        """Every sensor, in the order in which they came."""
        return list(self._sensors.values())

    def get(self, namespace: str, name: str) -> SensorProgram | None:
        """One sensor, if it is known."""
        return self._sensors.get((namespace, name))

    def trigger(self, key: TriggerKey) -> tuple[SensorProgram, TriggerProgram] | None:
        """One trigger with its sensor, if it is known."""
        return self._triggers.get(key)


def _key(sensor: SensorProgram, dependency: DependencyProgram) -> Key:
    return sensor.namespace, sensor.bus, dependency.source, dependency.event
