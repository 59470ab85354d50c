"""The functions of floats. Go gives NaN or an infinity where Python raises."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.languages.jq.numbers import float_of, integer_of
from tiphys.languages.jq.values import JqError, is_number, shown

__all__ = ["MATHEMATICS", "number_in"]


def number_in(name: str, value: Any) -> float:
    """The value as float64. Raises `JqError` for what is no number."""
    if not is_number(value):
        raise JqError(f"{name} cannot be applied to: {shown(value)}")
    return float_of(value)


def _lifted(name: str, function: Callable[..., float], count: int = 1) -> Callable[..., float]:
    """A function of floats: Go gives NaN or an infinity where Python raises."""

    def applied(value: Any, *given: Any) -> float:
        numbers = [number_in(name, item) for item in (given if count > 1 else (value,))]
        try:
            return float(function(*numbers))
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return applied


def _log(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda number: -math.inf if number == 0 else function(number)


def _whole(function: Callable[[float], float]) -> Callable[[float], float]:
    """A rounding: what is whole or not finite stays, the sign of zero too."""
    return lambda number: number if not math.isfinite(number) else math.copysign(float(function(number)), number)


def _round(number: float) -> float:
    return math.floor(abs(number) + 0.5) if abs(number) < 2**52 else abs(number)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base == 0:
            return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf
        return math.nan


def _fraction(number: float) -> tuple[float, int]:
    return math.frexp(number) if math.isfinite(number) else (number, 0)


def _exponent(number: float) -> float:
    if number == 0:
        return -math.inf
    return math.frexp(number)[1] - 1 if math.isfinite(number) else abs(number)


def _gamma(number: float) -> float:
    if number == 0:
        return math.copysign(math.inf, number)
    return math.gamma(number)


def _log_gamma(number: float) -> float:
    return math.inf if number <= 0 and number == math.floor(number) else math.lgamma(number)


def _drem(left: float, right: float) -> float:
    rest = math.remainder(left, right)
    return math.copysign(rest, left) if rest == 0 else rest


def _positive_difference(left: float, right: float) -> float:
    return 0.0 if left - right <= 0 else left - right


def _picked(function: Callable[[float, float], float]) -> Callable[[float, float], float]:
    return lambda left, right: right if math.isnan(left) else left if math.isnan(right) else function(left, right)


def _scaled(number: float, power: float) -> float:
    try:
        return math.ldexp(number, max(-5000, min(5000, integer_of(power))))
    except OverflowError:
        return math.copysign(math.inf, number)


def _frexp(value: Any) -> list[Any]:
    fraction, exponent = _fraction(number_in("frexp", value))
    return [fraction, exponent]


def _modf(value: Any) -> list[Any]:
    number = number_in("modf", value)
    if math.isinf(number):
        return [math.copysign(0.0, number), number]
    fraction, whole = math.modf(number)
    return [fraction, whole]


_ONE: Final[Mapping[str, Callable[[float], float]]] = {
    **{
        name: getattr(math, name)
        for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh")
    },
    "atanh": lambda number: math.copysign(math.inf, number) if abs(number) == 1 else math.atanh(number),
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "trunc": _whole(math.trunc),
    "round": _whole(_round),
    "nearbyint": _whole(round),
    "rint": _whole(round),
    "significand": lambda number: _fraction(number)[0] * 2,
    "fabs": math.fabs,
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "exp": math.exp,
    "exp10": lambda number: _power(10.0, number),
    "exp2": lambda number: _power(2.0, number),
    "expm1": math.expm1,
    "log": _log(math.log),
    "log10": _log(math.log10),
    "log2": _log(math.log2),
    "log1p": lambda number: -math.inf if number == -1 else math.log1p(number),
    "logb": _exponent,
    "gamma": _gamma,
    "tgamma": _gamma,
    "lgamma": _log_gamma,
    "erf": math.erf,
    "erfc": math.erfc,
}
_TWO: Final[Mapping[str, Callable[[float, float], float]]] = {
    "atan2": math.atan2,
    "copysign": math.copysign,
    "drem": _drem,
    "fdim": _positive_difference,
    "fmax": _picked(max),
    "fmin": _picked(min),
    "fmod": math.fmod,
    "hypot": math.hypot,
    "nextafter": math.nextafter,
    "nexttoward": math.nextafter,
    "remainder": math.remainder,
    "ldexp": _scaled,
    "scalb": _scaled,
    "scalbln": _scaled,
    "pow": _power,
}

MATHEMATICS: Final[Mapping[tuple[str, int], Callable[..., Any]]] = {
    ("frexp", 0): _frexp,
    ("modf", 0): _modf,
    ("fma", 3): _lifted("fma", lambda one, two, three: one * two + three, 3),
    **{(name, 0): _lifted(name, function) for name, function in _ONE.items()},
    **{(name, 2): _lifted(name, function, 2) for name, function in _TWO.items()},
}
"""By name and number of arguments; a function of two takes no input but its arguments."""
