"""When a trigger fires: dependency names, `&&`, `||` and parentheses, compiled at load."""

from sensors.conditions.expression import Condition, compile  # noqa: A004  the verb that every language module has

__all__ = ["Condition", "compile"]
