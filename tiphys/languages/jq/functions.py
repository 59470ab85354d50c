"""Functions that take values and give one value: by name and number of arguments."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.languages.jq import clock, formats, matching, paths
from tiphys.languages.jq.numbers import float_of, integer_of
from tiphys.languages.jq.operators import total
from tiphys.languages.jq.values import Halt, JqError, compare, dumps, is_number, kind_of, order, preview, shown

__all__ = ["FUNCTIONS", "values_of"]


def _refuse(name: str, value: Any) -> JqError:
    return JqError(f"{name} cannot be applied to: {shown(value)}")


def _refuse_with(name: str, value: Any, *arguments: Any) -> JqError:
    return JqError(f"{name}({'; '.join(map(preview, arguments))}) cannot be applied to: {shown(value)}")


def values_of(name: str, value: Any) -> list[Any]:
    """The items of a list, or of an object in the order of its keys. Raises `JqError`."""
    if type(value) is list:
        return value
    if type(value) is dict:
        return [value[key] for key in sorted(value)]
    raise _refuse(name, value)


def _list(name: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise _refuse(name, value)
    return value


def _text(name: str, value: Any, *arguments: Any) -> str:
    if type(value) is not str or not all(type(argument) is str for argument in arguments):
        raise _refuse_with(name, value, *arguments) if arguments else _refuse(name, value)
    return value


def _number(name: str, value: Any) -> float:
    if not is_number(value):
        raise _refuse(name, value)
    return float_of(value)


def _length(value: Any) -> Any:
    if value is None:
        return 0
    if is_number(value):
        return abs(value)
    if type(value) is bool:
        raise _refuse("length", value)
    return len(value)


def _absolute(value: Any) -> Any:
    if not is_number(value):
        raise _refuse("abs", value)
    return abs(value)


def _keys(value: Any) -> list[Any]:
    if type(value) is list:
        return list(range(len(value)))
    if type(value) is dict:
        return sorted(value)
    raise _refuse("keys", value)


def _has(value: Any, key: Any) -> bool:
    if type(value) is list and is_number(key):
        return 0 <= integer_of(key) < len(value)
    if type(value) is dict and type(key) is str:
        return key in value
    if value is None:
        return False
    raise _refuse_with("has", value, key)


def _contains(value: Any, wanted: Any) -> bool:
    if is_number(value) and is_number(wanted):
        return bool(value == wanted)
    if type(value) is type(wanted):
        if type(value) is str:
            return wanted in value
        if type(value) is list:
            return all(any(_holds(item, want) for item in value) for want in wanted)
        if type(value) is dict:
            return len(value) >= len(wanted) and all(key in value and _holds(value[key], want) for key, want in wanted.items())
        if value == wanted:
            return True
    raise _refuse_with("contains", value, wanted)


def _holds(value: Any, wanted: Any) -> bool:
    try:
        return _contains(value, wanted)
    except JqError:
        return False


def _found(name: str, value: Any, wanted: Any) -> list[int] | None:
    if value is None:
        return None
    if type(value) is list:
        return paths.indices(value, wanted if type(wanted) is list else [wanted])
    if type(value) is str and type(wanted) is str:
        found = []
        at = value.find(wanted) if wanted else -1
        while at >= 0:
            found.append(at)
            at = value.find(wanted, at + 1)
        return found
    raise _refuse_with(name, value, wanted)


def _index(value: Any, wanted: Any) -> int | None:
    found = _found("index", value, wanted)
    return found[0] if found else None


def _last_index(value: Any, wanted: Any) -> int | None:
    found = _found("rindex", value, wanted)
    return found[-1] if found else None


def _implode(value: Any) -> str:
    found = []
    for item in _list("implode", value):
        if not is_number(item):
            raise _refuse("implode", value)
        code = integer_of(item)
        found.append(chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd")
    return "".join(found)


def _split(value: Any, separator: Any) -> list[str]:
    text, by = _text("split", value), _text("split", separator)
    return text.split(by) if by else list(text)


def _join(value: Any, separator: Any) -> Any:
    if type(value) not in (list, dict):
        raise _refuse_with("join", value, separator)
    items = values_of("join", value)
    if not items:
        return ""
    parts: list[Any] = []
    for place, item in enumerate(items):
        parts.append(separator if place else "")
        parts.append(dumps(item) if is_number(item) or type(item) is bool else item)
    return total(parts)


def _flatten(value: Any, depth: Any = None) -> list[Any]:
    items = values_of("flatten", value)
    levels = math.inf if depth is None else _number("flatten", depth)
    if not levels >= 0:
        raise JqError(f"flatten depth should not be negative: {preview(depth)}")
    found: list[Any] = []
    stack = [(iter(items), levels)]
    while stack:
        remaining, level = stack[-1]
        for item in remaining:
            if type(item) is list and level != 0:
                stack.append((iter(item), level - 1))
                break
            found.append(item)
        else:
            stack.pop()
    return found


def _keyed(name: str, value: Any, keys: Any) -> list[tuple[Any, Any]]:
    items = _list(name, value)
    return sorted(zip(keys, items, strict=True), key=lambda pair: order(pair[0]))


def _grouped(value: Any, keys: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    last: Any = None
    for key, item in _keyed("group_by", value, keys):
        if not found or compare(last, key):
            found.append([])
            last = key
        found[-1].append(item)
    return found


def _extreme(value: Any, keys: Any, *, least: bool) -> Any:
    items = _list("min" if least else "max", value)
    if not items:
        return None
    best = 0
    for place in range(1, len(items)):
        if (compare(keys[best], keys[place]) > 0) is least:
            best = place
    return items[best]


def _transposed(value: Any) -> list[Any]:
    rows = _list("transpose", value)
    if not all(type(row) is list for row in rows):
        raise _refuse("transpose", value)
    width = max(map(len, rows), default=0)
    return [[row[place] if place < len(row) else None for row in rows] for place in range(width)]


def _searched(value: Any, wanted: Any) -> int:
    if type(value) is not list:
        raise _refuse_with("bsearch", value, wanted)
    place = bisect_left(value, order(wanted), key=order)
    return place if place < len(value) and compare(value[place], wanted) == 0 else -place - 1


def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    if type(value) is str:
        raise JqError(f"toboolean cannot be applied to {preview(value)}: invalid boolean")
    raise _refuse("toboolean", value)


def _error(value: Any, *given: Any) -> Any:
    raise JqError(given[0] if given else value)


def _halt(_value: Any, *_given: Any) -> Any:
    raise Halt


def _form(value: Any, name: Any) -> str:
    form = formats.FORMATS.get(f"@{_text('format', name)}")
    if form is None:
        raise JqError(f"format not defined: @{name}")
    return form(value)


def _not_loaded(value: Any) -> Any:
    raise JqError(f"cannot load module: {preview(_text('modulemeta', value))}")


# mathematics ------------------------------------------------------------------------------------------------------------------


def _math(name: str, function: Callable[..., float], count: int = 1) -> Callable[..., float]:
    """A function of floats: Go gives NaN or an infinity where Python raises."""

    def applied(value: Any, *given: Any) -> float:
        numbers = [_number(name, item) for item in (given if count > 1 else (value,))]
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


def _parts(value: Any) -> list[Any]:
    fraction, exponent = _fraction(_number("frexp", value))
    return [fraction, exponent]


def _modf(value: Any) -> list[Any]:
    number = _number("modf", value)
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


def _is_not_a_number(value: Any) -> bool:
    return False if value is None else math.isnan(_number("isnan", value))


def _is_normal(value: Any) -> bool:
    return is_number(value) and math.isfinite(number := float_of(value)) and abs(number) >= 2.2250738585072014e-308


FUNCTIONS: Final[Mapping[tuple[str, int], Callable[..., Any]]] = {
    ("abs", 0): _absolute,
    ("length", 0): _length,
    ("utf8bytelength", 0): lambda value: len(_text("utf8bytelength", value).encode("utf-8", "replace")),
    ("keys", 0): _keys,
    ("has", 1): _has,
    ("add", 0): lambda value: total(values_of("add", value)),
    ("toboolean", 0): _boolean,
    ("tonumber", 0): formats.to_number,
    ("tostring", 0): formats.to_string,
    ("type", 0): kind_of,
    ("reverse", 0): lambda value: _list("reverse", value)[::-1],
    ("contains", 1): _contains,
    ("inside", 1): lambda value, other: _contains(other, value),
    ("indices", 1): lambda value, wanted: _found("indices", value, wanted),
    ("index", 1): _index,
    ("rindex", 1): _last_index,
    ("startswith", 1): lambda value, part: _text("startswith", value, part).startswith(part),
    ("endswith", 1): lambda value, part: _text("endswith", value, part).endswith(part),
    ("ltrimstr", 1): lambda value, part: _text("ltrimstr", value, part).removeprefix(part),
    ("rtrimstr", 1): lambda value, part: _text("rtrimstr", value, part).removesuffix(part),
    ("trimstr", 1): lambda value, part: _text("trimstr", value, part).removeprefix(part).removesuffix(part),
    ("ltrim", 0): lambda value: _text("ltrim", value).lstrip(_SPACES),
    ("rtrim", 0): lambda value: _text("rtrim", value).rstrip(_SPACES),
    ("trim", 0): lambda value: _text("trim", value).strip(_SPACES),
    ("explode", 0): lambda value: list(map(ord, _text("explode", value))),
    ("implode", 0): _implode,
    ("split", 1): _split,
    ("join", 1): _join,
    ("ascii_downcase", 0): lambda value: _text("ascii_downcase", value).translate(_DOWN),
    ("ascii_upcase", 0): lambda value: _text("ascii_upcase", value).translate(_UP),
    ("tojson", 0): dumps,
    ("fromjson", 0): formats.from_json,
    ("format", 1): _form,
    ("flatten", 0): _flatten,
    ("flatten", 1): lambda value, depth: _flatten(value, "null" if depth is None else depth),
    ("min", 0): lambda value: _extreme(value, value, least=True),
    ("max", 0): lambda value: _extreme(value, value, least=False),
    ("_min_by", 1): lambda value, keys: _extreme(value, keys, least=True),
    ("_max_by", 1): lambda value, keys: _extreme(value, keys, least=False),
    ("sort", 0): lambda value: sorted(_list("sort", value), key=order),
    ("_sort_by", 1): lambda value, keys: [item for _, item in _keyed("sort_by", value, keys)],
    ("_group_by", 1): _grouped,
    ("unique", 0): lambda value: [group[0] for group in _grouped(_list("unique", value), value)],
    ("_unique_by", 1): lambda value, keys: [group[0] for group in _grouped(value, keys)],
    ("infinite", 0): lambda _: math.inf,
    ("nan", 0): lambda _: math.nan,
    ("isfinite", 0): lambda value: is_number(value) and not math.isinf(float_of(value)),
    ("isinfinite", 0): lambda value: is_number(value) and math.isinf(float_of(value)),
    ("isnan", 0): _is_not_a_number,
    ("isnormal", 0): _is_normal,
    ("frexp", 0): _parts,
    ("modf", 0): _modf,
    ("fma", 3): _math("fma", lambda one, two, three: one * two + three, 3),
    ("setpath", 2): paths.set_path,
    ("delpaths", 1): paths.delete_paths,
    ("transpose", 0): _transposed,
    ("bsearch", 1): _searched,
    ("gmtime", 0): lambda value: clock.broken_down("gmtime", value, local=False),
    ("localtime", 0): lambda value: clock.broken_down("localtime", value, local=True),
    ("mktime", 0): lambda value: clock.seconds_of("mktime", value),
    ("strftime", 1): lambda value, template: clock.formatted("strftime", value, template, local=False),
    ("strflocaltime", 1): lambda value, template: clock.formatted("strflocaltime", value, template, local=True),
    ("strptime", 1): clock.parsed,
    ("now", 0): lambda _: time.time(),
    ("test", 1): lambda value, pattern: matching.test(value, pattern, None),
    ("test", 2): matching.test,
    ("_captures", 0): matching.captures,
    ("error", 0): _error,
    ("error", 1): _error,
    ("halt", 0): _halt,
    ("halt_error", 0): _halt,
    ("halt_error", 1): _halt,
    ("modulemeta", 0): _not_loaded,
    ("env", 0): lambda _: {},
    **{(name, 0): _math(name, function) for name, function in _ONE.items()},
    **{(name, 2): _math(name, function, 2) for name, function in _TWO.items()},
}
"""What is called with the input first, then the arguments."""

_SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_DOWN: Final = {code: code + 32 for code in range(65, 91)}
_UP: Final = {code: code - 32 for code in range(97, 123)}
