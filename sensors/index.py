"""Who listens to what: the cost of an event does not grow with the sensors that it does not concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sensors.program import DependencyProgram, SensorProgram, TriggerProgram
from tiphys.bus.event import Event

__all__ = ["Index", "Listener"]


class Listener(NamedTuple):
    """A sensor's dependency that listens to an event name, and the triggers whose conditions mention it."""

    sensor: SensorProgram
    dependency: DependencyProgram
    triggers: tuple[TriggerProgram, ...]


Key = tuple[str, str, str, str]


class Index:
    """Listeners by (namespace, event bus, event source, event name), kept in step with the sensors one by one."""

    def __init__(self) -> None:
        self._sensors: dict[tuple[str, str], SensorProgram] = {}
        self._listeners: dict[Key, tuple[Listener, ...]] = {}

    def put(self, sensor: SensorProgram) -> SensorProgram | None:
        """Add a sensor or replace it; returns the program it replaces."""
        old = self.remove(sensor.namespace, sensor.name)
        self._sensors[sensor.namespace, sensor.name] = sensor
        for dependency in sensor.dependencies:
            triggers = tuple(one for one in sensor.triggers if dependency.name in one.condition.names)
            key = (sensor.namespace, sensor.bus, dependency.source, dependency.event)
            self._listeners[key] = (*self._listeners.get(key, ()), Listener(sensor, dependency, triggers))
        return old

    def remove(self, namespace: str, name: str) -> SensorProgram | None:
        """Take a sensor out; returns its program if there was one."""
        sensor = self._sensors.pop((namespace, name), None)
        if sensor is None:
            return None
        for key in {(sensor.namespace, sensor.bus, one.source, one.event) for one in sensor.dependencies}:
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
