"""govaluate's operators and the closures of its nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.expression.arithmetic import divide, to_int64, to_uint64
from tiphys.languages.expression.closures import Compiler, Evaluate, Infixes, Prefixes, located
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.nodes import Binary, Call, Literal, Name
from tiphys.languages.expression.values import deep_equal, go_type, text_of, to_float
from tiphys.languages.golang.powers import power

__all__ = ["INFIXES", "PREFIXES", "Closures"]

_TWO_64: Final = 1 << 64
_UNCOMPARABLE: Final = (list, dict)


def _mismatch(operator: str, wanted: str, *values: Any) -> Fault:
    return Fault(f"{operator} takes {wanted}, and not {' and '.join(map(_named, values))}")


def _named(value: Any) -> str:
    return "a regular expression" if isinstance(value, regex.Pattern) else {"float64": "number"}.get(go_type(value), go_type(value))


def _numbers(operator: str, operation: Callable[[float, float], float]) -> Callable[[Frame, Any, Any], float]:
    def apply(_frame: Frame, left: Any, right: Any) -> float:
        if type(left) is not float or type(right) is not float:
            raise _mismatch(operator, "two numbers", left, right)
        return operation(left, right)

    return apply


def _modulo(left: float, right: float) -> float:
    return math.nan if math.isinf(left) or not right else math.fmod(left, right)


def _shift_left(left: float, right: float) -> float:
    count = to_uint64(right)
    return float((to_uint64(left) << count) % _TWO_64) if count < 64 else 0.0


def _shift_right(left: float, right: float) -> float:
    count = to_uint64(right)
    return float(to_uint64(left) >> count) if count < 64 else 0.0


def _add(frame: Frame, left: Any, right: Any) -> Any:
    if type(left) is float and type(right) is float:
        return left + right
    if type(left) is str or type(right) is str:
        return frame.text(text_of(frame, left) + text_of(frame, right))
    raise _mismatch("+", "two numbers, or a string", left, right)


def _ordered(operator: str, operation: Callable[[Any, Any], bool]) -> Callable[[Frame, Any, Any], bool]:
    def apply(_frame: Frame, left: Any, right: Any) -> bool:
        kind = type(left)
        if kind is not type(right) or (kind is not float and kind is not str):
            raise _mismatch(operator, "two numbers or two strings", left, right)
        return operation(left, right)

    return apply


def _matches(frame: Frame, left: Any, right: Any) -> bool:
    if type(left) is not str:
        raise _mismatch("=~", "a string on its left", left)
    if type(right) is str:
        frame.pattern(right)
        try:
            right = regex.compile(right)
        except PatternError as error:
            raise Fault(f"the regular expression {right[:100]!r}: {error.problem}", error.remedy) from error
    elif type(right) is not regex.Pattern:
        raise _mismatch("=~", "a regular expression on its right", right)
    frame.spend(len(left) >> 6)
    return cast("bool", right.search(left))


def _in(frame: Frame, left: Any, right: Any) -> bool:
    if type(right) is not list:
        raise _mismatch("in", "a list on its right, such as (1, 2)", right)
    frame.spend(len(right) >> 2)
    kind = type(left)
    for value in right:
        if kind is float:
            if type(value) in (float, int) and to_float(value) == left:
                return True
        elif kind is type(value):
            if isinstance(left, _UNCOMPARABLE):
                raise Fault(f"in cannot compare one {go_type(left)} with another", "compare strings, numbers or booleans")
            if left == value:
                return True
    return False


def _separate(frame: Frame, left: Any, right: Any) -> list[Any]:
    if type(left) is not list:
        return [left, right]
    frame.spend(len(left) >> 4)
    return [*left, right]


def _negate(_frame: Frame, value: Any) -> float:
    if type(value) is not float:
        raise _mismatch("-", "a number", value)
    return -value


def _invert(_frame: Frame, value: Any) -> bool:
    if type(value) is not bool:
        raise _mismatch("!", "a boolean", value)
    return not value


def _complement(_frame: Frame, value: Any) -> float:
    if type(value) is not float:
        raise _mismatch("~", "a number", value)
    return float(~to_int64(value))


INFIXES: Final[Infixes] = {
    "==": deep_equal,
    "!=": lambda frame, left, right: not deep_equal(frame, left, right),
    ">": _ordered(">", lambda left, right: left > right),
    ">=": _ordered(">=", lambda left, right: left >= right),
    "<": _ordered("<", lambda left, right: left < right),
    "<=": _ordered("<=", lambda left, right: left <= right),
    "=~": _matches,
    "!~": lambda frame, left, right: not _matches(frame, left, right),
    "in": _in,
    "^": _numbers("^", lambda left, right: float(to_int64(left) ^ to_int64(right))),
    "&": _numbers("&", lambda left, right: float(to_int64(left) & to_int64(right))),
    "|": _numbers("|", lambda left, right: float(to_int64(left) | to_int64(right))),
    ">>": _numbers(">>", _shift_right),
    "<<": _numbers("<<", _shift_left),
    "+": _add,
    "-": _numbers("-", lambda left, right: left - right),
    "*": _numbers("*", lambda left, right: left * right),
    "/": _numbers("/", divide),
    "%": _numbers("%", _modulo),
    "**": _numbers("**", power),
    ",": _separate,
}
"""What the operators do that evaluate both sides."""

PREFIXES: Final[Prefixes] = {"-": _negate, "!": _invert, "~": _complement}


class Closures(Compiler):
    """The closures of govaluate."""

    prefixes = PREFIXES
    infixes = INFIXES

    def __init__(self) -> None:
        super().__init__()
        self.handlers |= {Name: self._name, Call: self._accessor}

    def decides(self, operator: str, value: Any) -> bool:
        """Never: what is no boolean is an error."""
        raise _mismatch("&&" if operator == "and" else "||", "booleans", value)

    def last(self, operator: str, value: Any) -> Any:
        """An error: the last operand must be a boolean too."""
        raise _mismatch("&&" if operator == "and" else "||", "booleans", value)

    @staticmethod
    def _name(node: Name) -> Evaluate:
        name, offset = node.name, node.offset

        def parameter(frame: Frame) -> Any:
            try:
                value = frame.names[name]
            except KeyError:
                raise Fault(f"there is no parameter {name!r}", "name it in `fields`", offset) from None
            return to_float(value) if type(value) is int else value

        return parameter

    def _accessor(self, node: Call) -> Evaluate:
        arguments, callee = tuple(map(self.compile, node.arguments)), node.callee
        name = callee.name if isinstance(callee, Name) else ""
        offset = node.offset

        def accessor(frame: Frame) -> Any:
            for argument in arguments:
                argument(frame)
            raise Fault(f"{name} asks for a field, and no parameter has any", f"write [{name}] if that is its name", offset)

        return accessor

    def _binary(self, node: Binary) -> Evaluate:
        make = {"?": self._if, ":": self._else, "??": self._else, "==": self._equal}.get(node.operator)
        return (make and make(node)) or super()._binary(node)

    def _equal(self, node: Binary) -> Evaluate | None:
        """`a == "text"`, by far the most frequent expression: no other value equals a string."""
        if not (isinstance(node.right, Literal) and type(node.right.value) is str):
            return None
        left, text = self.compile(node.left), node.right.value
        return lambda frame: bool(left(frame) == text)

    def _if(self, node: Binary) -> Evaluate:
        left, right, offset = self.compile(node.left), self.compile(node.right), node.offset

        def condition(frame: Frame) -> Any:
            value = left(frame)
            if value is True:
                return right(frame)
            if value is False:
                return None
            raise located(_mismatch("?", "a boolean before it", value), offset)

        return condition

    def _else(self, node: Binary) -> Evaluate:
        left, right = self.compile(node.left), self.compile(node.right)

        def otherwise(frame: Frame) -> Any:
            value = left(frame)
            return right(frame) if value is None else value

        return otherwise
