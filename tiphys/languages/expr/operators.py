"""expr's operators at run time (antonmedv/expr 1.15.5, `vm/runtime`).

Integers stay integers and wrap at 64 bits; a float64, which every number of an event is, makes a float64.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.expression.arithmetic import divide, to_int64, wrap
from tiphys.languages.expression.closures import Infixes, Prefixes
from tiphys.languages.expression.frame import MAX_ITEMS, Fault, Frame
from tiphys.languages.expression.values import FLOATS, INTEGERS, Int, Pairs, deep_equal, go_type, to_float
from tiphys.languages.golang import times
from tiphys.languages.golang.powers import power
from tiphys.languages.golang.values import Duration, Function, GoError, NilList, NilStrings, StringMap, Time

__all__ = ["INFIXES", "PREFIXES", "contains", "equal", "is_nil", "less", "to_int"]

_NUMBERS: Final = FLOATS | INTEGERS
_LONG: Final = 4096


def misfit(sign: str, *values: Any) -> Fault:
    """The fault of an operator that does not fit its operands."""
    remedy = (
        'the values of a header are a list: write header["Name"][0]' if any(isinstance(value, list) for value in values) else ""
    )
    return Fault(f"{sign} does not fit {' and '.join(map(go_type, values))}", remedy)


def is_nil(value: Any) -> bool:
    """Whether it is `nil`, of whatever type."""
    return value is None or isinstance(value, NilList | NilStrings)


def to_int(value: Any) -> int:
    """A number as an `int`. Raises `Fault` for anything else."""
    kind = type(value)
    if kind in FLOATS:
        return to_int64(value)
    if kind in INTEGERS:
        return wrap(int(value))
    raise Fault(f"{go_type(value)} is no integer", "use int(…) to convert it")


def equal(frame: Frame, left: Any, right: Any) -> bool:
    """`==`: numbers by value, everything else by type and value."""
    kind, other = type(left), type(right)
    if kind is str:
        if len(left) > _LONG:
            frame.spend(len(left) >> 10)
        return other is str and bool(left == right)
    if kind is bool:
        return left is right
    if left is None:
        return is_nil(right)
    if kind in _NUMBERS and other in _NUMBERS:
        if kind in FLOATS or other in FLOATS:
            return to_float(left) == to_float(right)
        return wrap(int(left)) == wrap(int(right))
    if kind is Time and other is Time:
        return times.nanoseconds(left) == times.nanoseconds(right)
    if is_nil(left) and is_nil(right):
        return True
    return kind is not Function and deep_equal(frame, left, right)


def equal_integers(_frame: Frame, left: Any, right: Any) -> bool:
    """`==` where both are known to be `int` before; `max(1, 2.5)` is, and is not."""
    if type(left) is not Int or type(right) is not Int:
        raise misfit("==", left, right)
    return bool(left == right)


def _ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Frame, Any, Any], bool]:
    def apply(_frame: Frame, left: Any, right: Any) -> bool:
        kind, other = type(left), type(right)
        if kind in _NUMBERS and other in _NUMBERS:
            if kind in FLOATS or other in FLOATS:
                return compare(to_float(left), to_float(right))
            return compare(int(left), int(right))
        if kind is other:
            if kind is str or kind is Duration:
                return compare(left, right)
            if kind is Time:
                return compare(times.nanoseconds(left), times.nanoseconds(right))
        raise misfit(sign, left, right)

    return apply


less = _ordered("<", operator.lt)
more = _ordered(">", operator.gt)


def _numeric(sign: str, left: Any, right: Any, integers: Callable[[int, int], int], floats: Callable[[float, float], float]) -> Any:
    kind, other = type(left), type(right)
    if kind not in _NUMBERS or other not in _NUMBERS:
        raise misfit(sign, left, right)
    if kind in FLOATS or other in FLOATS:
        return floats(to_float(left), to_float(right))
    return Int(wrap(integers(int(left), int(right))))


def _moved(time: Time, by: int) -> Time:
    try:
        return times.time_at(times.nanoseconds(time) + by, time.instant.tzinfo or UTC)
    except GoError as error:
        raise Fault(str(error)) from error


def add(frame: Frame, left: Any, right: Any) -> Any:
    """`+`: numbers, texts, and times with durations."""
    kind, other = type(left), type(right)
    if kind is str and other is str:
        return frame.text(left + right)
    if kind is Time and other is Duration:
        return _moved(left, right)
    if kind is Duration and other is Time:
        return _moved(right, left)
    if kind is Duration and other is Duration:
        return Duration(wrap(left + right))
    return _numeric("+", left, right, operator.add, operator.add)


def subtract(_frame: Frame, left: Any, right: Any) -> Any:
    """`-`: numbers, times and durations."""
    kind, other = type(left), type(right)
    if kind is Time and other is Time:
        return times.METHODS["Sub"].call(left, right)
    if kind is Time and other is Duration:
        return _moved(left, -right)
    if kind is Duration and other is Duration:
        return Duration(wrap(int(left) - int(right)))
    return _numeric("-", left, right, operator.sub, operator.sub)


def multiply(_frame: Frame, left: Any, right: Any) -> Any:
    """`*`: numbers; a duration times an integer is a duration, times a float64 a float64."""
    if type(left) is Duration or type(right) is Duration:
        kinds = {type(left), type(right)}
        if kinds <= INTEGERS | {Duration}:
            return Duration(wrap(int(left) * int(right)))
        if kinds <= FLOATS | {Duration}:
            return to_float(left) * to_float(right)
        raise misfit("*", left, right)
    return _numeric("*", left, right, operator.mul, operator.mul)


def _quotient(sign: str, compute: Callable[[float, float], float]) -> Callable[[Frame, Any, Any], float]:
    def apply(_frame: Frame, left: Any, right: Any) -> float:
        if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
            raise misfit(sign, left, right)
        return compute(to_float(left), to_float(right))

    return apply


def modulo(_frame: Frame, left: Any, right: Any) -> Int:
    """`%`, of integers alone: a number of an event is none, it wants `int(…)`."""
    if type(left) not in INTEGERS or type(right) not in INTEGERS:
        fault = misfit("%", left, right)
        fault.remedy = "numbers of an event are floats: write int(…)"
        raise fault
    if not right:
        raise Fault("divides by zero", "divide by another number")
    rest = abs(int(left)) % abs(int(right))
    return Int(-rest if left < 0 else rest)


def make_range(_frame: Frame, left: Any, right: Any) -> range:
    """`..`: both ends are in it."""
    low, high = to_int(left), to_int(right)
    if high - low + 1 >= MAX_ITEMS:
        raise Fault(f"the range has more than {MAX_ITEMS:,} elements", "compare with >= and <=")
    return range(low, max(low, high + 1))


def contains(frame: Frame, left: Any, right: Any) -> bool:
    """`in`: an element of a list or a key of a map."""
    kind = type(right)
    if right is None:
        return False
    if kind is dict or kind is StringMap:
        if left is None:
            return "" in right
        if type(left) is not str:
            raise Fault(f"a map's keys are strings, and no {go_type(left)} is one", "use string(…)")
        return left in right
    if kind is range:
        return type(left) in _NUMBERS and to_float(left).is_integer() and int(left) in right
    if isinstance(right, list):
        frame.spend(len(right) >> 2)
        return any(equal(frame, value, left) for value in right)
    if kind is Pairs:
        return pair_key(left) in right
    raise misfit("in", left, right)


def pair_key(value: Any) -> tuple[str, Any]:
    """A key of a map with keys of any type. Raises `Fault` for a value that cannot be one."""
    try:
        hash(value)
    except TypeError as error:
        raise Fault(f"{go_type(value)} cannot be a key", "use a string, a number or a boolean") from error
    return go_type(value), value


def _matches(frame: Frame, left: Any, right: Any) -> bool:
    if type(left) is not str or type(right) is not str:
        raise misfit("matches", left, right)
    frame.pattern(right)
    try:
        pattern = regex.compile(right)
    except PatternError as error:
        raise Fault(f"the regular expression {right[:100]!r}: {error.problem}", error.remedy) from error
    frame.spend(len(left) >> 6)
    return pattern.search(left)


def _textual(sign: str, test: Callable[[str, str], bool]) -> Callable[[Frame, Any, Any], bool]:
    def apply(frame: Frame, left: Any, right: Any) -> bool:
        if type(left) is not str or type(right) is not str:
            raise misfit(sign, left, right)
        frame.spend(len(left) >> 7)
        return test(left, right)

    return apply


def _negate(_frame: Frame, value: Any) -> Any:
    kind = type(value)
    if kind in FLOATS:
        return -to_float(value)
    if kind is Int:
        return Int(wrap(-int(value)))
    if kind in INTEGERS:
        return kind((-int(value) - kind.low) % (kind.high - kind.low + 1) + kind.low)
    raise misfit("-", value)


def _not(_frame: Frame, value: Any) -> bool:
    if type(value) is not bool:
        raise misfit("not", value)
    return not value


PREFIXES: Final[Prefixes] = {"-": _negate, "+": lambda _frame, value: value, "not": _not, "!": _not}

INFIXES: Final[Infixes] = {
    "==": equal,
    "!=": lambda frame, left, right: not equal(frame, left, right),
    "<": less,
    ">": more,
    "<=": _ordered("<=", operator.le),
    ">=": _ordered(">=", operator.ge),
    "in": contains,
    "matches": _matches,
    "contains": _textual("contains", operator.contains),
    "startsWith": _textual("startsWith", str.startswith),
    "endsWith": _textual("endsWith", str.endswith),
    "..": make_range,
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": _quotient("/", divide),
    "%": modulo,
    "**": _quotient("**", power),
    "^": _quotient("^", power),
}
"""What the operators do that evaluate both sides."""
