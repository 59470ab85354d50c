"""What a dependency makes of an event's data before its filters see it."""

from sensors.transforms.transform import TransformProgram

__all__ = ["TransformProgram"]
