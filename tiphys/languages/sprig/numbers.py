"""sprig's arithmetic. Whole numbers are `int64` and wrap; the functions that end in `f` reckon with decimals, as `shopspring/decimal`."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any, Final

from tiphys.languages.golang import fmt
from tiphys.languages.golang.powers import power
from tiphys.languages.golang.values import Function, GoError, Int64, Ints
from tiphys.languages.sprig.bounds import check_items
from tiphys.languages.sprig.cast import MAX_INT64, MIN_INT64, to_float64, to_int, to_int64, wrap

__all__ = ["FUNCTIONS", "atoi"]

_DIGITS: Final = re.compile(r"([+-]?)([0-9]+)")
_UINT64: Final = 1 << 64
_ZERO: Final = "runtime error: integer divide by zero"


def atoi(text: str) -> int:
    """`strconv.Atoi` without its error: 0 for what is no number, the nearest number for what is out of range."""
    match = _DIGITS.match(text)
    if match is None:
        return 0
    sign, digits = match.groups()
    number = int(digits.lstrip("0")[:21] or 0)
    if match.end() < len(text) and number < _UINT64:  # Go sees that it is too large before it sees that it is none
        return 0
    return max(-number, MIN_INT64) if sign == "-" else min(number, MAX_INT64)


def _add(*values: Any) -> Int64:
    return Int64(wrap(sum(map(to_int, values))))


def _add1(value: Any) -> Int64:
    return Int64(wrap(to_int(value) + 1))


def _sub(left: Any, right: Any) -> Int64:
    return Int64(wrap(to_int(left) - to_int(right)))


def _mul(first: Any, *others: Any) -> Int64:
    product = to_int(first)
    for other in others:
        product = wrap(product * to_int(other))
    return Int64(product)


def _div(left: Any, right: Any) -> Int64:
    dividend, divisor = to_int(left), to_int(right)
    if not divisor:
        raise GoError(_ZERO)
    quotient = abs(dividend) // abs(divisor)
    return Int64(wrap(quotient if (dividend < 0) == (divisor < 0) else -quotient))


def _mod(left: Any, right: Any) -> Int64:
    dividend, divisor = to_int(left), to_int(right)
    if not divisor:
        raise GoError(_ZERO)
    rest = abs(dividend) % abs(divisor)
    return Int64(-rest if dividend < 0 else rest)


def _max(first: Any, *others: Any) -> Int64:
    return Int64(max(to_int(first), *map(to_int, others))) if others else to_int64(first)


def _min(first: Any, *others: Any) -> Int64:
    return Int64(min(to_int(first), *map(to_int, others))) if others else to_int64(first)


def _rand_int(low: int, high: int) -> int:
    span = wrap(high - low)
    if span <= 0:
        raise GoError("invalid argument to Intn")
    return wrap(random.randrange(span) + low)  # noqa: S311  so does sprig; no secret is made of it


def _to_decimal(value: Any) -> Int64:
    """The number that a text means in base 8."""
    if isinstance(value, list | dict):
        return Int64(0)
    text = fmt.sprint(value)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or len(digits) > 64 or digits.strip("01234567"):
        return Int64(0)
    number = -int(digits, 8) if text[0] == "-" else int(digits, 8)
    return Int64(number if MIN_INT64 <= number <= MAX_INT64 else 0)


def _until(count: int) -> Ints:
    return _until_step(0, count, -1 if count < 0 else 1)


def _until_step(start: int, stop: int, step: int) -> Ints:
    if (step >= 0) if stop < start else (step <= 0):
        return Ints()
    numbers = range(start, stop, step)
    check_items("until", -(-abs(stop - start) // abs(step)))
    return Ints(numbers)


def _seq(*ends: int) -> str:
    if len(ends) == 3:
        start, step, end = ends
        if end < start and step > 0:
            return ""
    elif len(ends) in (1, 2):
        start, end = ends if len(ends) == 2 else (1, ends[0])
        step = -1 if end < start else 1
    else:
        return ""
    return " ".join(map(str, _until_step(start, wrap(end + (-1 if end < start else 1)), step)))


def _decimal(value: Any) -> tuple[int, int]:
    """`decimal.NewFromFloat`: the fewest digits that mean the number, and the power of ten."""
    number = to_float64(value)
    if not math.isfinite(number):
        raise GoError(f"Cannot create a Decimal from {fmt.sprint(number)}")
    digits, _, exponent = repr(number).partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    return int(whole + fraction), int(exponent or 0) - len(fraction)


def _float(value: int, exponent: int) -> float:
    try:
        return value / 10**-exponent if exponent < 0 else float(value * 10**exponent)
    except OverflowError:
        return -math.inf if value < 0 else math.inf


def _added(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    exponent = min(left[1], right[1])
    return left[0] * 10 ** (left[1] - exponent) + right[0] * 10 ** (right[1] - exponent), exponent


def _subtracted(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return _added(left, (-right[0], right[1]))


def _multiplied(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return left[0] * right[0], left[1] + right[1]


def _divided(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """To 16 places, half away from zero."""
    if not right[0]:
        raise GoError("decimal division by 0")
    shift = left[1] - right[1] + 16
    dividend, divisor = abs(left[0]), abs(right[0])
    if shift >= 0:
        dividend *= 10**shift
    else:
        divisor *= 10**-shift
    quotient, rest = divmod(dividend, divisor)
    quotient += 2 * rest >= divisor
    return (quotient if (left[0] < 0) == (right[0] < 0) else -quotient), -16


_Operation = Callable[[tuple[int, int], tuple[int, int]], tuple[int, int]]
_LONGEST: Final = 100_000
"""Bits of the longest number in between."""


def _reckoned(operation: _Operation, first: Any, others: tuple[Any, ...]) -> float:
    result = _decimal(first)
    for other in others:
        result = operation(result, _decimal(other))
        if result[0].bit_length() > _LONGEST or abs(result[1]) > _LONGEST:
            raise GoError("the result is out of range")
    return _float(*result)


def _addf(*values: Any) -> float:
    return _reckoned(_added, 0.0, values)


def _add1f(value: Any) -> float:
    return _reckoned(_added, value, (1,))


def _subf(first: Any, *others: Any) -> float:
    return _reckoned(_subtracted, first, others)


def _mulf(first: Any, *others: Any) -> float:
    return _reckoned(_multiplied, first, others)


def _divf(first: Any, *others: Any) -> float:
    return _reckoned(_divided, first, others)


def _maxf(first: Any, *others: Any) -> float:
    result = to_float64(first)
    for other in map(to_float64, others):
        if math.inf in (result, other):
            result = math.inf
        elif math.isnan(result) or math.isnan(other):
            result = math.nan
        else:
            result = max(result, other) if result or other else max(result, other, key=lambda zero: math.copysign(1, zero))
    return result


def _minf(first: Any, *others: Any) -> float:
    return -_maxf(-to_float64(first), *(-to_float64(other) for other in others))


def _floor(value: Any) -> float:
    number = to_float64(value)
    return math.copysign(math.floor(number), number) if math.isfinite(number) else number


def _ceil(value: Any) -> float:
    number = to_float64(value)
    return math.copysign(math.ceil(number), number) if math.isfinite(number) else number


def _round(value: Any, places: int, *on: float) -> float:
    """Up from `on` (0.5) and down below it, which for a negative number is always down."""
    scale = power(10.0, float(places))  # as Go has it: from 1e23 on it is not the nearest number
    shifted = scale * to_float64(value)
    if not math.isfinite(shifted):
        whole = shifted
    else:
        whole = _ceil(shifted) if math.modf(shifted)[0] >= (on[0] if on else 0.5) else _floor(shifted)
    if not scale:
        return math.nan if not whole or math.isnan(whole) else math.copysign(math.inf, whole)
    return whole / scale


_ANY: Final = ("interface{}",)
_PAIR: Final = ("interface{}", "interface{}")
_MORE: Final = ("interface{}", "...interface{}")

FUNCTIONS: Final = (
    Function("atoi", ("string",), atoi, "int"),
    Function("int", _ANY, to_int, "int"),
    Function("int64", _ANY, to_int64, "int64"),
    Function("float64", _ANY, to_float64, "float64"),
    Function("toDecimal", _ANY, _to_decimal, "int64"),
    Function("add", ("...interface{}",), _add, "int64"),
    Function("add1", _ANY, _add1, "int64"),
    Function("sub", _PAIR, _sub, "int64"),
    Function("mul", _MORE, _mul, "int64"),
    Function("div", _PAIR, _div, "int64"),
    Function("mod", _PAIR, _mod, "int64"),
    Function("max", _MORE, _max, "int64"),
    Function("biggest", _MORE, _max, "int64"),
    Function("min", _MORE, _min, "int64"),
    Function("randInt", ("int", "int"), _rand_int, "int"),
    Function("until", ("int",), _until, "[]int"),
    Function("untilStep", ("int", "int", "int"), _until_step, "[]int"),
    Function("seq", ("...int",), _seq, "string"),
    Function("addf", ("...interface{}",), _addf, "float64"),
    Function("add1f", _ANY, _add1f, "float64"),
    Function("subf", _MORE, _subf, "float64"),
    Function("mulf", _MORE, _mulf, "float64"),
    Function("divf", _MORE, _divf, "float64"),
    Function("maxf", _MORE, _maxf, "float64"),
    Function("minf", _MORE, _minf, "float64"),
    Function("floor", _ANY, _floor, "float64"),
    Function("ceil", _ANY, _ceil, "float64"),
    Function("round", ("interface{}", "int", "...float64"), _round, "float64"),
)
