"""The room that decides. It knows no source and no target."""

from sensors.index import Index, Listener
from sensors.manifest import Dependency, SensorSpec
from sensors.matcher import Matcher
from sensors.program import SensorProgram

__all__ = ["Dependency", "Index", "Listener", "Matcher", "SensorProgram", "SensorSpec"]
