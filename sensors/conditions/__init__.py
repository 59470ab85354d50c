"""When a trigger fires: the condition's language, what is held, join keys and resets, all compiled at load and pure."""

from sensors.conditions.compilation import Decider, compile_trigger
from sensors.conditions.correlation import Correlate, JoinStates, NoJoinKey
from sensors.conditions.expression import Condition, compile  # noqa: A004  the verb that every language module has
from sensors.conditions.reset import Reset
from sensors.conditions.state import Dropped, Gate, HeldEvent, Loss, Outcome

__all__ = [
    "Condition",
    "Correlate",
    "Decider",
    "Dropped",
    "Gate",
    "HeldEvent",
    "JoinStates",
    "Loss",
    "NoJoinKey",
    "Outcome",
    "Reset",
    "compile",
    "compile_trigger",
]
